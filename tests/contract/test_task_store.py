"""TaskStore on every backend: what is stored is what is read, and pages are stable."""

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


def listed(tasks: TaskStore, **query: object) -> list[str]:
    """Return the ids that a query finds."""
    return ids_of(tasks.list(TaskQuery(**query)))  # type: ignore[arg-type]


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
    tasks.create(record)
    for stored in (record, tasks.get(record.id)):
        assert stored is not None
        assert stored.attempts[1].log is not None
        stored.attempts[1].log["logs"] = "changed by the one who read it"
    assert tasks.get(record.id) == full_task()


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


def test_pages_are_newest_first_and_complete(tasks: TaskStore) -> None:
    made = [tasks.create(a_task()).id for _ in range(7)]
    assert listed(tasks) == made[::-1]
    assert listed(tasks, limit=3) == made[:3:-1]
    assert listed(tasks, limit=3, before=made[4]) == made[3:0:-1]
    assert listed(tasks, limit=3, before=made[0]) == []
    assert listed(tasks, limit=0) == []


def test_pages_stay_stable_while_tasks_come_and_go(tasks: TaskStore) -> None:
    made = [tasks.create(a_task()).id for _ in range(20)]
    seen: list[str] = []
    before = None
    while page := listed(tasks, limit=3, before=before):
        seen += page
        before = page[-1]
        tasks.create(a_task())
        tasks.request_cancel(seen[0], START)
        tasks.delete(before)
    assert seen == made[::-1]


def test_list_by_owner(tasks: TaskStore) -> None:
    tasks.create(a_task("a", owner="one"))
    tasks.create(a_task("b", owner="two"))
    tasks.create(a_task("c", owner=""))
    assert listed(tasks, owner="one") == ["a"]
    assert listed(tasks, owner="") == ["c"]
    assert listed(tasks, owner="On") == []
    assert listed(tasks) == ["c", "b", "a"]


def test_list_by_state_as_it_is_and_as_it_is_shown(tasks: TaskStore) -> None:
    tasks.create(a_task("a", state=State.PAUSED, last_steady=State.RUNNING))
    tasks.create(a_task("b", state=State.RUNNING, last_steady=State.RUNNING))
    tasks.create(a_task("c", state=State.PREEMPTED, last_steady=State.RUNNING, finished_at=START))
    for owner in (None, ""):
        assert listed(tasks, owner=owner, state=State.RUNNING) == ["b", "a"]
        assert listed(tasks, owner=owner, state=State.SYSTEM_ERROR) == ["c"]
        assert listed(tasks, owner=owner, state=State.PAUSED) == []
        assert listed(tasks, owner=owner, state=State.RUNNING, shown=False) == ["b"]
        assert listed(tasks, owner=owner, state=State.PAUSED, shown=False) == ["a"]


def test_the_shown_state_that_is_looked_for_moves_with_the_task(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    tasks.transition([Transition(record.id, 1, State.RUNNING)], START)
    tasks.transition([Transition(record.id, 1, State.PAUSED)], START)
    assert listed(tasks, state=State.RUNNING) == [record.id]
    assert listed(tasks, state=State.PAUSED, shown=False) == [record.id]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["g", "f", "e", "d", "c", "b", "a"]),
        ("run", ["b", "a"]),
        ("Run", ["c"]),
        ("run%", ["b"]),
        ("r_n", []),
        ("*", ["d"]),
        ("\U0010ffff", ["f", "e"]),
        ("\U0010ffff\U0010ffff", ["f"]),
        ("\ud7ff", ["g"]),
        ("' OR 1=1 --", []),
    ],
)
def test_list_by_name_prefix_is_literal(tasks: TaskStore, prefix: str, found: list[str]) -> None:
    names = ["run-1", "run%2", "Run-3", "*", "\U0010ffffx", "\U0010ffff\U0010ffff", "\ud7ffx"]
    for task_id, name in zip("abcdefg", names, strict=True):
        tasks.create(a_task(task_id, name=name))
    assert listed(tasks, name_prefix=prefix) == found


def test_list_by_tags(tasks: TaskStore) -> None:
    def tagged(task_id: str, owner: str = "", **tags: str) -> None:
        entries = tuple(sorted(tag_entry(key, value) for key, value in tags.items()))
        tasks.create(a_task(task_id, owner=owner, name=task_id, tags=entries))

    tagged("a", workflow="7", step="1")
    tagged("b", workflow="7", step="2")
    tagged("c", workflow="70")
    tagged("d", workflow="", owner="other")
    tagged("e")
    assert listed(tasks, tags=(("workflow", "7"),)) == ["b", "a"]
    assert listed(tasks, tags=(("workflow", "7"),), before="b") == ["a"]
    assert listed(tasks, tags=(("workflow", "7"),), limit=1) == ["b"]
    assert listed(tasks, tags=(("workflow", ""),)) == ["d"]
    assert listed(tasks, tags=(("workflow", None),)) == ["d", "c", "b", "a"]
    assert listed(tasks, tags=(("workflow", None),), owner="") == ["c", "b", "a"]
    assert listed(tasks, tags=(("step", None), ("workflow", "7"), ("step", "1"))) == ["a"]
    assert listed(tasks, tags=(("workflow", "7"), ("workflow", "70"))) == []
    assert listed(tasks, tags=(("work", None),)) == []
    assert listed(tasks, tags=(("workflow", "7"),), name_prefix="b", state=State.QUEUED) == ["b"]


def test_an_equals_sign_in_a_tag_is_read_in_one_way_only(tasks: TaskStore) -> None:
    tasks.create(a_task("key", tags=(tag_entry("a=b", "c"),)))
    tasks.create(a_task("value", tags=(tag_entry("a", "b=c"),)))
    assert listed(tasks, tags=(("a=b", "c"),)) == ["key"]
    assert listed(tasks, tags=(("a", "b=c"),)) == ["value"]
    assert listed(tasks, tags=(("a", None),)) == ["value"]
    assert listed(tasks, tags=(("a=b", None),)) == ["key"]
    assert listed(tasks, tags=(("a%3Db", None),)) == []


def test_delete_leaves_nothing(tasks: TaskStore) -> None:
    record = full_task()
    tasks.create(record)
    tasks.create(a_task("other", tags=record.tags))
    assert tasks.delete(record.id)
    assert not tasks.delete(record.id)
    assert tasks.get(record.id) is None
    assert listed(tasks, tags=(("a", None),)) == ["other"]
    again = a_task(record.id)
    assert tasks.create(again) == again
    assert tasks.get(record.id) == again


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
    assert loads == [InstanceLoad(URL, 2, at(7)), InstanceLoad("https://two.example", 1, at(1))]


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
