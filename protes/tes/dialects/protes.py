"""Another protes."""

from dataclasses import dataclass

from protes.tes.dialects.base import CONTROL_TAGS, FIELDS_OF_1_1, Dialect, DialectLimits, Listing
from protes.tes.errors import DownstreamError, is_loop


@dataclass(frozen=True)
class _Protes(Dialect):
    def created_nothing(self, error: DownstreamError) -> bool:
        """A ring of gateways is refused before anything is stored."""
        return is_loop(error)


PROTES = _Protes(
    name="protes",
    searchable="tag",
    read_your_writes=True,
    # Under load a request may wait long for a thread, and is accepted though its sender has gone.
    late_commit_seconds=60.0,
    final_error=True,
    # It shows CANCELED after a while although the instance behind it has not confirmed.
    cancel_stops_work=False,
    listing=Listing(states=("QUEUED", "INITIALIZING", "RUNNING"), floor_seconds=0.5),
    poll_floor_seconds=0.5,
    takes_fields=FIELDS_OF_1_1,
    takes_preference=True,
    integer_cpu=False,
    # It strips them again for the server it chooses; that server is not known here.
    strip_tags=CONTROL_TAGS,
    # It takes them out again for a server that has no need of them.
    needs_url_credentials=True,
    # What the instances behind it cannot take, it decides.
    limits=DialectLimits(unsupported=frozenset(), backend_parameters=None),
)
