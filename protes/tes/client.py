"""The operations of TES at one instance (DESIGN.md section 5, "Downstream client"; DIALECTS.md section 2)."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from protes.clock import Clock
from protes.tes.build import ATTEMPT_TAG
from protes.tes.cancelled import Cancelled
from protes.tes.credentials import Credentials
from protes.tes.dialects.base import Dialect, View
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    NotSent,
    Refused,
    ServerFault,
    TaskMissing,
    Throttled,
)
from protes.tes.finding import Absent, CannotTell, Finding, Found
from protes.tes.listing import ActiveList, Place
from protes.tes.outgoing import headers_of
from protes.tes.paging import Query, Walk
from protes.tes.read import DEFAULT_TAIL_BYTES, SeenTask, masked, read_id
from protes.tes.states import State
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from protes.tes.urls import segment

_SEARCH_MAX_PAGES, _SCAN_MAX_PAGES = 100, 3
_MOST_COPIES = 8
"""A marker is sent once; a search that finds more than this has not been heeded."""

_FORBIDDEN, _NOT_ALLOWED = 403, 405

_Result = TypeVar("_Result")


class InstanceClient:
    """One instance. Safe under threads."""

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        clock: Clock,
        *,
        tail_bytes: int = DEFAULT_TAIL_BYTES,
        identity: str | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            transport: to the base URL that a probe found.
            dialect: of the instance.
            clock: the one that deadlines are in.
            tail_bytes: longest stdout or stderr that is kept, from its end.
            identity: whom the instance takes us for, as far as settings tell; see `is_another`.
        """
        self.dialect = dialect
        self.identity = identity
        self._transport = transport
        self._clock = clock
        self._tail_bytes = tail_bytes
        self._cancelled = Cancelled()

    def __repr__(self) -> str:
        return f"InstanceClient({self._transport.base_url!r}, {self.dialect.name!r})"

    def showing(self, credentials: Credentials) -> "InstanceClient":
        """Return a client of the same instance that shows other credentials."""
        other = copy.copy(self)
        other._transport = self._transport.showing(credentials)
        return other

    def is_another(self, identity: str | None) -> bool:
        """Tell whether the instance knew us as somebody else: it may then hide, or deny, what it had from us before.

        Args:
            identity: that of the time before, None where it was not noted.
        """
        return identity is not None and identity != self.identity

    @property
    def base_url(self) -> str:
        """What comes before `/tasks`."""
        return self._transport.base_url

    @property
    def timeouts(self) -> Timeouts:
        """How long it waits."""
        return self._transport.timeouts

    def create(
        self,
        document: Mapping[str, Any],
        deadline_monotonic: float,
        via: Sequence[str] = (),
        deadline: datetime | None = None,
    ) -> str:
        """Submit a task: one POST, whatever happens.

        Args:
            document: from `build_request`.
            deadline_monotonic: the first byte must leave before this; looked at when the connection stands.
            via: ids of the gateways passed, ours included, for the header `Via` (RFC 9110, 7.6.3).
            deadline: the same as a time of day, looked at too: a monotonic clock stands still in a suspended machine.

        Returns:
            The instance's id of the task.

        Raises:
            DownstreamError: any of them; `ambiguous` says whether the instance may have the task nevertheless.
        """
        check = partial(self._check, deadline_monotonic, deadline)
        check()
        try:
            answer = self._transport.post("/tasks", document, headers=headers_of(via), before_send=check)
        except DownstreamError as error:
            error.ambiguous = error.ambiguous and not self.dialect.created_nothing(error)
            raise
        created = answer.json()
        task_id = read_id(created) if isinstance(created, Mapping) else ""
        if not task_id:
            raise BadAnswer(f"answered {answer.status} without a usable id", instance=self.base_url, ambiguous=True)
        return task_id

    def try_token(self, name: str, seconds: float) -> None:
        """Ask for a task that is not there, to see whether the caller's token is taken; it changes nothing.

        Done only where the answer to a POST with a bad token would leave it open whether there is a task now.

        Args:
            name: an id that no task has.
            seconds: how long to wait at most.

        Raises:
            DownstreamError: what the instance does not answer to a good token; a POST is better not tried.
        """
        if not (self.dialect.bad_token_is_fault and self._transport.in_callers_name):
            return
        timeouts = replace(self._transport.timeouts, read_seconds=seconds, get_seconds=seconds)
        try:
            self._transport.at(self.base_url, timeouts).get(f"/tasks/{segment(name)}")
        except (Refused, ServerFault) as error:
            if not self.dialect.is_missing(error):
                raise

    def task_info(self, body: Mapping[str, Any], seconds: float) -> Any:
        """Ask for an estimate: TEStribute's `POST tasks/task-info` (STANDARDS.md 3.1), which changes nothing.

        Raises:
            DownstreamError: any of them; Refused with 404, 405 or 501 where there is no such call.
        """
        timeouts = replace(self._transport.timeouts, connect_seconds=seconds, post_seconds=seconds)
        try:
            return self._transport.at(self.base_url, timeouts).post("/tasks/task-info", body).json()
        except DownstreamError as error:
            if self.dialect.lacks_call(error):
                raise Refused(_NOT_ALLOWED, instance=self.base_url, post=True) from None
            raise

    def get(self, task_id: str, view: View = "MINIMAL") -> SeenTask:
        """Look at one task.

        Args:
            task_id: the instance's id.
            view: FULL brings stdout, stderr and system logs.

        Returns:
            What it shows; CANCELED, without a log, where it says that it has lost the task since `cancel` was called.

        Raises:
            TaskMissing: the instance says there is no such task.
            BadAnswer: too big (`too_big`: a smaller view may do), or the answer is about another task.
            DownstreamError: any other but NotSent.
        """
        path = f"/tasks/{segment(task_id)}"

        def read(view: View) -> SeenTask:
            try:
                answer = self._transport.get(path, [("view", view)])
            except (Refused, ServerFault) as error:
                if task_id in self._cancelled and self.dialect.is_cancelled(error):
                    return SeenTask(task_id, State.CANCELED)
                raise self._meaning(error) from None
            with self._named():
                return masked(self.dialect.read(answer.json(), self._tail_bytes), self._transport.secrets())

        seen = self._in_either_view(view, read)
        if seen.id not in ("", task_id):
            raise BadAnswer("answered with another task than asked for", instance=self.base_url)
        return replace(seen, id=task_id)

    def list_active(self, oldest_id: str | None = None, place: Place | None = None) -> ActiveList:
        """List tasks that may be active, page by page; stop asking for pages when all awaited ones have been seen.

        That a task is absent proves nothing: ask for it by its id.

        Args:
            oldest_id: the instance's id of the oldest task that matters; some servers can start there.
            place: where an earlier list was left; None is the beginning.

        Raises:
            ValueError: the dialect has no `listing`.
            DownstreamError: while the pages are gone through; any but NotSent and TaskMissing.
        """
        listing = self.dialect.listing
        if listing is None:
            raise ValueError(f"tasks of a {self.dialect.name} instance are asked for one by one")
        start = place or Place(token=self.dialect.first_token(oldest_id))
        return ActiveList(self._fetch(listing.view), self.dialect, listing, self.base_url, start)

    def find(self, marker: str) -> Finding:
        """Search for the copies of an attempt (DIALECTS.md 2.3 rule 3).

        Returns:
            Found where a copy was seen; Absent where the dialect's search shows every accepted task and did not show
            it; CannotTell else, also where the instance refuses the search.

        Raises:
            DownstreamError: what a later search may not meet: any but NotSent, TaskMissing, Refused and BadAnswer.
        """
        dialect = self.dialect
        if dialect.searchable is None:
            return CannotTell("the instance cannot be searched")
        query: dict[str, list[tuple[str, str]]] = {
            "tag": [("tag_key", ATTEMPT_TAG), ("tag_value", marker)],
            "name_prefix": [("name_prefix", marker)],
            "scan": [],
        }
        pages = _SCAN_MAX_PAGES if dialect.searchable == "scan" else _SEARCH_MAX_PAGES
        walk = Walk(self._fetch(dialect.search_view), dialect, max_pages=pages)
        try:
            candidates = [
                (task_id, carries)
                for entries in walk.pages(query[dialect.searchable], dialect.search_page_size)
                for task_id, entry in entries
                if (carries := dialect.carries(entry, marker)) is not False
            ]
            if len(candidates) > _MOST_COPIES:
                return CannotTell("the search finds too many tasks to be believed")
            ids = [each for each, carries in candidates if carries or self._carries_indeed(each, marker)]
        except (Refused, BadAnswer) as error:
            return CannotTell(f"the search {error.text}")
        return self._finding(ids, walk)

    def _carries_indeed(self, task_id: str, marker: str) -> bool:
        """Look at a task that a search has shown without its tags: another one's must never be taken for ours."""
        try:
            entry = self._transport.get(f"/tasks/{segment(task_id)}", [("view", "FULL")]).json()
        except ConnectionLost:
            if not self.dialect.other_view_on_loss:
                raise
            return True  # it cannot show that view yet, and its search by tags is known to work
        except (Refused, ServerFault) as error:
            if self.dialect.is_missing(error):
                return False
            raise
        tags = entry.get("tags") if isinstance(entry, Mapping) else None
        return isinstance(tags, Mapping) and tags.get(ATTEMPT_TAG) == marker

    def cancel(self, task_id: str) -> None:
        """Ask for a task to be cancelled. The reply decides nothing, so every HTTP answer but "missing" is well.

        Where that would destroy what an ended task has left, it is looked at first, and let be if it has ended.

        Raises:
            TaskMissing: the instance says there is no such task.
            Unreachable, TimedOut, ConnectionLost: ask again; it may have acted.
            DownstreamError: any other but NotSent, where it is looked at first: nothing was asked for.
        """
        if self.dialect.look_before_cancel and self.get(task_id).state.finished:
            return
        self._cancelled.add(task_id)
        try:
            self._transport.post(f"/tasks/{segment(task_id)}:cancel")
        except (Refused, ServerFault) as error:
            meaning = self._meaning(error)
            if isinstance(meaning, TaskMissing) and not self.dialect.is_cancelled(error):
                raise meaning from None
        except (Throttled, BadAnswer):
            return

    def service_info(self) -> Mapping[str, Any]:
        """Return the instance's service-info.

        Raises:
            DownstreamError: any but NotSent and TaskMissing.
        """
        info = self._transport.get(self.dialect.service_info_path).json()
        if not isinstance(info, Mapping):
            raise BadAnswer("answered service-info that is not an object", instance=self.base_url)
        return info

    def _check(self, deadline_monotonic: float, deadline: datetime | None) -> None:
        late = deadline is not None and self._clock.now() >= deadline
        if late or self._clock.monotonic() >= deadline_monotonic:
            raise NotSent("not sent: its deadline had passed", instance=self.base_url)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Put the instance into errors of the pure readers, which do not know it."""
        try:
            yield
        except DownstreamError as error:
            error.instance = self.base_url
            raise

    def _meaning(self, error: Refused | ServerFault) -> DownstreamError:
        """What an answer about one task means in this dialect."""
        if self.dialect.is_missing(error):
            return TaskMissing(instance=self.base_url)
        if self.dialect.is_forbidden(error):
            return Refused(_FORBIDDEN, error.detail, instance=self.base_url)
        return error

    def _fetch(self, view: View) -> Callable[[Query], object]:
        """What asks for one page of tasks."""

        def fetch(query: Query) -> object:
            return self._in_either_view(
                view, lambda view: self._transport.get("/tasks", [*query, ("view", view)]).json()
            )

        return fetch

    def _in_either_view(self, view: View, ask: Callable[[View], _Result]) -> _Result:
        """Ask in a view, and in another one where the dialect closes the connection over it (DIALECTS.md 1.6)."""
        try:
            return ask(view)
        except ConnectionLost:
            if not self.dialect.other_view_on_loss:
                raise
        return ask("BASIC" if view == "MINIMAL" else "MINIMAL")

    def _finding(self, ids: list[str], walk: Walk) -> Finding:
        if ids:
            return Found(tuple(ids))
        if not walk.complete:
            return CannotTell("the search did not come to the end of the list")
        if not self.dialect.read_your_writes:
            return CannotTell("the instance's list may not show all of its tasks")
        return Absent()
