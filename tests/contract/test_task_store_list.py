"""TaskStore on every backend: pages of tasks, by every filter."""

from collections.abc import Collection

import pytest

from protes.store.protocols import TaskStore
from protes.store.records import MOST_AUDIENCES, TaskQuery, Transition, tag_entry
from protes.tes.states import State
from tests.support.task_records import START, a_task, forwarded


def listed(tasks: TaskStore, **query: object) -> list[str]:
    """Return the ids that a query finds."""
    return [record.id for record in tasks.list(TaskQuery(**query))]  # type: ignore[arg-type]


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


def test_list_by_audience(tasks: TaskStore) -> None:
    for task_id, audience in {"a": "", "b": "user:one", "c": "user:two", "d": "group:g", "e": "user:one"}.items():
        record = a_task(task_id, owner="one", audience=audience)
        assert tasks.create(record) == tasks.get(task_id) == record
    assert listed(tasks, audiences=("user:one",)) == ["e", "b"]
    assert listed(tasks, audiences=("",)) == ["a"]
    assert listed(tasks, audiences=("user:on",)) == []
    assert listed(tasks, audiences=()) == []
    assert listed(tasks, audiences=("user:one", "", "group:g")) == ["e", "d", "b", "a"]
    assert listed(tasks, audiences=("user:one", "", "group:g"), limit=2, before="e") == ["d", "b"]
    assert listed(tasks, audiences=("user:one", ""), owner="two") == []
    assert listed(tasks, audiences=("user:one",), owner="one", limit=1) == ["e"]
    assert listed(tasks) == ["e", "d", "c", "b", "a"]
    assert tasks.delete("e")
    assert listed(tasks, audiences=("user:one", "")) == ["b", "a"]


def test_filters_are_those_of_each_audience(tasks: TaskStore) -> None:
    for task_id, audience, state in (
        ("a", "", State.QUEUED),
        ("b", "user:one", State.PAUSED),
        ("c", "user:two", State.RUNNING),
        ("d", "user:one", State.RUNNING),
        ("e", "", State.RUNNING),
    ):
        tags = tuple(sorted((tag_entry("w", "7"), tag_entry("id", task_id))))
        tasks.create(
            a_task(task_id, audience=audience, name=task_id, state=state, last_steady=State.RUNNING, tags=tags)
        )
    for audiences, found in ((None, "edcba"), (("",), "ea"), (("user:one",), "db"), (("user:one", ""), "edba")):
        assert listed(tasks, audiences=audiences, tags=(("w", "7"),)) == list(found)
        assert listed(tasks, audiences=audiences, tags=(("w", None),)) == list(found)
        older = [each for each in found if each < "c"]
        assert listed(tasks, audiences=audiences, tags=(("id", None), ("w", "7")), before="c") == older
        running = [each for each in found if each != "a"]
        assert listed(tasks, audiences=audiences, state=State.RUNNING) == running
        assert listed(tasks, audiences=audiences, state=State.RUNNING, tags=(("w", "7"),)) == running
        assert listed(tasks, audiences=audiences, state=State.PAUSED, shown=False) == ["b"] * ("b" in found)
        assert listed(tasks, audiences=audiences, name_prefix="b") == ["b"] * ("b" in found)
        assert listed(tasks, audiences=audiences, name_prefix="c", tags=(("id", "c"),)) == ["c"] * ("c" in found)


def test_pages_over_many_audiences_hold_each_task_once(tasks: TaskStore) -> None:
    audiences = tuple(f"group:{number}" for number in range(MOST_AUDIENCES))
    made = [tasks.create(a_task(audience=audiences[place % 7 * 5 % MOST_AUDIENCES])).id for place in range(40)]
    tasks.create(a_task(audience="group:other"))
    seen: list[str] = []
    while page := listed(tasks, audiences=audiences, limit=6, before=seen[-1] if seen else None):
        seen += page
    assert seen == made[::-1]


def test_too_many_audiences_or_one_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="32 audiences at most"):
        TaskQuery(audiences=tuple(map(str, range(MOST_AUDIENCES + 1))))
    with pytest.raises(ValueError, match="each of them once"):
        TaskQuery(audiences=("a", "a"))


@pytest.mark.parametrize("head", [False, True])
def test_a_task_that_is_not_shown_is_as_good_as_absent(tasks: TaskStore, head: bool) -> None:
    for audience in ("", "user:one"):
        record = tasks.create(a_task(audience=audience))
        found = tasks.get(record.id, head=head)
        assert found is not None
        many = [f"group:{number}" for number in range(100)]
        shown_to: list[Collection[str]] = [(audience,), frozenset({"x", audience}), [*many, audience]]
        for audiences in shown_to:
            assert tasks.get(record.id, head=head, audiences=audiences) == found
        not_shown_to: list[Collection[str]] = [(), ("x",), ("x", "user:"), many]
        for audiences in not_shown_to:
            assert tasks.get(record.id, head=head, audiences=audiences) is None
        assert tasks.get("absent", head=head, audiences=(audience,)) is None
