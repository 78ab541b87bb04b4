"""Random histories: memory and SQLite agree at every step, and the laws of tasks hold in both."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from protes.store.changes import FAILURES, CancelRequested
from protes.store.factory import Stores, create_stores
from protes.store.protocols import LeaseLost
from protes.store.records import LIVE, Lease, Phase, TaskQuery, TaskRecord, Transition, tag_entry
from protes.tes.states import State
from tests.support.task_records import START, a_task, an_attempt

OWNERS = ("", "one")
NAMES = ("", "run", "run-1", "other")
TAGS = (("k", "a"), ("k", "b"), ("l", ""))
URLS = ("https://one.example", "https://two.example")
TOKENS = ("t1", "t2")
STATES = st.sampled_from(State)
LOGS: st.SearchStrategy[dict[str, Any] | None] = st.sampled_from([None, {"logs": []}, {"logs": [{"exit_code": 1}]}])
EXPECTED = (LeaseLost, CancelRequested, ValueError)


class StoreMachine(RuleBasedStateMachine):
    """Does the same to both stores."""

    ids = Bundle("ids")

    @initialize()
    def open(self) -> None:
        """Open a store of each kind."""
        self.folder = tempfile.TemporaryDirectory()
        self.memory = create_stores("memory:")
        self.url = str(Path(self.folder.name) / "data")
        self.sqlite = create_stores(self.url)
        self.now = START
        self.made = 0
        self.before: dict[str, TaskRecord] = {}

    def teardown(self) -> None:
        """Close both."""
        if hasattr(self, "folder"):
            self.memory.close()
            self.sqlite.close()
            self.folder.cleanup()

    def both(self, call: Callable[[Stores], Any]) -> Any:
        """Do something to both stores; they answer alike, or refuse alike."""
        answers = []
        for stores in (self.memory, self.sqlite):
            try:
                answers.append(call(stores))
            except EXPECTED as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @rule(
        target=ids,
        owner=st.sampled_from(OWNERS),
        name=st.sampled_from(NAMES),
        tag=st.sampled_from((None, *TAGS)),
        retries=st.integers(0, 2),
    )
    def create(self, owner: str, name: str, tag: tuple[str, str] | None, retries: int) -> str:
        """Store a new task."""
        self.made += 1
        tags = (tag_entry(*tag),) if tag else ()
        record = a_task(
            f"task{self.made:04}",
            owner=owner,
            audience=owner and f"user:{owner}",
            name=name,
            tags=tags,
            due_at=self.now,
            preference={"retries": retries} if retries else {},
        )
        self.both(lambda stores: stores.tasks.create(record))
        return record.id

    @rule(task_id=ids)
    def create_again(self, task_id: str) -> None:
        """Repeat a creation."""
        self.both(lambda stores: stores.tasks.create(a_task(task_id, document="{}", owner="thief")))

    @rule(task_id=ids, token=st.sampled_from(TOKENS), seconds=st.integers(1, 60))
    def claim(self, task_id: str, token: str, seconds: int) -> None:
        """Claim a task."""
        lease = Lease("machine", token, self.now + timedelta(seconds=seconds))
        self.both(lambda stores: stores.tasks.claim(task_id, lease, self.now))

    @rule(task_id=ids, token=st.sampled_from(TOKENS), seconds=st.integers(1, 60))
    def extend(self, task_id: str, token: str, seconds: int) -> None:
        """Extend a lease."""
        self.both(lambda stores: stores.tasks.extend(task_id, token, self.now + timedelta(seconds=seconds)))

    @rule(task_id=ids, token=st.sampled_from(TOKENS), seconds=st.none() | st.integers(0, 60))
    def release(self, task_id: str, token: str, seconds: int | None) -> None:
        """Give a lease back."""
        due_at = None if seconds is None else self.now + timedelta(seconds=seconds)
        self.both(lambda stores: stores.tasks.release(task_id, token, due_at, ["released"]))

    @rule(
        task_id=ids,
        token=st.sampled_from(TOKENS),
        url=st.sampled_from(URLS),
        phase=st.sampled_from((Phase.INTENDED, Phase.REJECTED)),
    )
    def begin_attempt(self, task_id: str, token: str, url: str, phase: Phase) -> None:
        """Add an attempt."""
        record = self.memory.tasks.get(task_id)
        n = record.attempts[-1].n + 1 if record and record.attempts else 1
        attempt = an_attempt(n, phase, instance_url=url, intended_at=self.now, deadline=self.now)
        self.both(lambda stores: stores.tasks.save_attempt(task_id, token, attempt, self.now))

    @rule(task_id=ids, token=st.sampled_from(TOKENS), phase=st.sampled_from(Phase), back=st.integers(1, 2))
    def go_on_with_attempt(self, task_id: str, token: str, phase: Phase, back: int) -> None:
        """Replace an attempt, mostly the last; for that the token is all that counts."""
        record = self.memory.tasks.get(task_id)
        if record is not None and len(record.attempts) >= back:
            attempt = replace(record.attempts[-back], phase=phase, instance_task_id="remote")
            answer = self.both(lambda stores: stores.tasks.save_attempt(task_id, token, attempt, self.now))
            lost = isinstance(answer, tuple) and answer[0] is LeaseLost
            assert lost == (record.lease is None or record.lease.token != token)

    @rule(task_id=ids, token=st.sampled_from(TOKENS))
    def forward(self, task_id: str, token: str) -> None:
        """Claim a task and have it accepted, so that histories reach what comes afterwards."""
        self.claim(task_id, token, 60)
        self.begin_attempt(task_id, token, URLS[0], Phase.INTENDED)
        self.go_on_with_attempt(task_id, token, Phase.ACCEPTED, 1)

    @rule(task_id=ids, token=st.sampled_from(TOKENS))
    def fail(self, task_id: str, token: str) -> None:
        """Give a task up."""
        self.both(lambda stores: stores.tasks.fail(task_id, token, ["failed"], self.now))

    @rule(task_id=ids)
    def cancel(self, task_id: str) -> None:
        """Cancel a task."""
        self.both(lambda stores: stores.tasks.request_cancel(task_id, self.now))

    @rule(task_id=ids)
    def close_cancel(self, task_id: str) -> None:
        """Stop waiting for the confirmation."""
        self.both(lambda stores: stores.tasks.close_cancel(task_id, "unconfirmed", self.now))

    @rule(
        seen=st.lists(
            st.tuples(ids, st.integers(1, 3), STATES, LOGS, st.booleans(), st.booleans(), st.booleans()),
            min_size=1,
            max_size=3,
        )
    )
    def observe(self, seen: list[tuple[str, int, State, dict[str, Any] | None, bool, bool, bool]]) -> None:
        """Report what instances say."""
        batch = [
            Transition(task_id, n, state, log, finished=finished, again=again, due=due)
            for task_id, n, state, log, finished, again, due in seen
        ]
        self.both(lambda stores: stores.tasks.transition(batch, self.now))

    @rule(task_id=ids, n=st.integers(1, 3), state=st.sampled_from(sorted(FAILURES)))
    def end_in_vain(self, task_id: str, n: int, state: State) -> None:
        """Report twice that a task failed, so that histories reach what comes afterwards."""
        first, second = Transition(task_id, n, state), Transition(task_id, n, state, finished=True, again=True)
        self.both(lambda stores: stores.tasks.transition([first, second], self.now))

    @rule(task_id=ids, token=st.sampled_from(TOKENS), n=st.integers(1, 3))
    def withdraw(self, task_id: str, token: str, n: int) -> None:
        """Wish to take a task back."""
        self.both(lambda stores: stores.tasks.withdraw(task_id, token, n, "withdrawn", self.now))

    @rule(limit=st.integers(0, 3), seconds=st.integers(1, 30))
    def due(self, limit: int, seconds: int) -> None:
        """Take what is due; none of it is handed out again before its time."""
        until = self.now + timedelta(seconds=seconds)
        taken = self.both(lambda stores: stores.tasks.due(self.now, limit, until))
        again = self.both(lambda stores: stores.tasks.due(self.now, 1000, until))
        assert len(taken) <= limit
        assert not set(taken) & set(again)

    @rule(task_id=consumes(ids))
    def delete(self, task_id: str) -> None:
        """Remove a task."""
        self.both(lambda stores: stores.tasks.delete(task_id))
        self.before.pop(task_id, None)

    @rule(
        owner=st.none() | st.sampled_from(OWNERS),
        state=st.none() | STATES,
        shown=st.booleans(),
        prefix=st.sampled_from(("", "r", "run", "run-")),
        tags=st.lists(st.sampled_from((*TAGS, ("k", None))), max_size=2),
        before=st.none() | ids,
        limit=st.integers(0, 4),
        heads=st.booleans(),
        audiences=st.sampled_from((None, ("",), ("user:one",), ("user:one", ""))),
    )
    def look_around(self, tags: list[tuple[str, str | None]], **query: Any) -> None:
        """Ask every question."""
        prefix = query.pop("prefix")
        found = self.both(
            lambda stores: list(stores.tasks.list(TaskQuery(name_prefix=prefix, tags=tuple(tags), **query)))
        )
        assert [record.id for record in found] == sorted((record.id for record in found), reverse=True)
        self.both(lambda stores: list(stores.tasks.loads()))
        active = self.both(lambda stores: list(stores.tasks.active(URLS[0], query["before"], 10)))
        followed = self.both(lambda stores: list(stores.tasks.followed(URLS[0], query["before"], 10)))
        assert followed == [record.followed for record in active]
        self.both(lambda stores: list(stores.tasks.finished_before(self.now, 10)))
        self.both(lambda stores: list(stores.tasks.finished_since((START, ""), 10)))
        for owner in (None, *OWNERS):
            for unfinished in (False, True):
                self.both(lambda stores, o=owner, u=unfinished: stores.tasks.count(owner=o, unfinished=u))  # type: ignore[misc]

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.sqlite.close()
        self.sqlite = create_stores(self.url)

    @invariant()
    def tasks_obey_their_laws(self) -> None:
        """Compare every task to what it was a step ago."""
        if not hasattr(self, "before"):
            return
        query = TaskQuery(limit=1000)
        now = {record.id: record for record in self.both(lambda stores: list(stores.tasks.list(query)))}
        for task_id, record in now.items():
            check_alone(record)
            if task_id in self.before:
                check_step(self.before[task_id], record)
        self.before = now


def check_alone(record: TaskRecord) -> None:
    """Check what holds at any time."""
    live = [attempt for attempt in record.attempts if attempt.phase in LIVE]
    assert len(live) <= 1
    assert record.live_attempt == (live[0] if live else None)
    assert [attempt.n for attempt in record.attempts] == sorted({attempt.n for attempt in record.attempts})
    assert record.state.finished == (record.finished_at is not None)
    assert record.retries_left >= 0
    if record.state.finished and not live:
        assert record.due_at is None or record.lease is not None  # to be taken away, should its holder have died
        assert record.enqueued_until is None
    if not record.state.finished and not live:
        assert record.due_at is not None


def check_step(before: TaskRecord, after: TaskRecord) -> None:
    """Check what holds from one version to a later one."""
    constant: list[Callable[[TaskRecord], object]] = [
        lambda record: (record.id, record.owner, record.created_at, record.document),
        lambda record: (record.name, record.tags, record.preference, record.via),
    ]
    assert all(part(before) == part(after) for part in constant)
    if replace(before, enqueued_until=None) != replace(after, enqueued_until=None):
        assert after.version > before.version
    else:
        assert after.version == before.version
    if before.state.finished:
        assert (after.state, after.finished_at) == (before.state, before.finished_at)
    if before.cancel_requested_at is not None:
        assert after.cancel_requested_at == before.cancel_requested_at
        assert {attempt.n for attempt in after.attempts} <= {attempt.n for attempt in before.attempts}
    if before.state.finished or before.cancel_requested_at is not None:
        assert after.retries_left == before.retries_left
    ended = {attempt.n for attempt in before.attempts if attempt.phase not in LIVE}
    assert not any(attempt.n in ended and attempt.phase in LIVE for attempt in after.attempts)


TestStores = StoreMachine.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
