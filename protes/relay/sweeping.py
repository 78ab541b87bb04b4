"""Bring the states and logs of all unfinished tasks of one instance back, in bulk (DIALECTS.md 2.5)."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from protes.clock import Clock
from protes.config.settings import RelaySettings
from protes.federation.federation import Federation
from protes.planning.stuck import is_stuck
from protes.relay.merging import final, glance, lost, missing
from protes.store.orphans import Orphans
from protes.store.protocols import TaskStore
from protes.store.records import NOT_STARTED, Attempt, TaskRecord, Transition
from protes.tes.client import InstanceClient
from protes.tes.dialects.base import Dialect
from protes.tes.errors import DownstreamError, TaskMissing, TimedOut, Unreachable
from protes.tes.read import SeenTask
from protes.tes.states import State

logger = logging.getLogger(__name__)

Complete = Callable[[TaskRecord, Attempt, Mapping[str, Any], int], Mapping[str, Any]]
"""Makes a log complete: of a task, its attempt that has ended, its log as read, and the bytes of a text at most."""

_PAGE = 500
_SAVE_EVERY = 50
_MOST_SECONDS = 40.0
_MOST_FAILURES = 3


class InstanceFailing(Exception):
    """The instance does not answer; its tasks keep their states.

    Attributes:
        silent: nothing came back, so that asking for other tasks would only wait as long again.
    """

    def __init__(self, error: DownstreamError) -> None:
        """Tell what failed."""
        super().__init__(error.text)
        self.silent = isinstance(error, TimedOut | Unreachable)


class Sweeper:
    """Looks at the unfinished tasks of an instance."""

    def __init__(
        self,
        settings: RelaySettings,
        tasks: TaskStore,
        federation: Federation,
        orphans: Orphans,
        clock: Clock,
        finished: Callable[[Sequence[TaskRecord]], None] = lambda _: None,
        stuck_after_seconds: float | None = None,
        complete: Complete | None = None,
    ) -> None:
        """Sweep with the federation's clients.

        Args:
            settings: the settings.
            tasks: the tasks.
            federation: the instances.
            orphans: where attempts go that are over though their task, or their instance, may go on.
            clock: the clock.
            finished: told of tasks that have ended, once they are stored.
            stuck_after_seconds: a task that its instance has not started after so long becomes due, so that dispatch
                may take it back; None: never.
            complete: asked for the logs of tasks that have ended, before they are stored; must be quick, and not raise.
        """
        self._settings = settings
        self._tasks = tasks
        self._federation = federation
        self._orphans = orphans
        self._clock = clock
        self._finished = finished
        self._stuck_after_seconds = stuck_after_seconds
        self._complete = complete
        # Where the last sweep of an instance ran out of time; a hint, like all that a process remembers by itself.
        self._left_off: dict[str, str] = {}

    def sweep(self, base_url: str) -> None:
        """Look at every unfinished task at the instance once; an outage changes no state.

        What does not fit into the time of a sweep comes first in the next one.
        """
        until = self._clock.monotonic() + _MOST_SECONDS
        after = self._left_off.pop(base_url, None)
        try:
            while page := self._tasks.active(base_url, after, _PAGE):
                after = self._sweep_page(base_url, page, until)
                if self._clock.monotonic() > until:
                    self._left_off[base_url] = after
                    return
                if len(page) < _PAGE:
                    return
        except InstanceFailing:
            self._give_up_if_lost(base_url)

    def look(self, record: TaskRecord) -> None:
        """Look at one task now, for instance after a cancellation was pushed.

        Raises:
            InstanceFailing: the instance does not answer.
        """
        attempt = record.live_attempt
        if attempt is not None and attempt.instance_task_id is not None:
            client = self._federation.client(attempt.instance_url, attempt.dialect)
            self._save(list(self._judge(client, record, attempt, None)))

    def _sweep_page(self, base_url: str, page: Sequence[TaskRecord], until: float) -> str:
        """Look at the tasks of a page until time is up; return the id of the last one looked at."""
        dialect = page[0].attempts[-1].dialect
        client = self._federation.client(base_url, dialect)
        many = len(page) >= self._settings.list_from and client.dialect.listing is not None
        seen = self._listed(client, page) if many else None
        changes: list[Transition] = []
        failures = 0
        for record in page:
            attempt = record.attempts[-1]
            try:
                changes.extend(self._judge(client, record, attempt, seen))
            except InstanceFailing as error:
                failures += 1
                if error.silent or failures >= _MOST_FAILURES or failures == len(page):
                    self._save(changes)
                    raise
            if len(changes) >= _SAVE_EVERY:
                self._save(changes)
                changes = []
            if self._clock.monotonic() > until:
                break
        self._save(changes)
        return record.id

    def _listed(self, client: InstanceClient, page: Sequence[TaskRecord]) -> dict[str, State] | None:
        """Read the states that a list of the active tasks tells; None where the instance cannot list them now."""
        wanted = {record.attempts[-1].instance_task_id for record in page}
        states: dict[str, State] = {}
        try:
            for tasks in client.list_active(page[0].attempts[-1].instance_task_id):
                states.update({task.id: task.state for task in tasks if task.id in wanted})
                if len(states) == len(wanted):
                    break
        except DownstreamError as error:
            logger.info("listing tasks at %s failed, asking one by one: %s", client.base_url, error.text)
            return None
        return states

    def _judge(
        self, client: InstanceClient, record: TaskRecord, attempt: Attempt, listed: Mapping[str, State] | None
    ) -> Iterator[Transition]:
        """Yield what is to be stored of a task, asking for it where the list does not tell.

        A task that is missing in a list of active ones has ended, most likely: one request in full shows it.
        """
        task_id = attempt.instance_task_id or ""
        full = None
        try:
            if listed is None:
                state = client.get(task_id, "MINIMAL").state
            elif task_id in listed:
                state = listed[task_id]
            else:
                full = client.get(task_id, "FULL")
                state = full.state
            first = glance(record, attempt, state, client.dialect)
            if first.transition is not None:
                yield first.transition
            if first.fetch:
                seen = self._completed(record, attempt, full or client.get(task_id, "FULL"))
                ended = final(record, attempt, seen, client.dialect)
                yield self._watched(record, attempt, ended, over=ended.again)
            elif state in NOT_STARTED and self._is_stuck(record, client.dialect):
                yield Transition(record.id, attempt.n, state, due=True)
        except TaskMissing:
            gone = missing(record, attempt, self._clock.now(), self._settings.missing_after_seconds)
            yield self._watched(record, attempt, gone, over=gone.finished)
        except DownstreamError as error:
            self._federation.health.failed(attempt.instance_url, error, reading=True)
            logger.info("looking at task %s at %s failed: %s", record.id, attempt.instance_id, error.text)
            raise InstanceFailing(error) from error
        self._federation.health.succeeded(attempt.instance_url, reading=True)

    def _completed(self, record: TaskRecord, attempt: Attempt, seen: SeenTask) -> SeenTask:
        if self._complete is None or seen.log is None or not seen.state.finished:
            return seen
        # Active tasks come without their documents, which tell under which URLs the client knows its outputs.
        whole = self._tasks.get(record.id) if seen.log.get("outputs") and not record.document else None
        log = self._complete(whole or record, attempt, seen.log, self._settings.log_tail_bytes)
        return replace(seen, log=dict(log))

    def _watched(self, record: TaskRecord, attempt: Attempt, seen: Transition, *, over: bool) -> Transition:
        """Have a copy looked after that should be no more, from before its attempt is over."""
        if over:
            self._orphans.add(record.id, attempt, self._clock.now())
        return seen

    def _is_stuck(self, record: TaskRecord, dialect: Dialect) -> bool:
        return record.due_at is None and is_stuck(record, self._clock.now(), self._stuck_after_seconds, dialect)

    def _save(self, changes: Sequence[Transition]) -> None:
        if changes:
            changed = self._tasks.transition(changes, self._clock.now())
            ended = [record for record in changed if record.state.finished]
            if ended:
                self._finished(ended)

    def _give_up_if_lost(self, base_url: str) -> None:
        """End the tasks of an instance that has been silent for `relay.lost_after_seconds`."""
        now = self._clock.now()
        heard = self._federation.last_heard(base_url)
        if heard is None or now - heard < timedelta(seconds=self._settings.lost_after_seconds):
            return
        line = f"the instance has not answered for {int((now - heard).total_seconds())} s: its tasks are lost"
        after: str | None = None
        while page := self._tasks.active(base_url, after, _PAGE):
            attempts = ((record, record.attempts[-1]) for record in page)
            self._save([self._watched(*each, lost(*each, line), over=True) for each in attempts])
            after = page[-1].id
