"""TaskStore on every backend under many threads: each race has one winner."""

import itertools
from collections.abc import Callable
from functools import partial

import pytest

from protes.store.changes import CancelRequested
from protes.store.protocols import LeaseLost, TaskStore
from protes.store.records import Phase, TaskQuery, TaskRecord, Transition
from protes.tes.states import State
from tests.contract.conftest import Backend
from tests.support.task_records import START, a_lease, a_task, an_attempt, at, forwarded
from tests.support.waiting import at_once

THREADS = 8


def test_a_claim_has_one_winner(tasks: TaskStore) -> None:
    for _ in range(10):
        task_id = tasks.create(a_task()).id
        claims = [partial(tasks.claim, task_id, a_lease(f"token-{n}"), START) for n in range(THREADS)]
        winners = [record for record in at_once(claims) if record is not None]
        assert len(winners) == 1
        assert tasks.get(task_id) == winners[0]


def test_creating_one_id_at_once_stores_one_task(tasks: TaskStore) -> None:
    creates = [partial(tasks.create, a_task("same", document=f'{{"name":"{n}"}}')) for n in range(THREADS)]
    outcomes = at_once(creates)
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert tasks.get("same") == outcomes[0]


def test_of_a_cancellation_and_a_new_attempt_one_wins(tasks: TaskStore) -> None:
    won = set()
    for turn in range(20):
        task_id = tasks.create(a_task()).id
        tasks.claim(task_id, a_lease(), START)
        calls: list[Callable[[], TaskRecord | None]] = [
            partial(tasks.request_cancel, task_id, at(1)),
            partial(tasks.save_attempt, task_id, "token", an_attempt(), at(1)),
        ]
        outcomes = at_once(calls[:: 1 if turn % 2 else -1])
        saved = outcomes[1 if turn % 2 else 0]
        record = tasks.get(task_id)
        assert record is not None
        if isinstance(saved, CancelRequested):
            assert (record.state, record.attempts) == (State.CANCELED, ())
        else:
            assert (record.state, len(record.attempts)) == (State.CANCELING, 1)
        won.add(record.state)
    assert won <= {State.CANCELED, State.CANCELING}


def test_nothing_due_is_handed_out_twice(tasks: TaskStore) -> None:
    made = {tasks.create(a_task()).id for _ in range(60)}

    def take() -> list[str]:
        taken: list[str] = []
        while batch := tasks.due(at(1), 7, at(60)):
            taken += batch
        return taken

    taken = list(itertools.chain(*at_once([take] * THREADS)))  # type: ignore[arg-type]
    assert sorted(taken) == sorted(made)


def test_every_change_is_one_version(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    states = (State.QUEUED, State.INITIALIZING, State.RUNNING, State.PAUSED)

    def report(state: State) -> int:
        return sum(len(tasks.transition([Transition(record.id, 1, state)], at(1))) for _ in range(10))

    changes = at_once([partial(report, state) for state in states])
    after = tasks.get(record.id)
    assert after is not None
    assert after.version == record.version + sum(changes)  # type: ignore[arg-type]


def test_a_failing_change_leaves_those_beside_it_alone(tasks: TaskStore) -> None:
    good = [tasks.create(a_task()).id for _ in range(THREADS)]
    for task_id in good:
        tasks.claim(task_id, a_lease(), START)
    calls: list[Callable[[], TaskRecord | None]] = []
    for task_id in good:
        calls.append(partial(tasks.save_attempt, task_id, "token", an_attempt(), at(1)))
        calls.append(partial(tasks.save_attempt, task_id, "another", an_attempt(2), at(1)))
    outcomes = at_once(calls)
    assert all(isinstance(outcome, TaskRecord) for outcome in outcomes[::2])
    assert all(isinstance(outcome, LeaseLost) for outcome in outcomes[1::2])
    for task_id in good:
        record = tasks.get(task_id)
        assert record is not None
        assert [attempt.phase for attempt in record.attempts] == [Phase.INTENDED]


def test_readers_see_whole_versions(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())

    def write() -> None:
        for turn in range(30):
            state = State.RUNNING if turn % 2 else State.INITIALIZING
            tasks.transition([Transition(record.id, 1, state, log={"turn": state.value})], at(1))

    def read() -> None:
        for _ in range(60):
            for seen in (tasks.get(record.id), tasks.list(TaskQuery())[0]):
                assert seen is not None
                log = seen.attempts[0].log
                assert log is None or log["turn"] == seen.state.value

    assert at_once([write, read, read]) == [None, None, None]


def test_another_opening_of_the_same_store_sees_it_all(backend: Backend) -> None:
    if backend.reopen is None:
        pytest.skip("nothing is on disk")
    here, there = backend.stores.tasks, backend.reopen().tasks

    def create(tasks: TaskStore) -> list[str]:
        return [tasks.create(a_task()).id for _ in range(20)]

    made = list(itertools.chain(*at_once([partial(create, here), partial(create, there)])))  # type: ignore[arg-type]
    assert sorted(record.id for record in here.list(TaskQuery())) == sorted(made)
    assert sorted(record.id for record in there.list(TaskQuery())) == sorted(made)
