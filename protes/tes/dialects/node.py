"""Our own small server, `protes node`."""

from protes.tes.dialects.base import FIELDS_OF_1_1, Dialect, DialectLimits, Listing

NODE = Dialect(
    name="node",
    searchable="tag",
    read_your_writes=True,
    # It accepts a task in memory, in the thread that reads the request.
    late_commit_seconds=5.0,
    final_error=True,
    cancel_stops_work=True,
    listing=Listing(states=("QUEUED", "INITIALIZING", "RUNNING"), floor_seconds=0.2),
    poll_floor_seconds=0.2,
    takes_fields=FIELDS_OF_1_1,
    integer_cpu=False,
    strip_tags=(),
    # It has no other credentials.
    needs_url_credentials=True,
    limits=DialectLimits(
        unsupported=frozenset(),
        input_schemes=frozenset({"file", "http", "https"}),
        output_schemes=frozenset({"file", "http", "https"}),
        backend_parameters=None,
    ),
)
