"""Look at one task at its instance, and say what is to be stored of it."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from protes.clock import Clock
from protes.config.settings import RelaySettings
from protes.federation.health import Health
from protes.planning.stuck import is_stuck
from protes.relay.merging import barred, final, glance, missing, passing
from protes.store.orphans import Orphans
from protes.store.protocols import TaskStore
from protes.store.records import NOT_STARTED, Attempt, Followed, TaskRecord, Transition
from protes.tes.client import InstanceClient
from protes.tes.dialects.base import Dialect, View
from protes.tes.errors import DownstreamError, TaskMissing, TokenEnded, TokenRefused, TokenUnreadable
from protes.tes.read import SeenTask
from protes.tes.states import State

logger = logging.getLogger(__name__)

Complete = Callable[[TaskRecord, Attempt, Mapping[str, Any], int], Mapping[str, Any]]
"""Makes a log complete: of a task, its attempt that has ended, its log as read, and the bytes of a text at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task to ask for by its id.

    Attributes:
        followed: the task.
        state: the end that a list has shown; None: ask for the state, in `view`.
        view: the view to ask in.
        logs: keep the logs of a task that has not ended, since somebody reads them.
    """

    followed: Followed
    state: State | None = None
    view: View = "MINIMAL"
    logs: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        changes: what to store.
        error: what the instance did instead of answering, if it did.
    """

    changes: tuple[Transition, ...]
    error: DownstreamError | None = None


class Looker:
    """Looks at tasks. Safe under threads."""

    def __init__(
        self,
        settings: RelaySettings,
        tasks: TaskStore,
        health: Health,
        orphans: Orphans,
        clock: Clock,
        stuck_after_seconds: float | None,
        complete: Complete | None,
    ) -> None:
        """Look; the arguments are those of `Sweeper`."""
        self._settings = settings
        self._tasks = tasks
        self._health = health
        self._orphans = orphans
        self._clock = clock
        self._stuck_after_seconds = stuck_after_seconds
        self._complete = complete
        # Tasks whose `missing_since` says no more than that nobody could tell; a hint that is lost with the process.
        self._patient: set[str] = set()

    def look(self, client: InstanceClient, wanted: Wanted, base_url: str) -> Outcome:
        """Ask for a task, and for its logs if it has ended."""
        changes: list[Transition] = []
        try:
            changes.extend(self._judged(client, wanted))
        except TaskMissing:
            changes.extend(self._missing(client, wanted.followed, missing))
        except TokenEnded as error:
            outage = isinstance(error, TokenRefused)
            changes.extend(self._missing(client, wanted.followed, barred, outage=outage))
            return Outcome(tuple(changes))
        except TokenUnreadable:
            return Outcome(tuple(changes))  # another process may be able to, or this one with its next configuration
        except DownstreamError as error:
            self._health.failed(base_url, error, reading=True)
            logger.info("looking at task %s at %s failed: %s", wanted.followed.task_id, base_url, error.text)
            return Outcome(tuple(changes), error)
        else:
            self._patient.discard(wanted.followed.task_id)
        self._health.succeeded(base_url, reading=True)
        return Outcome(tuple(changes))

    def may_be_stuck(self, dialect: Dialect) -> bool:
        """Tell whether tasks are taken back from an instance that does not start them."""
        return self._stuck_after_seconds is not None and dialect.ends_for_good

    def stuck(self, followed: Followed, state: State, dialect: Dialect) -> Transition | None:
        """Make a task due that its instance has not started for too long, so that dispatch may take it back."""
        after = self._stuck_after_seconds
        if after is None or followed.due or state not in NOT_STARTED or not dialect.ends_for_good:
            return None
        now = self._clock.now()
        if now - followed.intended_at < timedelta(seconds=after):
            return None
        record = self._tasks.get(followed.task_id)
        if record is None or record.due_at is not None or not is_stuck(record, now, after, dialect):
            return None
        return Transition(followed.task_id, followed.n, state, due=True)

    def over(self, record: TaskRecord, attempt: Attempt, seen: Transition) -> Transition:
        """Have a copy looked after that should be no more, from before its attempt is over."""
        self._orphans.add(record.id, attempt, self._clock.now())
        return seen

    def _judged(self, client: InstanceClient, wanted: Wanted) -> Iterator[Transition]:
        followed, seen = wanted.followed, None
        state = wanted.state
        if state is None:
            seen = client.get(followed.instance_task_id, wanted.view)
            state = seen.state
        if state.finished:
            yield from self._ended(client, followed, state, seen if wanted.view == "FULL" else None)
            return
        if wanted.logs and seen is not None and seen.log is not None:
            yield Transition(followed.task_id, followed.n, state, log=seen.log)
        elif (change := passing(followed, state)) is not None:
            yield change
        if (stuck := self.stuck(followed, state, client.dialect)) is not None:
            yield stuck

    def _ended(
        self, client: InstanceClient, followed: Followed, state: State, full: SeenTask | None
    ) -> Iterator[Transition]:
        """Yield the end of a task, with its logs, or that it was seen to end for the first time."""
        record, attempt = self._of(followed)
        if record is None or attempt is None:
            return
        first = glance(record, attempt, state, client.dialect)
        if first.transition is not None:
            yield first.transition
        if first.fetch:
            seen = self._completed(record, attempt, full or client.get(followed.instance_task_id, "FULL"))
            ended = final(record, attempt, seen, client.dialect)
            yield self.over(record, attempt, ended) if ended.again else ended

    def _missing(
        self, client: InstanceClient, followed: Followed, judge: Callable[..., Transition], *, outage: bool = False
    ) -> Iterator[Transition]:
        """Yield what an answer means that shows no task.

        It is taken as patiently as silence where it may be due to who asks: where the instance refuses a token that
        should still be good, and where it has the task from another identity than the one that it is asked by now.
        """
        record, attempt = self._of(followed)
        if record is None or attempt is None:
            return
        if outage or client.is_another(attempt.identity):
            patience = self._settings.lost_after_seconds
            self._patient.add(followed.task_id)
        else:
            patience = self._settings.missing_after_seconds
            if followed.task_id in self._patient:
                self._patient.discard(followed.task_id)
                attempt = replace(attempt, missing_since=None)  # only now is it really missing
        gone = judge(record, attempt, self._clock.now(), patience)
        yield self.over(record, attempt, gone) if gone.finished else gone

    def _of(self, followed: Followed) -> tuple[TaskRecord | None, Attempt | None]:
        """Return the task and the attempt, if it is still what is followed."""
        record = self._tasks.get(followed.task_id)
        now = record.followed if record is not None else None
        if record is None or now is None or now.n != followed.n:
            return None, None
        return record, record.live_attempt

    def _completed(self, record: TaskRecord, attempt: Attempt, seen: SeenTask) -> SeenTask:
        if self._complete is None or seen.log is None or not seen.state.finished:
            return seen
        return replace(seen, log=dict(self._complete(record, attempt, seen.log, self._settings.log_tail_bytes)))
