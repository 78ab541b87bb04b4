"""Funnel 0.12 and newer (DIALECTS.md, rows "Funnel HEAD" and "Funnel >= 0.11")."""

from protes.tes.dialects.base import Dialect, DialectLimits, Listing

_INPUTS = frozenset({"file", "s3", "gs", "swift", "ftp", "sftp", "http", "https"})

FUNNEL = Dialect(
    name="funnel",
    searchable="tag",
    # BASIC closes the connection while a task has no log yet (badger, elastic, datastore), MINIMAL on postgres.
    search_view="MINIMAL",
    other_view_on_loss=True,
    read_your_writes=True,
    late_commit_seconds=5.0,
    # An error may go back to QUEUED or INITIALIZING.
    final_error=False,
    # CANCELED is stored before the backend is told, and stays when the backend fails.
    cancel_stops_work=False,
    listing=Listing(floor_seconds=1.0),
    poll_floor_seconds=1.0,
    # Some backends answer any backend_parameters with 400, strict or not.
    takes_fields=frozenset({"ignore_error", "streamable", "path_prefix"}),
    strip_tags=("_WORKER_SA",),
    limits=DialectLimits(
        unsupported=frozenset({"empty_content"}),
        input_schemes=_INPUTS,
        output_schemes=_INPUTS - {"http", "https"},
    ),
)
