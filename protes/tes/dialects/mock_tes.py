"""mock-TES, TEStribute's extended TES: it estimates and runs nothing (DIALECTS.md, rows "mock-TES")."""

from protes.tes.dialects.base import Dialect
from protes.tes.dialects.sight import LEGACY_INFO_PATH, Sight

MOCK_TES = Dialect(
    name="mock-tes",
    # Its list is empty, whatever it was sent.
    searchable=None,
    service_info_path=LEGACY_INFO_PATH,
)


def is_mock_tes(seen: Sight) -> bool:
    """Recognise it by a service-info that says nothing; no other dialect believes less, so a mistake costs little."""
    return seen.path == LEGACY_INFO_PATH and not seen.info
