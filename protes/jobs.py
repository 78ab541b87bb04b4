"""The gateway's jobs: what runs on a task, an instance, or by the clock (DESIGN.md section 5, "Runner").

Everything here is safe to run twice, and everything it needs it reads from the store.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import inf

from protes.clock import Clock
from protes.config.settings import Settings
from protes.dispatch.dispatcher import Dispatcher
from protes.dispatch.outcome import Outcome
from protes.dispatch.waiting_list import TURN, task_of
from protes.federation.federation import Federation, MayGo
from protes.leader import Leadership
from protes.learning.learning import Learning
from protes.relay.cancelling import Canceller
from protes.relay.interest import Interest
from protes.relay.orphans import OrphanWatch
from protes.relay.schedule import Schedule
from protes.relay.sweeping import Sweeper
from protes.runner.protocol import Handler, Runner
from protes.store.expiring import Expiry
from protes.store.ids import new_token
from protes.store.protocols import LeaseLost, Records, StoreUnavailable, TaskStore
from protes.store.records import FURTHEST_AHEAD, Attempt, InstanceLoad, Lease, Phase, TaskRecord

logger = logging.getLogger(__name__)

_BATCH = 500
_ENQUEUED = timedelta(seconds=30)
_LONGEST_PAUSE = FURTHEST_AHEAD / 2
# No turn is so long that the time of day and the monotonic clock would come this far apart by themselves.
_CLOCK_WAS_SET = timedelta(seconds=1)
_HOUSEKEEPING = timedelta(seconds=60)
_LEARNING = timedelta(seconds=3)
_MOST_FOLDS = 20
_TIMES_AS_LONG = 20
_OLDEST_LOADS_SECONDS = 5.0
# Without any instance tasks are looked at this often only, to tell them why they wait and to end what waits too long.
_IDLE_PASS = timedelta(seconds=30)


class TaskJobs:
    """The job "dispatch" on one task: whatever the task needs next, under a lease."""

    def __init__(
        self,
        settings: Settings,
        tasks: TaskStore,
        dispatcher: Dispatcher,
        canceller: Canceller,
        clock: Clock,
        me: str,
        removed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Work in the name of `me` (for people; leases are told apart by their tokens).

        `removed` is told of tasks that were removed while they were worked on.
        """
        self._lease_seconds = settings.dispatch.lease_seconds
        self._tasks = tasks
        self._dispatcher = dispatcher
        self._canceller = canceller
        self._clock = clock
        self._me = me
        self._removed = removed

    def take_turn(self, key: str) -> None:
        """Have a task in line, whose note has this key, take its turn; one that is gone leaves the line."""
        self.advance(task_of(key), key)

    def advance(self, task_id: str, turn: str | None = None) -> None:
        """Take one turn at the task; somebody else's lease, or a lost one, ends the turn.

        Args:
            task_id: the task.
            turn: key of its note, where it was given a place (`protes.dispatch.turns`).
        """
        now, began = self._clock.now(), self._clock.monotonic()
        lease = Lease(self._me, new_token(), now + timedelta(seconds=self._lease_seconds))
        record = self._tasks.claim(task_id, lease, now)
        if record is None:
            return
        try:
            outcome = self._turn(record, lease.token, turn)
        except LeaseLost:
            if self._tasks.get(task_id, head=True) is None:
                self._removed(task_id)
            else:
                logger.warning("task %s: the lease was lost, somebody else goes on", task_id)
        except StoreUnavailable:
            raise  # nothing can be written; the lease ends by itself
        except BaseException:
            self._tasks.release(task_id, lease.token, self._next_look(lease.until, now, began))
            raise
        else:
            due_at = None if outcome.due_at is None else self._next_look(outcome.due_at, now, began)
            self._tasks.release(task_id, lease.token, due_at, outcome.system_logs)

    def _next_look(self, due_at: datetime, began_at: datetime, began: float) -> datetime:
        """Return when to look at a task again, by the clock as it is now; looking too early does no harm.

        Args:
            due_at: when it should be, by the clock as it was at some moment since the turn began.
            began_at: when the turn began, by the time of day.
            began: the same by the monotonic clock.
        """
        now = self._clock.now()
        if abs(now - began_at - timedelta(seconds=self._clock.monotonic() - began)) > _CLOCK_WAS_SET:
            return now  # the clock was set meanwhile, and nobody knows whether `due_at` is from before or after
        # A pause that is longer would be taken for the mistake of a clock.
        return min(due_at, now + _LONGEST_PAUSE)

    def _turn(self, record: TaskRecord, token: str, turn: str | None) -> Outcome:
        """Push a cancellation, or dispatch; a cancellation that comes in meanwhile makes the task due again."""
        live = record.live_attempt
        if live is not None and live.phase is Phase.ACCEPTED and _is_to_end(record, live):
            return Outcome(self._canceller.push(record))
        return self._dispatcher.advance(record, token, turn)


def _is_to_end(record: TaskRecord, attempt: Attempt) -> bool:
    """Tell whether the caller has cancelled the task, or the gateway withdraws it from where it is."""
    return record.cancel_requested_at is not None or attempt.withdrawn_at is not None


