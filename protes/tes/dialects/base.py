"""What differs between TES servers: data where possible, a small overridable function where not (DIALECTS.md).

The defaults are those of the most careful treatment, so a dialect states only what its server is known to do better.
How to add one is told in `table.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from protes.tes.errors import DownstreamError, Refused, ServerFault
from protes.tes.read import DEFAULT_TAIL_BYTES, Page, SeenTask, read_task
from protes.tes.timeouts import Timeouts

View = Literal["MINIMAL", "BASIC", "FULL"]
Search = Literal["tag", "name_prefix", "scan"]

FIELDS_OF_1_1 = frozenset(
    {"ignore_error", "streamable", "path_prefix", "backend_parameters", "backend_parameters_strict"}
)
"""What TES 1.1 added to the request; servers of 1.0 refuse a task that has them, or drop them."""

CONTROL_TAGS = ("_WORKER_SA", "GROUP_NAME", "ms-submitter-*", "ms-backend-batch-pool-id")
"""Tags by which some server lets whoever submits change what only its operator should (DIALECTS.md 2.2 rule 7)."""

CAREFUL = frozenset({"ignore_error", "path_prefix", "empty_content", "directory_content"})
"""What a server that keeps to TES 1.0 need not take: fields of 1.1, and inputs that the specification leaves open."""

_END_TOKENS = frozenset({"", "none", "n/a", "null"})
_MISSING_TEXTS = {400: ("invalid id", "not a valid objectid"), 500: ("task not found",)}


@dataclass(frozen=True, slots=True)
class Listing:
    """How the active tasks of an instance are listed (DIALECTS.md 2.5).

    Attributes:
        view: view asked for.
        page_size: entries per page asked for; None asks for none, where a server knows no pages.
        states: one listing per state, in the order in which tasks pass through them; empty: one of all tasks.
        max_pages: a listing ends here at the latest.
        floor_seconds: two sweeps are at least this far apart.
        newest_first: ids sort by time, and the list has the latest first: a page of ids older than all that matter
            is the end.
    """

    view: View = "MINIMAL"
    page_size: int | None = 1000
    states: tuple[str, ...] = ()
    max_pages: int = 200
    floor_seconds: float = 1.0
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class DialectLimits:
    """What a task must not need to be sent here; planning hands it to the chain in `Candidate.limits`.

    Attributes:
        max_executors: executors of one task at most; None: no bound.
        unsupported: parts of TES that the server rejects, drops or corrupts, named as in `middleware.needs.Feature`.
        input_schemes: URL schemes of inputs it takes; None: not known.
        output_schemes: URL schemes of outputs it takes; None: not known.
        backend_parameters: keys it takes where the task is strict about them; None: not known.
        own_paths: absolute paths; URLs that are bare paths below these it maps to storage itself.
        own_paths_rule: it does so only in tasks that it takes for Cromwell's by this rule, named as in
            `middleware.cromwell.CromwellRule`; None: in all.
        parameter_aliases: other spellings of backend_parameters, each with the right one, that `Dialect.adapt` mends.
        max_document_bytes: size of the whole task as JSON at most; None: no bound.
        max_runtime_seconds: run time of a task at most; None: no bound.
        path_root: directory that the paths of all inputs and outputs must be below; None: any will do.
    """

    max_executors: int | None = None
    unsupported: frozenset[str] = CAREFUL
    input_schemes: frozenset[str] | None = None
    output_schemes: frozenset[str] | None = None
    backend_parameters: frozenset[str] | None = frozenset()
    own_paths: frozenset[str] = frozenset()
    own_paths_rule: Literal["tesazure", "ga4gh-tes"] | None = None
    parameter_aliases: tuple[tuple[str, str], ...] = ()
    max_document_bytes: int | None = None
    max_runtime_seconds: float | None = None
    path_root: str | None = None


@dataclass(frozen=True)
class Dialect:
    """One family of TES servers.

    Attributes:
        name: by which tasks remember it and configuration pins it; never changes.
        searchable: how a copy is found again: by its tag, by the start of its name, by looking through the newest
            tasks, or (None) not at all.
        search_view: the view in which a search is made.
        search_page_size: entries per page of a search; None asks for none, where a server knows no pages.
        read_your_writes: a search shows every task that the server has accepted.
        late_commit_seconds: a POST whose connection closed has certainly been accepted after this, or never will be;
            None: never certain.
        final_error: EXECUTOR_ERROR and SYSTEM_ERROR are never taken back.
        cancel_stops_work: a task that it shows as CANCELED does no work any more.
        look_before_cancel: cancelling a task that has ended destroys it, so it is looked at first.
        other_view_on_loss: it closes the connection where it cannot make a view, and another view may work.
        listing: how active tasks are listed; None: each is asked for by its id.
        poll_floor_seconds: two reads of the same task are at least this far apart.
        bad_token_is_fault: it answers a token that it does not take as if it had failed itself (500, a redirect).
        service_info_path: below the base path.
        takes_fields: those of `FIELDS_OF_1_1` that it takes.
        takes_preference: it is a protes and is told what the caller prefers.
        integer_cpu: `cpu_cores` must be whole.
        strip_tags: tags never sent on; a `*` at the end stands for anything.
        needs_url_credentials: `user:password@` in the URLs of inputs and outputs is how it is told them; from elsewhere
            they are kept (DIALECTS.md 2.7 rule 3).
        omitted_exit_code_is_zero: it leaves out zeros in JSON.
        killed_exit_code_is_zero: it shows 0 for an executor that a cancellation ended.
        timeouts: how long to wait for it.
        limits: what it cannot take.
    """

    name: str
    searchable: Search | None = None
    search_view: View = "BASIC"
    search_page_size: int | None = 256
    read_your_writes: bool = False
    late_commit_seconds: float | None = None
    final_error: bool = False
    cancel_stops_work: bool = False
    look_before_cancel: bool = False
    other_view_on_loss: bool = False
    listing: Listing | None = None
    poll_floor_seconds: float = 5.0
    bad_token_is_fault: bool = False
    service_info_path: str = "/service-info"
    takes_fields: frozenset[str] = frozenset()
    takes_preference: bool = False
    integer_cpu: bool = True
    strip_tags: tuple[str, ...] = CONTROL_TAGS
    needs_url_credentials: bool = False
    omitted_exit_code_is_zero: bool = False
    killed_exit_code_is_zero: bool = False
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: DialectLimits = DialectLimits()

    @property
    def ends_for_good(self) -> bool:
        """Whether a task that it shows as ended, however that came, is not taken up again and works no more."""
        return self.final_error and self.cancel_stops_work

    def adapt(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the request as this server wants it; `document` is what `build_request` made for all."""
        return document

    def read(self, answer: object, tail_bytes: int = DEFAULT_TAIL_BYTES) -> SeenTask:
        """Read one task.

        Raises:
            BadAnswer: not a JSON object.
        """
        return read_task(
            answer,
            tail_bytes=tail_bytes,
            omitted_exit_code_is_zero=self.omitted_exit_code_is_zero,
            killed_exit_code_is_zero=self.killed_exit_code_is_zero,
        )

    def first_token(self, oldest_id: str | None) -> str | None:
        """Return a token to start a listing with, where one can be made from the oldest id that matters."""
        del oldest_id
        return None

    def next_token(self, page: Page, page_size: int | None) -> str | None:
        """Return the token of the next page, or None at the end.

        A token that repeats and a page without a new id end a listing too; that is seen to elsewhere.
        """
        del page_size
        return None if page.token.strip().lower() in _END_TOKENS else page.token

    def is_missing(self, error: DownstreamError) -> bool:
        """Whether the answer to a request for one task says that there is none (DIALECTS.md 2.4 rule 7)."""
        if not isinstance(error, Refused | ServerFault):
            return False
        if error.status in (404, 410):
            return True
        return any(text in error.detail.lower() for text in _MISSING_TEXTS.get(error.status, ()))

    def is_forbidden(self, error: DownstreamError) -> bool:
        """Whether an answer that is no 403 says that the task is somebody else's."""
        del error
        return False

    def is_cancelled(self, error: DownstreamError) -> bool:
        """Whether an answer about a task that the gateway has cancelled says that it is no more."""
        del error
        return False

    def created_nothing(self, error: DownstreamError) -> bool:
        """Whether an error that is ambiguous elsewhere says here that POST /tasks created nothing."""
        del error
        return False

    def lacks_call(self, error: DownstreamError) -> bool:
        """Whether an answer to a call that TES does not have says, under another status than 404 and 405, "no such"."""
        del error
        return False

    def carries(self, entry: Mapping[str, Any], marker: str) -> bool | None:
        """Whether a task in the result of a search is the one with the marker; None where the entry does not tell.

        The tags decide where they are shown, or else the name where the search is by name. A view that would show them
        and does not has somebody else's task: a server that ignores the filter lists those too. Only MINIMAL shows
        neither.
        """
        tags, name = entry.get("tags"), entry.get("name")
        if isinstance(tags, Mapping) and tags:
            return tags.get("protes_attempt") == marker
        if self.searchable == "name_prefix" and isinstance(name, str) and name:
            return name.split(" ", 1)[0] == marker
        return None if self.search_view == "MINIMAL" and self.searchable != "scan" else False
