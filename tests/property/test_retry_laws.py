"""Random histories of one task in front of honest instances: it runs nowhere twice at once, and is never lost.

The relay's judgement, the planner's "tried" and the store are the real ones; instances are as their dialect says: what
has ended stays so, and what is canceled works no more. Everything else may happen: looks are stored late, twice, in any
order or never, workers stop anywhere, instances start, fail, kill and finish what they have when they like.
"""

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from protes.planning.tried import forgiving, tried
from protes.relay.merging import final, glance
from protes.store.changes import CancelRequested
from protes.store.memory import MemoryTaskStore
from protes.store.records import UNSETTLED, Attempt, Lease, Phase, TaskRecord, Transition
from protes.tes.dialects.node import NODE
from protes.tes.read import SeenTask
from protes.tes.states import State
from tests.support.task_records import START, a_task

TASK = "task"
URLS = ("https://one.example", "https://two.example", "https://three.example")
OWN_COURSE = {
    State.QUEUED: (State.INITIALIZING, State.RUNNING, State.SYSTEM_ERROR, State.CANCELED),
    State.INITIALIZING: (State.RUNNING, State.QUEUED, State.SYSTEM_ERROR, State.CANCELED),
    State.RUNNING: (State.QUEUED, State.COMPLETE, State.EXECUTOR_ERROR, *sorted({State.SYSTEM_ERROR, State.PREEMPTED})),
}
"""Where a task may go at an instance by itself, or by its administrator's doing."""


@dataclass
class Copy:
    """What an instance has of the task."""

    n: int
    url: str
    state: State = State.QUEUED
    exit_code: int | None = None

    @property
    def seen(self) -> SeenTask:
        """What it shows in FULL view."""
        return SeenTask(str(self.n), self.state, {"logs": [{"exit_code": self.exit_code}]} if self.exit_code else {})


