"""One pass over the tasks of an instance: list, match, ask for the rest one by one, store in batches.

Memory: a few hundred bytes per followed task, a page of the list, and at most `_MOST_CHANGES` changes or `_MOST_BYTES`
of logs that wait to be stored.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from protes.clock import Clock
from protes.config.settings import RelaySettings
from protes.federation.federation import Federation
from protes.relay.leasing import SweepLease
from protes.relay.looking import Looker, Outcome, Wanted
from protes.relay.matching import Awaited, Sight
from protes.relay.merging import passing
from protes.relay.selecting import MOST_LOGS, MOST_MISSING, MOST_UNSEEN, Selection, one_by_one, rest
from protes.relay.streaming import at_once, streamed
from protes.store.protocols import TaskStore
from protes.store.records import STARTED, Followed, Transition
from protes.tes.client import InstanceClient
from protes.tes.dialects.base import View
from protes.tes.errors import DownstreamError, Throttled, TimedOut, Unreachable
from protes.tes.listing import ActiveList, Place

logger = logging.getLogger(__name__)

_FOLLOWED_PAGE = 5000
_MOST_CHANGES = 500
_MOST_BYTES = 8 * 1024 * 1024
_LIST_SECONDS = 20.0
_MOST_SECONDS = 40.0
_LEAST_SECONDS = 2.0
"""However long the list took, so much is left to ask for single tasks."""
_MOST_FAILURES = 3


class InstanceFailing(Exception):
    """The instance does not answer; its tasks keep their states."""


def check(error: DownstreamError | None) -> None:
    """Raise InstanceFailing if something failed."""
    if error is not None:
        raise InstanceFailing(error.text) from error


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page of the list showed of our tasks, and where the next one begins."""

    found: list[Sight]
    place: Place | None


