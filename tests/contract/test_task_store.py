"""TaskStore on every backend: what is stored is what is read, and pages are stable."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from protes.store.protocols import StoreUnavailable, TaskStore
from protes.store.records import InstanceLoad, Lease, Phase, TaskQuery, TaskRecord, Transition, tag_entry
from protes.tes.states import State
from tests.contract.conftest import Backend
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded


def full_task(task_id: str = "full") -> TaskRecord:
    """Make a task with no field at its default."""
    attempts = (
        an_attempt(1, Phase.REJECTED, message="refused: no such image", refused=True),
        an_attempt(
            2,
            Phase.ACCEPTED,
            instance_task_id="remote/é",
            state=State.RUNNING,
            log={"logs": [{"stdout": "ünïcode \x00 \ud800", "exit_code": 0}], "metadata": {"a.b": "c"}, "big": 2**70},
            looks=3,
            closed_at=at(5),
            missing_since=at(6),
            metadata={"protes.weight": "0.5"},
        ),
    )
    return TaskRecord(
        id=task_id,
        owner="someone@example.org",
        created_at=at(0.123456),
        document='{"name":"ü","executors":[]}',
        name="a name with ü and \x00",
        tags=(tag_entry("a", "b=c"), tag_entry("k", "")),
        preference={"weight": "0.5", "nested": [1, None, {"x": True}]},
        via=("gateway-1", "gateway-2"),
        state=State.CANCELING,
        last_steady=State.RUNNING,
        version=7,
        cancel_requested_at=at(2),
        attempts=attempts,
        system_logs=("one", "two\nlines"),
        due_at=at(3),
        enqueued_until=at(4),
        lease=Lease("worker", "token", at(5), cancel_known=True),
        finished_at=at(9),
    )


def ids_of(records: object) -> list[str]:
    """Return the ids of records."""
    return [record.id for record in records]  # type: ignore[attr-defined]


def test_every_field_comes_back(tasks: TaskStore) -> None:
    record = full_task()
    tasks.create(record)
    assert tasks.get(record.id) == record
    assert list(tasks.list(TaskQuery())) == [record]


def test_a_head_has_everything_but_what_may_be_large(tasks: TaskStore) -> None:
    record = full_task()
    tasks.create(record)
    head = replace(record, document="", attempts=(), system_logs=())
    assert tasks.get(record.id, head=True) == head
    assert list(tasks.list(TaskQuery(heads=True))) == [head]


def test_what_does_not_exist_is_none(tasks: TaskStore) -> None:
    assert tasks.get("absent") is None
    assert tasks.get("absent", head=True) is None
    assert tasks.claim("absent", a_lease(), START) is None
    assert tasks.request_cancel("absent", START) is None
    assert tasks.close_cancel("absent", "late", START) is None
    assert not tasks.transition([Transition("absent", 1, State.RUNNING)], START)
    assert not tasks.transition([], START)
    assert not tasks.delete("absent")
    tasks.release("absent", "token", None)


def test_values_read_are_copies(tasks: TaskStore) -> None:
    record = full_task()
    readers: list[Callable[[], TaskRecord | None]] = [
        lambda: tasks.create(record),
        lambda: tasks.get(record.id),
        lambda: tasks.list(TaskQuery())[0],
        lambda: tasks.claim(record.id, a_lease(), at(99)),
        lambda: record,
    ]
    for read in readers:
        stored = read()
        assert stored is not None
        assert stored.attempts[1].log is not None
        stored.attempts[1].log["logs"] = "changed by the one who read it"
        after = tasks.get(record.id)
        assert after is not None
        assert after.attempts == full_task().attempts


def test_creating_again_returns_the_first(tasks: TaskStore) -> None:
    first = a_task("same", document='{"name":"first"}', attempts=(an_attempt(),), system_logs=("a line",))
    assert tasks.create(first) == first
    assert tasks.create(a_task("same", document='{"name":"second"}', tags=("x=y",), owner="other")) == first
    assert tasks.get("same") == first
    assert not tasks.list(TaskQuery(tags=(("x", "y"),)))
    assert tasks.count() == 1


def test_a_lost_acknowledgement_is_repaired_by_repeating(tasks: TaskStore) -> None:
    record = a_task()

    def create_and_lose_the_answer() -> None:
        tasks.create(record)
        raise StoreUnavailable("the answer was lost")

    with pytest.raises(StoreUnavailable):
        create_and_lose_the_answer()
    moved = tasks.claim(record.id, a_lease(), START)
    assert tasks.create(record) == moved


def test_a_document_of_a_megabyte(tasks: TaskStore) -> None:
    record = a_task(document='{"x":"' + "ö" * 500_000 + '"}')
    tasks.create(record)
    assert tasks.get(record.id) == record
    forwarded(tasks, a_task("with-log"))
    log = {"logs": [{"stdout": "x" * 1_000_000}]}
    tasks.transition([Transition("with-log", 1, State.COMPLETE, log=log, finished=True)], START)
    stored = tasks.get("with-log")
    assert stored is not None
    assert stored.attempts[0].log == log


def test_delete_leaves_nothing(tasks: TaskStore) -> None:
    record = full_task()
    tasks.create(record)
    tasks.create(a_task("other", tags=record.tags))
    assert tasks.delete(record.id)
    assert not tasks.delete(record.id)
    assert tasks.get(record.id) is None
    assert ids_of(tasks.list(TaskQuery(tags=(("a", None),)))) == ["other"]
    again = a_task(record.id)
    assert tasks.create(again) == again
    assert tasks.get(record.id) == again


def test_many_are_deleted_and_leave_nothing(tasks: TaskStore) -> None:
    large = '{"x":"' + "ö" * 50_000 + '"}'
    gone = [full_task("one"), a_task("two", document=large), a_task("three")]
    for record in (*gone, a_task("twofold", tags=gone[0].tags, document=large)):
        tasks.create(record)
    assert tasks.delete_many([]) == 0
    assert tasks.delete_many([*(record.id for record in gone), "absent"]) == 3
    assert tasks.delete_many(["one", "two", "three"]) == 0
    assert ids_of(tasks.list(TaskQuery())) == ["twofold"]
    assert ids_of(tasks.list(TaskQuery(tags=(("a", None),)))) == ["twofold"]
    kept = tasks.get("twofold")
    assert kept is not None
    assert kept.document == large
    assert tasks.create(a_task("one")) == a_task("one")
    assert tasks.get("one") == a_task("one")


def test_count(tasks: TaskStore) -> None:
    for owner in ("one", "one", "two"):
        tasks.create(a_task(owner=owner))
    cancelled = tasks.create(a_task(owner="one")).id
    tasks.request_cancel(cancelled, START)
    assert tasks.count() == 4
    assert tasks.count(unfinished=True) == 3
    assert tasks.count(owner="one") == 3
    assert tasks.count(owner="one", unfinished=True) == 2
    assert tasks.count(owner="none") == 0


def test_active_is_what_an_instance_has_accepted(tasks: TaskStore) -> None:
    other = "https://two.example/ga4gh/tes/v1"
    accepted = [forwarded(tasks, a_task()) for _ in range(3)]
    forwarded(tasks, a_task(), Phase.INTENDED)
    forwarded(tasks, a_task(), instance_url=other)
    finished = forwarded(tasks, a_task())
    tasks.transition([Transition(finished.id, 1, State.COMPLETE, finished=True)], START)
    assert list(tasks.active(URL, None, 10)) == [replace(record, document="") for record in accepted]
    assert ids_of(tasks.active(URL, None, 2)) == ids_of(accepted[:2])
    assert ids_of(tasks.active(URL, accepted[1].id, 10)) == ids_of(accepted[2:])
    assert len(tasks.active(other, None, 10)) == 1


def test_loads_count_every_live_attempt(tasks: TaskStore) -> None:
    assert not tasks.loads()
    forwarded(tasks, a_task(), Phase.INTENDED, intended_at=at(5))
    forwarded(tasks, a_task(), intended_at=at(7))
    forwarded(tasks, a_task(), Phase.REJECTED, intended_at=at(9))
    forwarded(tasks, a_task(), Phase.UNKNOWN, instance_url="https://two.example", intended_at=at(1))
    loads = sorted(tasks.loads(), key=lambda load: load.instance_url)
    assert loads == [InstanceLoad(URL, 2, at(7), 2), InstanceLoad("https://two.example", 1, at(1), 1)]


def test_loads_tell_which_attempts_were_seen_to_start(tasks: TaskStore) -> None:
    started = (State.INITIALIZING, State.RUNNING, State.PAUSED, State.CANCELING)
    for state in (State.UNKNOWN, State.QUEUED, *started):
        record = forwarded(tasks, a_task(), intended_at=at(7))
        tasks.transition([Transition(record.id, 1, state)], START)
    assert tasks.loads() == [InstanceLoad(URL, 6, at(7), 2)]
    back = forwarded(tasks, a_task(), intended_at=at(7))
    for state, queued in ((State.RUNNING, 2), (State.QUEUED, 3), (State.COMPLETE, 2)):
        tasks.transition([Transition(back.id, 1, state, finished=state.finished)], START)
        assert tasks.loads()[0].queued == queued


def test_finished_before_waits_for_the_last_copy(tasks: TaskStore) -> None:
    late, early = a_task(), a_task()
    for record, seconds in ((late, 20), (early, 10)):
        tasks.create(record)
        tasks.request_cancel(record.id, at(seconds))
    given_up = forwarded(tasks, a_task())
    tasks.request_cancel(given_up.id, at(1))
    tasks.close_cancel(given_up.id, "unconfirmed", at(2))
    assert list(tasks.finished_before(at(30), 10)) == [early.id, late.id]
    assert list(tasks.finished_before(at(30), 1)) == [early.id]
    assert list(tasks.finished_before(at(20), 10)) == [early.id]
    tasks.transition([Transition(given_up.id, 1, State.CANCELED, finished=True)], at(3))
    assert list(tasks.finished_before(at(30), 10)) == [given_up.id, early.id, late.id]


def test_finished_since_goes_on_after_the_last_one_seen(tasks: TaskStore) -> None:
    ended = [a_task(document=f'{{"n":{n}}}') for n in range(3)]
    for record, seconds in zip(ended, (20, 10, 20), strict=True):
        tasks.create(record)
        tasks.request_cancel(record.id, at(seconds))
    tasks.create(a_task())
    expected = [tasks.get(ended[n].id) for n in (1, 0, 2)]
    assert list(tasks.finished_since(None, 10)) == expected
    assert list(tasks.finished_since(None, 2)) == expected[:2]
    assert list(tasks.finished_since((at(10), ended[1].id), 10)) == expected[1:]
    assert list(tasks.finished_since((at(20), ended[0].id), 10)) == expected[2:]
    assert list(tasks.finished_since((at(20), ""), 1)) == expected[1:2]
    assert not tasks.finished_since((at(20), ended[2].id), 10)


def test_finished_since_has_attempts_and_tasks_given_up(tasks: TaskStore) -> None:
    log = {"logs": [{"exit_code": 0}]}
    complete = forwarded(tasks, a_task())
    tasks.transition([Transition(complete.id, 1, State.COMPLETE, log=log, finished=True)], at(1))
    given_up = forwarded(tasks, a_task())
    tasks.request_cancel(given_up.id, at(1))
    tasks.close_cancel(given_up.id, "unconfirmed", at(2))
    found = tasks.finished_since(None, 10)
    assert [record.id for record in found] == [complete.id, given_up.id]
    assert found[0].attempts[0].log == log
    assert found[1].live_attempt is not None


def test_what_was_stored_is_there_after_reopening(backend: Backend) -> None:
    if backend.reopen is None:
        pytest.skip("nothing is on disk")
    record = full_task()
    backend.stores.tasks.create(record)
    backend.stores.close()
    assert backend.reopen().tasks.get(record.id) == record


def test_closing_twice_is_harmless(backend: Backend) -> None:
    backend.stores.tasks.create(a_task())
    backend.stores.close()
    backend.stores.tasks.close()