class RetryMachine(RuleBasedStateMachine):
    """One task, some instances, and workers that may stop anywhere."""

    @initialize(retries=st.integers(0, 3))
    def begin(self, retries: int) -> None:
        """Accept the task."""
        self.now = START
        self.tasks = MemoryTaskStore()
        self.tasks.create(a_task(TASK, preference={"retries": retries}, due_at=START))
        self.retries = retries
        self.copies: list[Copy] = []
        self.on_their_way: list[Transition] = []
        self.last = self.record
        self.turns = 0

    @property
    def record(self) -> TaskRecord:
        """The task as stored."""
        record = self.tasks.get(TASK)
        assert record is not None
        return record

    def claim(self) -> tuple[TaskRecord, str] | None:
        """Take the task; None where somebody has it."""
        self.turns += 1
        lease = Lease("worker", f"token{self.turns}", self.now + timedelta(seconds=60))
        record = self.tasks.claim(TASK, lease, self.now)
        return (record, lease.token) if record is not None else None

    def copy_of(self, attempt: Attempt) -> Copy | None:
        """Return what the instance has of an attempt."""
        return next((copy for copy in self.copies if copy.n == attempt.n), None)

    @rule(seconds=st.integers(1, 100))
    def wait(self, seconds: int) -> None:
        """Let time pass: leases end."""
        self.now += timedelta(seconds=seconds)

    @rule(where=st.integers(0, 5), stop=st.integers(0, 3), forgive=st.booleans())
    def dispatch(self, where: int, stop: int, forgive: bool) -> None:
        """Send the task to an instance that has not had it in vain; stop after the intent, the POST, or its answer."""
        claimed = self.claim() if self.record.due_at is not None else None
        if claimed is None:
            return
        record, token = claimed
        out = tried(forgiving(record) if forgive else record)
        free = [url for url in URLS if url not in out]
        if record.live_attempt is not None or record.state.finished or not free:
            self.tasks.release(TASK, token, None)
            return
        n = record.attempts[-1].n + 1 if record.attempts else 1
        url = free[where % len(free)]
        intended = Attempt(n, url, url[8:11], "node", Phase.INTENDED, self.now, self.now)
        try:
            self.tasks.save_attempt(TASK, token, intended, self.now)
        except CancelRequested:
            return
        if stop >= 1:
            self.copies.append(Copy(n, url))
        if stop >= 2:
            self.settle(record, token)
        if stop >= 3:
            self.tasks.release(TASK, token, None)

    def settle(self, record: TaskRecord, token: str) -> None:
        """Note what became of the last attempt."""
        attempt = self.record.attempts[-1]
        copy = self.copy_of(attempt)
        after = Phase.ACCEPTED if copy is not None else Phase.REJECTED
        settled = Attempt(
            attempt.n, attempt.instance_url, attempt.instance_id, "node", after, attempt.intended_at, attempt.deadline
        )
        self.tasks.save_attempt(TASK, token, settled, self.now)

    @rule()
    def settle_later(self) -> None:
        """Find out what became of a POST that somebody left open."""
        live = self.record.live_attempt
        claimed = self.claim() if live is not None and live.phase in UNSETTLED else None
        if claimed is not None:
            self.settle(*claimed)
            self.tasks.release(TASK, claimed[1], None)

    @rule(place=st.integers(0, 9), choice=st.integers(0, 9), exit_code=st.sampled_from((None, None, 1)))
    def go_on(self, place: int, choice: int, exit_code: int | None) -> None:
        """Something happens at an instance."""
        active = [copy for copy in self.copies if not copy.state.finished]
        if active:
            copy = active[place % len(active)]
            course = OWN_COURSE[copy.state]
            copy.state = course[choice % len(course)]
            if copy.state in (State.EXECUTOR_ERROR, State.SYSTEM_ERROR):
                copy.exit_code = exit_code

    @rule(between=st.booleans())
    def look(self, between: bool) -> None:
        """Look at the live attempt as the relay does; what it sees is stored later, or never."""
        record = self.record
        live = record.live_attempt
        copy = self.copy_of(live) if live is not None and live.phase is Phase.ACCEPTED else None
        if live is None or copy is None:
            return
        first = glance(record, live, copy.state, NODE)
        if between:
            self.go_on(0, 0, None)  # it goes on between the look and the logs
        if first.transition is not None:
            self.on_their_way.append(first.transition)
        if first.fetch:
            self.on_their_way.append(final(record, live, copy.seen, NODE))

    @precondition(lambda self: self.on_their_way)
    @rule(place=st.integers(0, 9), again=st.booleans())
    def store(self, place: int, again: bool) -> None:
        """Store one of the looks, and maybe once more later."""
        place %= len(self.on_their_way)
        self.tasks.transition([self.on_their_way[place]], self.now)
        if not again:
            del self.on_their_way[place]

    @rule()
    def look_and_store(self) -> None:
        """Look and store at once, so that histories get on."""
        seen = len(self.on_their_way)
        self.look(between=False)
        self.tasks.transition(self.on_their_way[seen:], self.now)

    @rule()
    def withdraw(self) -> None:
        """Wish to have the task back, whatever it does."""
        live = self.record.live_attempt
        claimed = self.claim() if live is not None else None
        if live is not None and claimed is not None:
            self.tasks.withdraw(TASK, claimed[1], live.n, "withdrawn", self.now)
            self.tasks.release(TASK, claimed[1], None)

    @rule()
    def push(self) -> None:
        """Push a cancellation that somebody wished for; it does something if it comes in time."""
        record = self.record
        live = record.live_attempt
        wished = live is not None and (record.cancel_requested_at is not None or live.withdrawn_at is not None)
        copy = self.copy_of(live) if live is not None and wished and live.phase is Phase.ACCEPTED else None
        if copy is not None and not copy.state.finished:
            copy.state = State.CANCELED

    @rule(sure=st.integers(0, 4))
    def cancel(self, sure: int) -> None:
        """The caller cancels, not too often, so that there are other histories."""
        if sure == 0:
            self.tasks.request_cancel(TASK, self.now)

    @invariant()
    def laws_hold(self) -> None:
        """Check what must never break."""
        if not hasattr(self, "copies"):
            return
        record = self.record
        live = record.live_attempt
        working = [copy for copy in self.copies if not copy.state.finished]
        assert len(working) <= 1, "two copies at once"
        if working and not record.state.finished:
            assert live is not None, "a copy nobody watches"
            assert live.n == working[0].n
        assert record.state.finished or live is not None or record.due_at is not None, "lost"
        assert sum(attempt.retried for attempt in record.attempts) <= self.retries
        assert sum(copy.state is State.COMPLETE for copy in self.copies) <= 1
        if any(copy.state is State.COMPLETE for copy in self.copies):
            assert not working
            assert record.state in (State.COMPLETE,) if record.state.finished else live is not None
        retried = {attempt.n for attempt in record.attempts if attempt.retried}
        assert not any(copy.n in retried and copy.exit_code for copy in self.copies), "the task's own fault"
        if self.last.state.finished:
            assert (record.state, record.finished_at) == (self.last.state, self.last.finished_at)
        if self.last.cancel_requested_at is not None:
            assert len(record.attempts) == len(self.last.attempts)
        self.last = record


TestRetries = RetryMachine.TestCase
TestRetries.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
