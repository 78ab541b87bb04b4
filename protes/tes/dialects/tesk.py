"""TESK: tasks are jobs of Kubernetes (DIALECTS.md, rows "TESK")."""

from protes.tes.dialects.base import Dialect, DialectLimits, Listing
from protes.tes.dialects.sight import Sight, has_id, text_of

_SCHEMES = frozenset({"http", "https", "ftp", "s3"})

TESK = Dialect(
    name="tesk",
    # It knows no filters; BASIC shows tags.
    searchable="scan",
    search_view="BASIC",
    # Without a page size one answer shows everything, as it is at one moment; pages are in the order of random names.
    search_page_size=None,
    # Jobs are all the store that it has, and they are listed anew for each request.
    read_your_writes=True,
    # A proxy may give up on a POST whose job still appears; nobody knows how late.
    late_commit_seconds=None,
    # What jobs look like decides on each request: states go back and forth between executors.
    final_error=False,
    # CANCELED is a label at first; the job goes afterwards.
    cancel_stops_work=False,
    # Four lists of the whole namespace per request, in any view.
    listing=Listing(page_size=None, floor_seconds=10.0),
    poll_floor_seconds=10.0,
    # A field that it does not know is a 400.
    takes_fields=frozenset(),
    strip_tags=("GROUP_NAME",),
    limits=DialectLimits(
        # `file` only where the operator has enabled it, who can say so in the instance's limits.
        input_schemes=_SCHEMES,
        output_schemes=_SCHEMES,
        # The whole task goes into an annotation; all annotations together have 256 KiB, and there are others.
        max_document_bytes=240 * 1024,
    ),
)


def is_tesk(seen: Sight) -> bool:
    """Recognise TESK by its id, or, as operators write their own, by what its chart alone writes in capitals."""
    is_chart = text_of(seen, "type", "artifact") == "TES" and text_of(seen, "type", "version") == "1.0"
    return has_id("uk.ac.ebi.tsc.tesk")(seen) or is_chart
