"""Every statement that the stores run finds its rows by an index."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.store.protocols import Conflict
from protes.store.records import TaskQuery, Transition
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from protes.tes.states import State
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded

_PLANNED = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT)\b")

_WHOLE_INDEX_IS_RIGHT = {
    # All tasks, or all unfinished ones, are counted, all live attempts are summed up: from an index of nothing else.
    "SELECT count(*) FROM tasks",
    "SELECT count(*) FROM tasks WHERE finished_at IS NULL",
    "SELECT live_url, count(*), max(live_since), sum(live_queued) FROM tasks WHERE live_url IS NOT NULL "
    "GROUP BY live_url",
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
    for owner in (None, ""):
        for state, shown in ((None, True), (State.QUEUED, True), (State.QUEUED, False)):
            for prefix in ("", "name"):
                for tags in all_tags:
                    yield TaskQuery(owner, state, shown, prefix, tags, heads=True)
    yield TaskQuery(before="x")


def use_records(records: SQLiteRecords) -> None:
    """Call every method of Records."""
    records.put("kind", "key", {}, START, expires_at=at(1))
    with pytest.raises(Conflict):
        records.put("kind", "key", {}, START, expected_version=7)
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
            if step.startswith("SCAN json_each"):
                continue  # a list of ids that was passed in
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
        "owner": TaskQuery(owner="x"),
        "shown": TaskQuery(owner="x", state=State.RUNNING),
        "state": TaskQuery(owner="x", state=State.RUNNING, shown=False),
        "tag": TaskQuery(owner="x", tags=(("a", None), ("b", "c"))),
        "key": TaskQuery(owner="x", tags=(("a", None),)),
    }.items():
        traced.clear()
        tasks.list(query)
        used[name] = database.read(f"EXPLAIN QUERY PLAN {traced[-1]}")[0][-1]
    database.close()
    assert used == {
        "owner": "SEARCH tasks USING INDEX tasks_by_owner (owner=? AND id<?)",
        "shown": "SEARCH tasks USING INDEX tasks_by_shown (owner=? AND shown=? AND id<?)",
        "state": "SEARCH tasks USING INDEX tasks_by_state (owner=? AND state=? AND id<?)",
        "tag": "SEARCH tags USING PRIMARY KEY (key=? AND value=? AND task_id<?)",
        "key": "SEARCH tags USING COVERING INDEX tags_by_key (key=? AND task_id<?)",
    }
