"""The families of TES servers and what differs between them."""

from protes.tes.dialects.base import Dialect, DialectLimits, Listing
from protes.tes.dialects.table import DIALECTS, dialect_named, fingerprint, gateway_id

__all__ = ["DIALECTS", "Dialect", "DialectLimits", "Listing", "dialect_named", "fingerprint", "gateway_id"]
