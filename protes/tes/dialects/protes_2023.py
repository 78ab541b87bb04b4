"""proTES of 2023, a gateway to other servers (DIALECTS.md, rows "proTES")."""

from protes.tes.dialects.base import CONTROL_TAGS, Dialect, Listing
from protes.tes.dialects.sight import Sight, text_of

PROTES_2023 = Dialect(
    name="protes-2023",
    # The only filter that is no 400.
    searchable="name_prefix",
    search_view="BASIC",
    # It sends a task on to the next server where one fails in any way: what it does not show may run nevertheless.
    read_your_writes=False,
    late_commit_seconds=None,
    # After 100 failed polls it shows SYSTEM_ERROR for a task that may be fine.
    final_error=False,
    cancel_stops_work=False,
    listing=Listing(floor_seconds=5.0),
    # What the server behind it does with them is not known.
    takes_fields=frozenset(),
    strip_tags=CONTROL_TAGS,
)


def is_protes_2023(seen: Sight) -> bool:
    """Recognise it by a service-info without a type, and by its id, or by its name where there is none."""
    named = text_of(seen, "id") or text_of(seen, "name")
    return "type" not in seen.info and "protes" in named.lower()
