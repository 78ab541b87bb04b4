"""Pages by prefix of the name on SQLite: both ways find the same, the better is found soon, and no page is short."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from protes.store.records import TaskQuery
from protes.store.sqlite import Database, SQLiteTaskStore
from protes.store.sqlite.listing import ids_by_name_sql, ids_sql
from protes.store.sqlite.naming import page_by_name
from protes.tes.states import State
from tests.support.named_tasks import naive, named_tasks, queries
from tests.support.task_records import a_task

MADE = named_tasks()

MANY = 20_000
"""To read all of these takes far longer than the first tries."""


class Watched(Database):
    """A database that tells how long a statement was tried for, and in which way."""

    tries: list[tuple[str, int]]

    def read_within(self, steps: int, sql: str, values: Sequence[object] = ()) -> list[Any] | None:
        self.tries.append(("names" if "tasks_by_name" in sql else "ids", steps))
        return super().read_within(steps, sql, values)


class Changing(Database):
    """A database in which others are at work between any two reads."""

    others: Iterator[Any]

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        next(self.others, None)
        return super().read(sql, values)


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Database]:
    """Open a database with `MADE`."""
    database = Database(tmp_path / "protes.db")
    database.open()
    SQLiteTaskStore(database).create_many(MADE)
    yield database
    database.close()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Open a database with many tasks, which were called differently over time."""
    database = Watched(tmp_path_factory.mktemp("many") / "protes.db")
    database.open()
    SQLiteTaskStore(database).create(a_task("template"))

    def fill(connection: sqlite3.Connection) -> None:
        columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(tasks)")]
        changed = {
            "id": "printf('t%06d', number)",
            "name": "printf(CASE WHEN number < 10000 THEN 'old-%06d' ELSE 'new-%06d' END, number)",
            "audience": "CASE number % 1000 WHEN 7 THEN 'user:ann' ELSE '' END",
        }
        connection.execute(
            f"WITH RECURSIVE numbers(number) AS (SELECT 0 UNION ALL SELECT number + 1 FROM numbers LIMIT {MANY}) "
            f"INSERT INTO tasks ({', '.join(columns)}) SELECT {', '.join(changed.get(each, each) for each in columns)} "
            "FROM numbers CROSS JOIN tasks WHERE tasks.id = 'template'"
        )

    database.write(fill)
    SQLiteTaskStore(database).delete("template")
    yield database
    database.close()


def found_ids(tasks: SQLiteTaskStore, query: TaskQuery) -> list[str]:
    return [record.id for record in tasks.list(query)]


def found(rows: Sequence[Any]) -> list[str]:
    return [row[0] for row in rows]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(queries)
def test_both_ways_find_what_a_look_at_each_task_finds(few: Database, query: TaskQuery) -> None:
    for audience in (None,) if query.audiences is None else query.audiences:
        one = replace(query, audiences=None if audience is None else (audience,))
        for sql, values in (ids_sql(query, audience), ids_by_name_sql(query, audience)):
            assert found(few.read(sql, values)) == naive(MADE, one)


@pytest.mark.parametrize(
    ("query", "way", "most"),
    [
        (TaskQuery(name_prefix="absent"), "names", 1),
        (TaskQuery(name_prefix="old-00001"), "names", 1),
        (TaskQuery(name_prefix="old-", audiences=("user:ann",)), "names", 1),
        (TaskQuery(name_prefix="old-004"), "names", 5),
        (TaskQuery(name_prefix="new-"), "ids", 2),
        (TaskQuery(name_prefix="new-", state=State.RUNNING), "ids", 2),
        (TaskQuery(name_prefix="o", before="t005000"), "ids", 2),
    ],
)
def test_the_better_way_is_found_soon(many: Watched, query: TaskQuery, way: str, most: int) -> None:
    for audiences in (query.audiences,) if query.audiences else (None, ("",)):
        many.tries = []
        page_by_name(many, replace(query, audiences=audiences, limit=100, heads=True))
        assert many.tries[-1][0] == way
        assert len(many.tries) <= most
        assert [steps for _, steps in many.tries] == [4000 << number for number in range(len(many.tries))]


def test_what_is_neither_rare_nor_at_hand_is_found_all_the_same(many: Watched) -> None:
    many.tries = []
    page = page_by_name(many, TaskQuery(name_prefix="old-", audiences=("", "user:ann"), limit=100))
    assert found(page) == [f"t{number:06}" for number in range(9999, 9899, -1)]
    assert 4 < len(many.tries) < 12


def test_what_is_rare_in_one_audience_and_common_in_another_is_no_trouble(many: Watched) -> None:
    many.tries = []
    page = page_by_name(many, TaskQuery(name_prefix="new-", audiences=("", "user:ann"), limit=100))
    assert found(page) == [f"t{number:06}" for number in range(MANY - 1, MANY - 101, -1)]
    assert [way for way, _ in many.tries] == ["names", "ids", "names"]


def test_a_page_is_full_though_tasks_go_while_it_is_read(tmp_path: Path) -> None:
    database = Changing(tmp_path / "protes.db")
    database.open()
    tasks = SQLiteTaskStore(database)
    made = [tasks.create(a_task(name="run")).id for _ in range(9)]
    query = TaskQuery(name_prefix="r", limit=4)

    def others() -> Iterator[None]:
        tasks.delete_many([made[8], made[6]])
        yield
        tasks.delete(made[4])
        yield

    database.others = others()
    assert found_ids(tasks, query) == [made[7], made[5], made[3], made[2]]
    assert found_ids(tasks, replace(query, before=made[2])) == made[1::-1]
    database.close()


def test_a_task_that_leaves_the_state_while_the_page_is_read_is_not_on_it(tmp_path: Path) -> None:
    database = Changing(tmp_path / "protes.db")
    database.open()
    tasks = SQLiteTaskStore(database)
    made = [tasks.create(a_task(name="run")).id for _ in range(3)]

    def others() -> Iterator[None]:
        database.write(lambda connection: connection.execute("UPDATE tasks SET shown = 'RUNNING', state = 'PAUSED'"))
        yield

    database.others = others()
    assert tasks.list(TaskQuery(name_prefix="run", state=State.QUEUED)) == []
    for query in (TaskQuery(state=State.RUNNING), TaskQuery(state=State.PAUSED, shown=False)):
        assert found_ids(tasks, replace(query, name_prefix="run")) == made[::-1]
    database.close()


def test_a_statement_that_takes_too_long_is_given_up_and_the_connection_goes_on(many: Watched) -> None:
    every = "SELECT id FROM tasks ORDER BY id"
    # The connection that all of these share, be it the database's first reader or not.
    many.read("SELECT 1")
    before = many.open_connections
    assert Database.read_within(many, 1000, every) is None
    assert len(many.read(every)) == MANY
    for _ in range(20):
        # However many steps the statement has taken before.
        assert Database.read_within(many, 1000, f"{every} LIMIT ?", (20,)) is not None
    rows = Database.read_within(many, 10**9, every)
    assert rows is not None
    assert len(rows) == MANY
    assert many.open_connections == before
