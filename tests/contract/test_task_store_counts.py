"""TaskStore on every backend: how tasks are counted, by owner, and no further than asked for."""

import pytest

from protes.store.ids import TaskIds, first_id, made_at
from protes.store.protocols import TaskStore
from protes.store.records import Phase, Transition
from protes.tes.states import State
from tests.support.task_records import START, URL, a_task, at, forwarded

OTHER = "https://two.example/ga4gh/tes/v1"


def test_no_more_is_counted_than_asked_for(tasks: TaskStore) -> None:
    for owner in ("ada", "ada", "ada", "bob"):
        tasks.create(a_task(owner=owner))
    assert [tasks.count(owner="ada", most=most) for most in (0, 1, 2, 3, 4)] == [0, 1, 2, 3, 3]
    assert [tasks.count(owner="ada", unfinished=True, most=most) for most in (0, 2, 9)] == [0, 2, 3]
    assert (tasks.count(most=3), tasks.count(most=9), tasks.count(unfinished=True, most=3)) == (3, 4, 3)


def test_what_has_ended_is_not_unfinished(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task(owner="ada"))
    tasks.transition([Transition(record.id, 1, State.COMPLETE, finished=True)], START)
    assert (tasks.count(owner="ada", most=9), tasks.count(owner="ada", unfinished=True, most=9)) == (1, 0)


def test_tasks_are_counted_by_state(tasks: TaskStore) -> None:
    states = (State.QUEUED, State.RUNNING, State.PAUSED)
    for audience, state in (
        ("", State.RUNNING),
        ("", State.QUEUED),
        ("user:ada", State.RUNNING),
        ("user:ada", State.RUNNING),
        ("user:ada", State.PAUSED),
        ("group:x", State.RUNNING),
        ("group:x", State.COMPLETE),
    ):
        tasks.create(a_task(audience=audience, state=state, last_steady=State.QUEUED))

    def counted(audiences: tuple[str, ...] | None, *, shown: bool, most: int = 9) -> list[int]:
        found = tasks.count_states(states, audiences, shown=shown, most=most)
        assert set(found) == set(states)
        return [found[state] for state in states]

    assert counted(None, shown=False) == [1, 4, 1]
    assert counted(None, shown=True) == [2, 4, 0]
    assert counted(("user:ada",), shown=False) == [0, 2, 1]
    assert counted(("user:ada", ""), shown=False) == [1, 3, 1]
    assert counted(("user:ada", "group:x"), shown=True) == [1, 3, 0]
    assert counted((), shown=True) == [0, 0, 0]
    assert counted(("user:eve",), shown=False) == [0, 0, 0]
    assert [counted(None, shown=False, most=most)[1] for most in (0, 1, 3, 4, 5)] == [0, 1, 3, 4, 4]
    assert counted(("user:ada", "", "group:x"), shown=True, most=2) == [2, 2, 0]
    many = tuple(f"group:{number}" for number in range(300))
    assert counted((*many, "group:x"), shown=True) == [0, 1, 0]
    assert tasks.count_states((), None, shown=True, most=9) == {}


def test_an_owners_tasks_since_a_moment(tasks: TaskStore) -> None:
    ids = [tasks.create(a_task(TaskIds().new(at(second)), owner="ada")).id for second in (0, 10, 20)]
    tasks.create(a_task(TaskIds().new(at(15)), owner="bob"))
    assert list(tasks.created_since("ada", first_id(at(10)), 9)) == ids[1:]
    assert list(tasks.created_since("ada", first_id(at(10)), 1)) == ids[1:2]
    assert list(tasks.created_since("ada", ids[1], 9)) == ids[2:]
    assert list(tasks.created_since("ada", "", 0)) == []
    assert list(tasks.created_since("eve", "", 9)) == []


def test_who_has_live_attempts_where(tasks: TaskStore) -> None:
    for owner, url in (("ada", URL), ("ada", URL), ("bob", URL), ("ada", OTHER)):
        forwarded(tasks, a_task(owner=owner), instance_url=url)
    forwarded(tasks, a_task(owner="bob"), Phase.INTENDED, instance_url=OTHER)
    forwarded(tasks, a_task(owner="eve"), Phase.REJECTED)
    tasks.create(a_task(owner="eve"))
    both = {URL: {"ada": 2, "bob": 1}, OTHER: {"ada": 1, "bob": 1}}
    assert {url: dict(owners) for url, owners in tasks.live_owners([URL, OTHER]).items()} == both
    assert {url: dict(owners) for url, owners in tasks.live_owners([URL, "x"]).items()} == {URL: both[URL]}
    assert not tasks.live_owners([])


def test_an_id_tells_when_it_was_made() -> None:
    made = TaskIds().new(at(7))
    assert first_id(at(7)) < made < first_id(at(7.001))
    assert abs((made_at(made) - at(7)).total_seconds()) <= 0.001
    with pytest.raises(ValueError, match="not an id"):
        made_at("task00000001")
