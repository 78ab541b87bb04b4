"""TESP-API, which runs tasks with Pulsar (DIALECTS.md, rows "TESP")."""

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from protes.tes.dialects.base import CAREFUL, Dialect, DialectLimits, Listing
from protes.tes.dialects.shell import changes_as_path, wrapped
from protes.tes.read import DEFAULT_TAIL_BYTES, Page, SeenTask
from protes.tes.states import State

_GOES_ON = "warning: this server cancels its own record only; work that Pulsar has begun may go on"
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)
_EARLIER_SECONDS = 60
"""Tasks of ours are listed in the order of our ids; theirs may be older by the time that a submission takes."""


@dataclass(frozen=True)
class _Tesp(Dialect):
    def first_token(self, oldest_id: str | None) -> str | None:
        """Ids begin with the time, and a list has the ids above its token, oldest first."""
        if oldest_id is None or not _OBJECT_ID.fullmatch(oldest_id):
            return None
        return f"{max(0, int(oldest_id[:8], 16) - _EARLIER_SECONDS):08x}{'0' * 16}"

    def next_token(self, page: Page, page_size: int | None) -> str | None:
        """A token comes with the last page, too, so a short page is the end."""
        if page_size is not None and len(page.entries) < page_size:
            return None
        return super().next_token(page, page_size)

    def read(self, answer: object, tail_bytes: int = DEFAULT_TAIL_BYTES) -> SeenTask:
        """A canceled task is told to go on, perhaps: nobody else can tell whose tasks have ended."""
        seen = super().read(answer, tail_bytes)
        if seen.state is not State.CANCELED:
            return seen
        log = seen.log or {"logs": [], "outputs": []}
        return replace(seen, log={**log, "system_logs": [*log.get("system_logs", ()), _GOES_ON]})


TESP = _Tesp(
    name="tesp",
    # State and tags are no filters; a marker has no character that means something in a regular expression.
    searchable="name_prefix",
    search_view="BASIC",
    # It lists the collection that it inserts into.
    read_your_writes=True,
    late_commit_seconds=None,
    final_error=False,
    # Only its own record changes: the job at Pulsar runs on.
    cancel_stops_work=False,
    listing=Listing(floor_seconds=5.0),
    # It asks Pulsar every 4 s itself.
    poll_floor_seconds=5.0,
    # Dropped unseen.
    takes_fields=frozenset(),
    strip_tags=(),
    # curl and wget read them there.
    needs_url_credentials=True,
    limits=DialectLimits(
        # Arguments are read as paths; redirections arrive as literal arguments, or not at all with `sh -c`.
        unsupported=CAREFUL | {"path_like_arguments", "stdin", "stdout", "stderr"},
        # It accepts s3, but stages in with curl or wget and out with an HTTP POST of curl's.
        input_schemes=frozenset({"http", "https", "ftp"}),
        output_schemes=frozenset({"http", "https"}),
        # It asks Pulsar 400 times, 4 s apart, and then gives up with SYSTEM_ERROR.
        max_runtime_seconds=1600.0,
    ),
)


@dataclass(frozen=True)
class _TespShell(_Tesp):
    def adapt(self, document: dict[str, Any]) -> dict[str, Any]:
        """Wrap the executors that would be changed on their way; the others need no shell in their image."""
        return {**document, "executors": [_protected(each) for each in document["executors"]]}


def _protected(executor: dict[str, Any]) -> dict[str, Any]:
    redirected = any(executor.get(stream) for stream in ("stdin", "stdout", "stderr"))
    return wrapped(executor) if redirected or any(map(changes_as_path, executor["command"])) else executor


TESP_SHELL = _TespShell(
    **{each.name: getattr(TESP, each.name) for each in fields(TESP)}
    | {"name": "tesp-sh", "limits": replace(TESP.limits, unsupported=CAREFUL)}
)
"""The same with commands protected by `sh -c`, for operators to pin: the images of their tasks must have a shell."""
