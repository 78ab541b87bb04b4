"""TaskStore on every backend: what is said of many tasks in one call."""

from protes.store.protocols import TaskStore
from protes.store.records import Transition
from protes.tes.states import State
from tests.support.task_records import START, a_task, at, forwarded


def test_versions_are_those_of_the_records(tasks: TaskStore) -> None:
    one, two, three = (tasks.create(a_task()) for _ in range(3))
    running = forwarded(tasks, a_task())
    assert tasks.versions([one.id, running.id]) == {one.id: 1, running.id: running.version}
    assert tasks.versions({two.id, three.id, "absent"}) == {two.id: 1, three.id: 1}
    assert tasks.versions([]) == {}


def test_versions_move_with_every_change(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    tasks.transition([Transition(record.id, 1, State.RUNNING)], START)
    assert tasks.versions([record.id]) == {record.id: record.version + 1}
    tasks.transition([Transition(record.id, 1, State.RUNNING)], START)
    assert tasks.versions([record.id]) == {record.id: record.version + 1}
    tasks.delete(record.id)
    assert tasks.versions([record.id]) == {}


def test_versions_of_more_tasks_than_a_statement_has_parameters(tasks: TaskStore) -> None:
    made = [tasks.create(a_task()).id for _ in range(3)]
    absent = [f"absent{number}" for number in range(40_000)]
    assert set(tasks.versions([*absent, *made])) == set(made)


def test_many_are_created_as_one_by_one(tasks: TaskStore) -> None:
    records = [a_task(name=f"n{number}", tags=(f"k={number}",), document='{"n":1}') for number in range(5)]
    assert tasks.create_many(records) == records
    assert [tasks.get(record.id) for record in records] == records
    assert tasks.create_many([]) == []


def test_creating_many_again_returns_the_first(tasks: TaskStore) -> None:
    first = tasks.create(a_task(name="first"))
    other, new = a_task(first.id, name="second"), a_task(name="new")
    assert tasks.create_many([other, new, other]) == [first, new, first]
    assert tasks.count() == 2


def test_many_are_cancelled_as_one_by_one(tasks: TaskStore) -> None:
    waiting, running = tasks.create(a_task()), forwarded(tasks, a_task())
    done = tasks.request_cancels([running.id, "absent", waiting.id, running.id], at(1))
    assert [record.id for record in done] == [running.id, waiting.id, running.id]
    assert [record.state for record in done] == [State.CANCELING, State.CANCELED, State.CANCELING]
    assert tasks.get(running.id) == done[0]
    assert tasks.request_cancels([running.id], at(2))[0].cancel_requested_at == at(1)
    assert tasks.request_cancels([], at(1)) == ()
