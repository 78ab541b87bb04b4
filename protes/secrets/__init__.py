"""Secrets by reference: where they are, not what they are (docs/credentials.md, "Where secrets come from")."""

from protes.secrets.reading import Secrets
from protes.secrets.references import is_reference, parse
from protes.secrets.source import SecretMissing, SecretSource

__all__ = ["SecretMissing", "SecretSource", "Secrets", "is_reference", "parse"]