class Loads:
    """What is unfinished at which instance, read as often as it takes a twentieth of the time at most.

    Grouping a hundred thousand tasks four times a second would be most of what the store does.
    """

    def __init__(self, tasks: TaskStore, clock: Clock) -> None:
        """Read them of `tasks`. Used by one thread."""
        self._tasks = tasks
        self._clock = clock
        self._known: Sequence[InstanceLoad] = ()
        self._next_at = -inf

    def read(self) -> Sequence[InstanceLoad]:
        """Return them as they are, or were a moment ago."""
        began = self._clock.monotonic()
        if began >= self._next_at:
            self._known = self._tasks.loads()
            took = self._clock.monotonic() - began
            self._next_at = began + min(took * _TIMES_AS_LONG, _OLDEST_LOADS_SECONDS)
        return self._known


class Tick:
    """The one periodic job: the leader finds what is due and submits it."""

    def __init__(
        self,
        settings: Settings,
        tasks: TaskStore,
        records: Records,
        federation: Federation,
        runner: Runner,
        clock: Clock,
        me: str,
        interest: Interest,
        leads: Callable[[bool], None] = lambda _: None,
        tell: Callable[[], object] = lambda: None,
        give_turns: Callable[[], object] = lambda: None,
    ) -> None:
        """Tick in the name of `me`; instances where `interest` is shown are looked at more often.

        `leads` is told each time whether this process leads; `tell` tells clients of what has changed; `give_turns`
        gives tasks that wait for places their turns.
        """
        self._tasks = tasks
        self._records = records
        self._federation = federation
        self._runner = runner
        self._clock = clock
        self._schedule = Schedule(settings.relay)
        self._interest = interest
        self._leads = leads
        self._tell = tell
        self._give_turns = give_turns
        self._leadership = Leadership(records, clock, me)
        self._loads = Loads(tasks, clock)
        self._cleaned_at: datetime | None = None
        self._learned_at: datetime | None = None
        self._passed_at: datetime | None = None

    def tick(self, _: str = "") -> None:
        """Submit instances to probe and to relay, tasks that are due, and housekeeping."""
        held = self._leadership.held()
        self._leads(held)
        if not held:
            return
        now = self._clock.now()
        for key in self._federation.due_probes():
            self._runner.submit("probe", key)
        if self._federation.view().ready or self._passed_at is None or abs(now - self._passed_at) > _IDLE_PASS:
            self._passed_at = now
            for task_id in self._tasks.due(now, _BATCH, now + _ENQUEUED):
                self._runner.submit("dispatch", task_id)
        self._give_turns()
        loads = self._loads.read()
        working = [each.instance_url for each in loads]
        paused, floors = self._federation.paused(working), self._federation.poll_floors(working)
        read = self._interest.shown().instances if loads else frozenset()
        for base_url in self._schedule.due(loads, paused, floors, now, read):
            self._runner.submit("relay", base_url)
        if self._learned_at is None or abs(now - self._learned_at) > _LEARNING:
            self._learned_at = now
            self._runner.submit("learn", "")
        if self._cleaned_at is None or abs(now - self._cleaned_at) > _HOUSEKEEPING:
            self._cleaned_at = now
            self._runner.submit("housekeeping", "")
        self._tell()


class Housekeeping:
    """What may wait for a minute: registries' answers, what is kept no longer, orphans."""

    def __init__(self, expiry: Expiry, federation: Federation, orphans: OrphanWatch, may_go: MayGo) -> None:
        """Keep house; `may_go` as in `Federation.tidy`."""
        self._expiry = expiry
        self._federation = federation
        self._orphans = orphans
        self._may_go = may_go

    def run(self, _: str = "") -> None:
        """Run once; each part has a bound of its own, so that all of it ends within the time of a job."""
        self._federation.keep()
        self._federation.tidy(self._may_go)
        self._expiry.expire_records()
        self._expiry.expire_tasks()
        self._orphans.look()


def learn(learning: Learning) -> None:
    """Fold what has finished since the last time, a bounded number of tasks at once."""
    for _ in range(_MOST_FOLDS):
        if not learning.fold():
            return


def relay(sweeper: Sweeper, runner: Runner, base_url: str) -> None:
    """Sweep an instance; what does not fit into the time of a job is for another one, behind those that wait."""
    if sweeper.sweep(base_url):
        runner.submit("relay", base_url)


def handlers(
    jobs: TaskJobs,
    runner: Runner,
    sweeper: Sweeper,
    federation: Federation,
    learning: Learning,
    tick: Tick,
    housekeeping: Housekeeping,
    callback: Handler,
) -> Mapping[str, Handler]:
    """Say which job is whose, by the job's name."""
    return {
        "dispatch": jobs.advance,
        TURN: jobs.take_turn,
        "relay": partial(relay, sweeper, runner),
        "probe": federation.probe,
        "learn": lambda _: learn(learning),
        "housekeeping": housekeeping.run,
        "callback": callback,
        "tick": tick.tick,
    }


def register(runner: Runner, tick_seconds: float, names: Iterable[str], run: Callable[[str, str], None]) -> None:
    """Tell the runner of the jobs with these names; `run` takes a name and a key and knows who handles it now."""
    for name in names:
        runner.register(name, partial(run, name))
    runner.every(tick_seconds, "tick")
