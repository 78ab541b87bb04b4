"""What the event log is made of: the tasks whose newest state it does not have yet, on every store."""

import threading
from dataclasses import replace

from protes.store.factory import Stores
from protes.store.protocols import Records, TaskStore
from protes.store.records import Transition
from protes.tes.states import State
from tests.contract.conftest import Backend
from tests.support.task_records import START, a_lease, a_task, at, forwarded


def untold(tasks: TaskStore) -> dict[str, tuple[State, int]]:
    return {each.id: (each.state, each.news or 0) for each in tasks.unannounced(100)}


def seen(tasks: TaskStore, task_id: str, state: State, finished: bool = False) -> None:
    tasks.transition([Transition(task_id, 1, state, finished=finished)], at(61))


def test_a_new_task_is_news_until_it_is_announced(tasks: TaskStore) -> None:
    record = tasks.create(a_task(tags=("a=b",), name="n"))
    (head,) = tasks.unannounced(10)
    assert (head.id, head.state, head.moves, head.news) == (record.id, State.QUEUED, 1, 1)
    assert (head.tags, head.name, head.document) == (("a=b",), "n", "")
    tasks.announced({record.id: 1})
    assert untold(tasks) == {}
    stored = tasks.get(record.id)
    assert stored is not None
    assert stored.version == 1


def test_only_a_change_of_state_is_news(tasks: TaskStore) -> None:
    record = tasks.create(a_task())
    tasks.announced({record.id: 1})
    assert tasks.claim(record.id, a_lease(), START) is not None
    tasks.release(record.id, "token", at(5), ["a line"])
    tasks.due(at(6), 10, at(9))
    assert untold(tasks) == {}


def test_every_change_of_state_is_a_move(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    tasks.announced({record.id: 1})
    seen(tasks, record.id, State.RUNNING)
    assert untold(tasks) == {record.id: (State.RUNNING, 2)}
    seen(tasks, record.id, State.RUNNING)
    seen(tasks, record.id, State.COMPLETE, finished=True)
    assert untold(tasks) == {record.id: (State.COMPLETE, 3)}
    (head,) = tasks.unannounced(10)
    assert head.state_at == at(61)


def test_a_task_that_has_moved_on_stays_news(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    seen(tasks, record.id, State.RUNNING)
    tasks.announced({record.id: 1})
    assert untold(tasks) == {record.id: (State.RUNNING, 2)}
    tasks.announced({record.id: 2, "nobody": 2})
    tasks.announced({record.id: 1})
    assert untold(tasks) == {}


def test_a_change_that_is_written_beside_an_announcement_does_not_bring_news_back(tasks: TaskStore) -> None:
    record = tasks.create(a_task())
    assert tasks.claim(record.id, a_lease(), START) is not None
    tasks.announced({record.id: 1})
    tasks.extend(record.id, "token", at(90))
    assert untold(tasks) == {}


def test_cancelling_and_failing_are_news(tasks: TaskStore) -> None:
    cancelled, failed = tasks.create(a_task()), tasks.create(a_task(lease=a_lease()))
    tasks.announced({cancelled.id: 1, failed.id: 1})
    tasks.request_cancel(cancelled.id, at(1))
    tasks.fail(failed.id, "token", ["why"], at(2))
    assert untold(tasks) == {cancelled.id: (State.CANCELED, 2), failed.id: (State.SYSTEM_ERROR, 2)}


def test_news_of_a_removed_task_go_with_it(tasks: TaskStore) -> None:
    record = tasks.create(a_task())
    tasks.delete(record.id)
    assert untold(tasks) == {}
    tasks.announced({record.id: 1})


def test_news_are_limited(tasks: TaskStore) -> None:
    tasks.create_many([a_task() for _ in range(7)])
    assert len(tasks.unannounced(3)) == 3
    assert len(tasks.unannounced(0)) == 0
    tasks.announced({})


def test_news_outlive_a_restart(backend: Backend) -> None:
    record = backend.stores.tasks.create(a_task())
    if backend.reopen is not None:
        assert set(untold(backend.reopen().tasks)) == {record.id}


def test_no_news_are_lost_between_those_who_write_and_those_who_announce(backend: Backend) -> None:
    """Announcing in one process while another moves tasks: what is not announced in its last state is news."""
    stores: Stores = backend.reopen() if backend.reopen is not None else backend.stores
    ids = [forwarded(backend.stores.tasks, a_task()).id for _ in range(8)]
    told: dict[str, int] = {}
    ended = threading.Event()

    def move() -> None:
        for state in (State.INITIALIZING, State.RUNNING, State.QUEUED, State.RUNNING):
            for task_id in ids:
                seen(backend.stores.tasks, task_id, state)
        ended.set()

    thread = threading.Thread(target=move)
    thread.start()
    while True:
        over = ended.is_set()
        found = {each.id: each.news or 0 for each in stores.tasks.unannounced(100)}
        stores.tasks.announced(found)
        told |= found
        if over and not found:
            break
    thread.join(30)
    assert told == dict.fromkeys(ids, 5)


def test_many_values_are_put_at_once(records: Records) -> None:
    records.put("kind", "old", {"n": 0}, START)
    records.put_many("kind", {"old": {"n": 1}, "new": {"n": 2}}, START, expires_at=at(10))
    records.put_many("kind", {}, START)
    found = records.scan("kind", "", START)
    assert [(each.key, each.value, each.version, each.expires_at) for each in found] == [
        ("new", {"n": 2}, 1, at(10)),
        ("old", {"n": 1}, 2, at(10)),
    ]
    records.put_many("kind", {"old": {"n": 3}}, START)
    (old,) = records.scan("kind", "old", at(20))
    assert replace(old, version=0).value == {"n": 3}
    assert records.put("kind", "old", {"n": 4}, at(20), expected_version=old.version) == old.version + 1