class Pass:
    """See the module's text; used once."""

    def __init__(
        self,
        settings: RelaySettings,
        tasks: TaskStore,
        federation: Federation,
        looker: Looker,
        clock: Clock,
        lease: SweepLease,
        shown: frozenset[str],
        save: Callable[[Sequence[Transition]], None],
    ) -> None:
        """Prepare; `shown` are the tasks that somebody reads in full now, `save` stores changes."""
        self._settings = settings
        self._tasks = tasks
        self._federation = federation
        self._looker = looker
        self._clock = clock
        self._lease = lease
        self._shown = shown
        self._save = save
        self._began = clock.monotonic()
        self._changes: list[Transition] = []
        self._bytes = 0

    def run(self) -> bool:
        """Make the pass; return whether there was more to do than there was time.

        Raises:
            InstanceFailing: the instance does not answer; what was seen before is stored.
            SweepLost: another worker has taken over.
        """
        followed = self._followed()
        if not followed:
            return False
        base_url, dialect = self._lease.base_url, followed[-1].dialect
        client = self._federation.client(base_url, dialect)
        own_tokens = self._federation.passes_tokens(base_url)
        logs = [each for each in followed if each.task_id in self._shown and each.state in STARTED][:MOST_LOGS]
        try:
            if len(followed) < self._settings.list_from or client.dialect.listing is None or own_tokens:
                selection = one_by_one(followed, logs, self._lease.progress.after)
            else:
                selection = self._listed(client, followed, logs)
            more = self._ask(self._client_for if own_tokens else lambda _: client, selection)
            return more or self._lease.progress.place is not None
        finally:
            self._flush()

    def _followed(self) -> list[Followed]:
        found: list[Followed] = []
        after: str | None = None
        while page := self._tasks.followed(self._lease.base_url, after, _FOLLOWED_PAGE):
            found += (each for each in page if each.instance_task_id)
            after = page[-1].task_id
            if len(page) < _FOLLOWED_PAGE:
                break
        return found

    # The list

    def _listed(self, client: InstanceClient, followed: list[Followed], logs: list[Followed]) -> Selection:
        """Store what the list shows; return what to ask for then: tasks that have ended there, and those missing."""
        assert client.dialect.listing is not None  # noqa: S101 - by the caller
        awaited = Awaited(followed, client.dialect.listing)
        ended: list[Sight] = []
        place, complete = self._lease.progress.place, True
        self._lease.leave_off(place=None)
        try:
            pages = self._pages(client.list_active(awaited.oldest, place), awaited)
            with closing(streamed([pages], self._lease.keep)) as shown:
                for page in shown:
                    self._federation.health.succeeded(self._lease.base_url, reading=True)
                    ended += (sight for sight in page.found if sight[1].finished)
                    self._pass(client, page.found)
                    complete = page.place is None
                    self._lease.leave_off(place=page.place)
        except DownstreamError as error:
            logger.info("listing tasks at %s failed, asking one by one: %s", client.base_url, error.text)
            self._lease.leave_off(place=None)
            if isinstance(error, Throttled | Unreachable):
                self._federation.health.failed(self._lease.base_url, error, reading=True)
                check(error)
            complete = True
        view: View = "FULL" if client.dialect.listing.states else "MINIMAL"
        left = awaited.left() if complete else []
        most = MOST_MISSING if place is None else MOST_UNSEEN
        return rest(ended, left, view, logs, self._lease.progress.after, most)

    def _pages(self, pages: ActiveList, awaited: Awaited) -> Iterator[_Page]:
        """Yield what each page shows, until there is nothing more to see, or the time for listing is over."""
        until = self._began + _LIST_SECONDS
        for page in pages:
            found = awaited.see(page)
            if awaited.is_over(page):
                yield _Page(found, None)
                return
            late = self._clock.monotonic() > until
            yield _Page(found, pages.place if late else None)
            if late:
                return

    def _pass(self, client: InstanceClient, found: list[Sight]) -> None:
        """Store the states of tasks that have not ended."""
        may_be_stuck = self._looker.may_be_stuck(client.dialect)
        for followed, state in found:
            if state.finished:
                continue
            if (change := passing(followed, state)) is not None:
                self._add(change)
            if may_be_stuck and (stuck := self._looker.stuck(followed, state, client.dialect)) is not None:
                self._add(stuck)

    # One by one

    def _client_for(self, followed: Followed) -> InstanceClient:
        return self._federation.client_for(followed.task_id, self._lease.base_url, followed.dialect)

    def _ask(self, client_of: Callable[[Followed], InstanceClient], selection: Selection) -> bool:
        """Ask for tasks until time is up; return whether there was not enough."""
        wanted, handed = selection.wanted, 0
        until = max(self._began + _MOST_SECONDS, self._clock.monotonic() + _LEAST_SECONDS)

        def in_time() -> Iterator[Wanted]:
            nonlocal handed
            for each in wanted:
                if self._clock.monotonic() > until:
                    return
                handed += 1
                yield each

        def look(each: Wanted) -> Outcome:
            return self._looker.look(client_of(each.followed), each, self._lease.base_url)

        threads = min(self._settings.reads_at_once, len(wanted))
        try:
            with closing(at_once(look, in_time(), threads, self._lease.keep)) as outcomes:
                self._take(outcomes, len(wanted))
        finally:
            self._lease.leave_off(after=selection.after(handed, self._lease.progress.after))
        return handed < len(wanted) and selection.urgent(handed)

    def _take(self, outcomes: Iterator[Outcome], count: int) -> None:
        """Store what came; give up where the instance fails several times in a row, or always, or does not answer.

        What it answers to one caller's token may be different for the next one's: then only "always" counts.
        """
        failures = in_callers_names = 0
        for outcome in outcomes:
            for change in outcome.changes:
                self._add(change)
            error = outcome.error
            if error is not None and error.in_callers_name:
                in_callers_names += 1
                if in_callers_names == count:
                    check(error)
                continue
            failures = failures + 1 if error is not None else 0
            silent = isinstance(error, TimedOut | Unreachable | Throttled)
            if silent or failures >= min(_MOST_FAILURES, count):
                check(error)

    # The store

    def _add(self, change: Transition) -> None:
        self._changes.append(change)
        self._bytes += _size(change)
        if len(self._changes) >= _MOST_CHANGES or self._bytes >= _MOST_BYTES:
            self._flush()

    def _flush(self) -> None:
        changes, self._changes, self._bytes = self._changes, [], 0
        if changes:
            self._lease.keep()
            self._save(changes)


def _size(change: Transition) -> int:
    """Return about how many bytes of texts wait to be stored: all that an instance may have written there."""
    size = sum(map(len, change.system_logs))
    waiting: list[object] = [change.log]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            size += len(each)
        elif isinstance(each, Mapping):
            size += sum(map(len, each))
            waiting.extend(each.values())
        elif isinstance(each, Sequence):
            waiting.extend(each)
    return size
