"""Every statement that the stores run finds its rows by an index."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.store.protocols import Conflict
from protes.store.records import MOST_AUDIENCES, TaskQuery, Transition
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from protes.store.sqlite.listing import ids_by_name_sql, ids_sql, page_sql, rows_sql
from protes.tes.states import State
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded

_PLANNED = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b")

_WHOLE_INDEX_IS_RIGHT = {
    # All tasks, or all unfinished ones, are counted, all live attempts are summed up: from an index of nothing else.
    "SELECT count(*) FROM tasks",
    "SELECT count(*) FROM tasks WHERE finished_at IS NULL",
    "SELECT live_url, count(*), max(live_since), sum(live_queued) FROM tasks WHERE live_url IS NOT NULL "
    "GROUP BY live_url",
    # No more than the limit is read of it.
    "SELECT count(*) FROM (SELECT 1 FROM tasks LIMIT 10)",
    "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE finished_at IS NULL LIMIT 10)",
}


@pytest.fixture
def statements(tmp_path: Path) -> list[str]:
    """Use every method of both stores, and collect what they ran."""
    traced: list[str] = []
    database = Database(tmp_path / "protes.db", trace=traced.append)
    database.open()
    traced.clear()
    use_tasks(SQLiteTaskStore(database))
    use_records(SQLiteRecords(database))
    database.close()
    return sorted({statement for statement in traced if _PLANNED.match(statement)})


def use_tasks(tasks: SQLiteTaskStore) -> None:
    """Call every method of the TaskStore, and list in every way."""
    record = forwarded(tasks, a_task(tags=("a=b",), system_logs=("line",)))
    tasks.create(record)
    tasks.create_many([a_task(), record])
    tasks.versions([record.id])
    tasks.get(record.id)
    tasks.get(record.id, head=True)
    for audiences in ((), ("",), ("", "x")):
        tasks.get(record.id, audiences=audiences)
    tasks.due(at(1), 10, at(2))
    tasks.claim(record.id, a_lease(), at(60))
    tasks.extend(record.id, "token", at(90))
    tasks.transition([Transition(record.id, 1, State.RUNNING, log={}, system_logs=("more",))], at(61))
    tasks.request_cancel(record.id, at(62))
    tasks.close_cancel(record.id, "late", at(63))
    tasks.active(URL, None, 10)
    tasks.followed(URL, None, 10)
    tasks.loads()
    tasks.finished_before(at(70), 10)
    tasks.finished_since(None, 10)
    tasks.finished_since((at(1), "x"), 10)
    for owner in (None, ""):
        for unfinished in (False, True):
            tasks.count(owner=owner, unfinished=unfinished)
            tasks.count(owner=owner, unfinished=unfinished, most=10)
    for some in (None, (), ("",), ("", "x")):
        for shown in (False, True):
            tasks.count_states((State.QUEUED, State.RUNNING), some, shown=shown, most=10)
    tasks.created_since("", "x", 10)
    tasks.live_owners([URL])
    tasks.announced({each.id: each.news or 1 for each in tasks.unannounced(10)})
    many = tasks.create(a_task(attempts=tuple(an_attempt(n) for n in range(1, 25)), lease=a_lease())).id
    tasks.save_attempt(many, "token", an_attempt(24, message="x"), at(1))
    tasks.fail(many, "token", ["failed"], at(1))
    tasks.delete(record.id)
    tasks.delete_many([record.id, tasks.create(a_task()).id])
    for query in every_query():
        tasks.list(query)


def every_query() -> Iterator[TaskQuery]:
    """Yield every combination of filters."""
    all_tags: tuple[tuple[tuple[str, str | None], ...], ...] = (
        (),
        (("a", "b"),),
        (("a", None),),
        (("a", None), ("c", None), ("d", "e"), ("f", "g")),
    )
    for owner, audiences in ((None, None), ("", None), (None, ("x",)), (None, ("", "x", "y")), ("", ("x", "y"))):
        for state, shown in ((None, True), (State.QUEUED, True), (State.QUEUED, False)):
            for prefix in ("", "name"):
                for tags in all_tags:
                    yield TaskQuery(owner, state, shown, prefix, tags, heads=True, audiences=audiences)
    yield TaskQuery(before="x")
    yield TaskQuery(audiences=tuple(str(number) for number in range(MOST_AUDIENCES)))
    yield TaskQuery(audiences=())


def use_records(records: SQLiteRecords) -> None:
    """Call every method of Records."""
    records.put("kind", "key", {}, START, expires_at=at(1))
    with pytest.raises(Conflict):
        records.put("kind", "key", {}, START, expected_version=7)
    records.put_many("kind", {"key": {}, "more": {}}, START)
    records.get("kind", "key", START)
    records.scan("kind", "", START)
    records.scan("kind", "prefix", START, after="prefixed")
    records.expire(at(2))
    records.delete("kind", "key")
    records.delete_many("kind", ["key", "other"])


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    """Return the steps of SQLite's plan."""
    return [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def test_every_statement_finds_its_rows_by_an_index(statements: list[str], tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "protes.db")
    refused = []
    for statement in statements:
        for step in plan(connection, statement):
            whole_index = step.startswith("SCAN tasks USING COVERING INDEX") and statement in _WHOLE_INDEX_IS_RIGHT
            if step.startswith(("SCAN json_each", "SCAN (subquery", "SCAN every")):
                continue  # a list of ids that was passed in, or what was found of another step
            if step == "USE TEMP B-TREE FOR ORDER BY" and "INDEXED BY tasks_by_name" in statement:
                continue  # what has the prefix, and no more of it than a budget allows
            if ("SCAN" in step and not whole_index) or "TEMP B-TREE" in step:
                refused.append((statement, step))
    connection.close()
    assert not refused
    assert len(statements) > 60


def test_pages_are_read_along_an_index(tmp_path: Path) -> None:
    traced: list[str] = []
    database = Database(tmp_path / "protes.db", trace=traced.append)
    database.open()
    tasks = SQLiteTaskStore(database)
    used = {}
    for name, query in {
        "audience": TaskQuery(audiences=("x",)),
        "shown": TaskQuery(audiences=("x",), state=State.RUNNING),
        "state": TaskQuery(audiences=("x",), state=State.RUNNING, shown=False),
        "tag": TaskQuery(audiences=("x",), tags=(("a", None), ("b", "c"))),
        "key": TaskQuery(audiences=("x",), tags=(("a", None),)),
        "owner": TaskQuery(owner="x"),
        "shown of all": TaskQuery(state=State.RUNNING),
        "tag of all": TaskQuery(tags=(("a", None), ("b", "c"))),
    }.items():
        traced.clear()
        tasks.list(query)
        used[name] = database.read(f"EXPLAIN QUERY PLAN {traced[-1]}")[0][-1]
    database.close()
    assert used == {
        "audience": "SEARCH tasks USING INDEX tasks_by_audience (audience=? AND id<?)",
        "shown": "SEARCH tasks USING INDEX tasks_by_shown (audience=? AND shown=? AND id<?)",
        "state": "SEARCH tasks USING INDEX tasks_by_state (audience=? AND state=? AND id<?)",
        "tag": "SEARCH tags USING PRIMARY KEY (audience=? AND key=? AND value=? AND task_id<?)",
        "key": "SEARCH tags USING COVERING INDEX tags_by_key (audience=? AND key=? AND task_id<?)",
        "owner": "SEARCH tasks USING INDEX tasks_by_owner (owner=? AND id<?)",
        "shown of all": "SEARCH tasks USING INDEX tasks_of_all (shown=? AND id<?)",
        "tag of all": "SEARCH tags USING COVERING INDEX tags_of_all (key=? AND value=? AND task_id<?)",
    }


def test_pages_by_prefix_of_the_name_are_read_along_an_index(tmp_path: Path) -> None:
    database = Database(tmp_path / "protes.db")
    database.open()
    by_audience, to_sort = "tasks_by_name (audience=? AND name>? AND name<?)", "USE TEMP B-TREE FOR ORDER BY"

    def steps(statement: str, values: tuple[object, ...]) -> list[str]:
        return [step[-1] for step in database.read(f"EXPLAIN QUERY PLAN {statement}", values)]

    for query in every_query():
        if not query.name_prefix:
            continue
        for audience in (None,) if query.audiences is None else query.audiences:
            found = steps(*ids_by_name_sql(query, audience))
            assert any(by_audience in step for step in found), (query, found)
            assert found[-1] == to_sort
            # None of what is read one by one is sorted, or found by its name.
            found = steps(*ids_sql(query, audience))
            assert not any("tasks_by_name" in step or "TEMP" in step or "SCAN" in step for step in found), (
                query,
                found,
            )
            assert "<?" in found[0]
            found = steps(*rows_sql(query, ["a", "b"]))
            assert found[0] == "SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (id=?)"
    few = steps(*ids_by_name_sql(TaskQuery(name_prefix="x"), "user:ann"))
    database.close()
    assert few == [f"SEARCH tasks USING COVERING INDEX {by_audience}", to_sort]


def test_pages_of_several_audiences_are_merged(tmp_path: Path) -> None:
    database = Database(tmp_path / "protes.db")
    database.open()
    by_index = "SEARCH tasks USING INDEX tasks_by_audience (audience=? AND id<?)"
    statement, values = page_sql(TaskQuery(heads=True, audiences=tuple(map(str, range(MOST_AUDIENCES)))))
    steps = [step[-1] for step in database.read(f"EXPLAIN QUERY PLAN {statement}", values)]
    database.close()
    assert steps.count(by_index) == MOST_AUDIENCES
    assert set(steps) == {by_index, "MERGE (UNION ALL)", "LEFT", "RIGHT"}


def test_a_task_that_is_not_shown_is_looked_for_like_one_that_is_not_there(tmp_path: Path) -> None:
    traced: list[str] = []
    database = Database(tmp_path / "protes.db", trace=traced.append)
    database.open()
    tasks = SQLiteTaskStore(database)
    foreign = tasks.create(a_task(audience="user:ann")).id
    asked = []
    for task_id in (foreign, "absent"):
        for head in (False, True):
            for audiences in (("",), ("", "user:ben")):
                traced.clear()
                assert tasks.get(task_id, head=head, audiences=audiences) is None
                asked.append([statement.replace(task_id, "ID") for statement in traced if _PLANNED.match(statement)])
    database.close()
    assert asked[:4] == asked[4:]
    assert all(len(each) == 1 for each in asked)
