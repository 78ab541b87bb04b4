"""The SQLite file: errors, room, locks, connections, versions of its schema."""

import json
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.store.protocols import StoreError, StoreUnavailable
from protes.store.records import TaskQuery, TaskRecord, Transition
from protes.store.sqlite import Database, SQLiteTaskStore
from protes.store.sqlite.codec import CHANGING_COLUMNS, CONSTANT_COLUMNS, attempt_from_json, attempt_values
from protes.store.sqlite.errors import translated
from protes.store.sqlite.schema import STEPS, migrate
from protes.tes.states import State
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded
from tests.support.waiting import at_once


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a file may be made."""
    return tmp_path / "folder" / "protes.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """Open a database that waits for others only briefly; afterwards no connection may be open."""
    made = Database(path, busy_timeout_seconds=0.05)
    made.open()
    yield made
    made.close()
    assert made.open_connections == 0


def plain(path: Path) -> sqlite3.Connection:
    """Open the file as anybody could."""
    return sqlite3.connect(path, isolation_level=None)


def opened_as_of(version: int, path: Path) -> SQLiteTaskStore:
    """Open a file as a version wrote it, with the tasks of the file at `path`, whatever that version knew of them."""
    place = path.with_name("older.db")
    older = plain(place)
    migrate(older, STEPS[:version])
    older.execute("ATTACH ? AS newer", (str(path),))
    for table in ("tasks", "documents", "system_logs", "attempts", "tags"):
        columns = ", ".join(name for _, name, *_ in older.execute(f"PRAGMA main.table_info({table})"))
        older.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    older.close()
    database = Database(place)
    database.open()
    return SQLiteTaskStore(database)


def test_writes_reach_the_disk_before_they_are_acknowledged(database: Database) -> None:
    def settings(connection: sqlite3.Connection) -> tuple[str, int]:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        return mode, synchronous

    assert database.write(settings) == ("wal", 2)


def test_the_folder_is_for_its_owner(database: Database, path: Path) -> None:
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(StoreError, match="readonly"):
        database.read("DELETE FROM tasks")


def test_a_full_file_takes_nothing_half(path: Path) -> None:
    database = Database(path, max_pages=80)
    database.open()
    tasks = SQLiteTaskStore(database)
    stored = [forwarded(tasks, a_task())]

    def fill() -> None:
        while True:
            stored.append(tasks.create(a_task(document="x" * 10_000, tags=("a=b",))))

    with pytest.raises(StoreUnavailable, match="full"):
        fill()
    assert list(tasks.list(TaskQuery())) == stored[::-1]
    assert len(tasks.list(TaskQuery(tags=(("a", "b"),)))) == len(stored) - 1
    with pytest.raises(StoreUnavailable):
        tasks.create(a_task(document="x" * 100_000))
    claimed = tasks.claim(stored[0].id, a_lease(), at(0))
    assert claimed is not None
    assert tasks.get(stored[0].id) == claimed
    database.close()


def test_many_writers_of_a_full_file_each_hear_of_it(path: Path) -> None:
    database = Database(path, max_pages=60)
    database.open()
    tasks = SQLiteTaskStore(database)
    records = [a_task(document="x" * 50_000) for _ in range(8)]
    outcomes = at_once([lambda record=record: tasks.create(record) for record in records])  # type: ignore[misc]
    stored = [record for record, outcome in zip(records, outcomes, strict=True) if outcome == record]
    assert all(isinstance(outcome, TaskRecord | StoreUnavailable) for outcome in outcomes)
    assert any(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
    assert list(tasks.list(TaskQuery())) == sorted(stored, key=lambda record: record.id, reverse=True)
    database.close()


def test_a_lock_is_waited_for_then_told(database: Database, path: Path) -> None:
    tasks = SQLiteTaskStore(database)
    record = tasks.create(a_task())
    other = plain(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        tasks.create(a_task())
    assert tasks.get(record.id) == record
    other.execute("ROLLBACK")
    other.close()
    tasks.create(a_task())
    assert tasks.count() == 2


def test_an_error_of_one_write_is_its_own(database: Database) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO documents (task_id, document) VALUES ('x', 'y')")
        connection.execute("no SQL")

    with pytest.raises(StoreError, match="syntax error"):
        database.write(broken)
    assert database.read("SELECT * FROM documents") == []
    record = SQLiteTaskStore(database).create(a_task())
    with pytest.raises(ZeroDivisionError):
        database.write(lambda connection: connection.execute("DELETE FROM documents") and 1 // 0)
    assert database.read("SELECT task_id FROM documents") == [(record.id,)]


def test_every_error_of_sqlite_is_a_store_error() -> None:
    kinds = {kind for kind in vars(sqlite3).values() if isinstance(kind, type) and issubclass(kind, sqlite3.Error)}
    assert len(kinds) > 5
    for kind in kinds:
        with pytest.raises(StoreError), translated():
            raise kind("broken")


def test_a_closed_store_says_so(database: Database) -> None:
    tasks = SQLiteTaskStore(database)
    tasks.create(a_task())
    database.close()
    with pytest.raises(StoreError, match="not open"):
        tasks.create(a_task())
    with pytest.raises(StoreError, match="not open"):
        tasks.get("x")


def test_closing_while_others_work_leaves_no_connection(database: Database) -> None:
    tasks = SQLiteTaskStore(database)
    started = threading.Barrier(5)

    def work() -> None:
        started.wait()
        for _ in range(10_000):
            tasks.create(a_task())
            tasks.list(TaskQuery())

    def close() -> None:
        started.wait()
        database.close()

    outcomes = at_once([work, work, work, work, close])
    assert outcomes[4] is None
    assert all(isinstance(outcome, StoreError) for outcome in outcomes[:4])
    assert database.open_connections == 0


def test_readers_share_connections(database: Database) -> None:
    tasks = SQLiteTaskStore(database)
    for _ in range(3):
        at_once([lambda: tasks.get("x")] * 4)
    assert database.open_connections <= 5


def test_an_older_file_learns_what_is_followed_and_which_tasks_have_not_started(database: Database, path: Path) -> None:
    tasks = SQLiteTaskStore(database)
    for state in (State.UNKNOWN, State.QUEUED, State.RUNNING):
        record = forwarded(tasks, a_task())
        tasks.transition([Transition(record.id, 1, state)], START)
    ended = forwarded(tasks, a_task())
    tasks.transition([Transition(ended.id, 1, State.COMPLETE, finished=True)], START)
    gone = forwarded(tasks, a_task())
    tasks.transition([Transition(gone.id, 1, State.UNKNOWN, missing_since=START)], START)
    before, followed = tasks.loads(), tasks.followed(URL, None, 10)
    older = opened_as_of(2, path)
    assert older.loads() == before
    assert [load.queued for load in before] == [3]
    assert older.followed(URL, None, 10) == followed
    assert [each.missing for each in followed] == [False, False, False, True]
    older.close()


def shown(tasks: SQLiteTaskStore, query: TaskQuery) -> list[tuple[str, str]]:
    """Return what a query finds, and to whom it is shown."""
    return [(record.id, record.audience) for record in tasks.list(query)]


def test_an_older_file_learns_to_whom_tasks_are_shown(database: Database, path: Path) -> None:
    tasks = SQLiteTaskStore(database)
    made = [
        tasks.create(a_task(owner=owner, audience=owner and f"user:{owner}", tags=("a=b", "c=d")))
        for owner in ("", "ann", "ben", "ann", "")
    ]
    older = opened_as_of(4, path)
    for queried in (
        TaskQuery(),
        TaskQuery(audiences=("",)),
        TaskQuery(audiences=("user:ann", "")),
        TaskQuery(audiences=("user:ann",), tags=(("a", "b"),)),
        TaskQuery(audiences=("user:ann",), tags=(("a", None), ("c", "d"))),
        TaskQuery(tags=(("c", None),)),
    ):
        assert shown(older, queried) == shown(tasks, queried)
    assert shown(older, TaskQuery(audiences=("user:ann",))) == [(each.id, "user:ann") for each in (made[3], made[1])]
    assert older.delete(made[1].id)
    assert shown(older, TaskQuery(audiences=("user:ann",), tags=(("a", "b"),))) == [(made[3].id, "user:ann")]
    older.close()


def test_an_older_file_finds_tasks_by_their_names(database: Database, path: Path) -> None:
    tasks = SQLiteTaskStore(database)
    for number in range(30):
        tasks.create(
            a_task(name=f"{'even' if number % 2 == 0 else 'odd'}-{number}", audience="user:ann" if number % 3 else "")
        )
    older = opened_as_of(6, path)
    for prefix in ("even", "odd-1", "absent"):
        for audiences in (None, ("",), ("", "user:ann")):
            query = TaskQuery(name_prefix=prefix, audiences=audiences)
            assert shown(older, query) == shown(tasks, query)
    assert len(shown(older, TaskQuery(name_prefix="even"))) == 15
    older.close()


def test_a_process_of_the_version_before_goes_on(database: Database) -> None:
    tasks = SQLiteTaskStore(database)
    columns = ", ".join(name for name in CONSTANT_COLUMNS + CHANGING_COLUMNS if name not in ("id", "audience"))

    def as_before(connection: sqlite3.Connection) -> None:
        connection.execute(f"INSERT INTO tasks (id, shown, {columns}) SELECT 'old', shown, {columns} FROM tasks")
        connection.execute("INSERT INTO documents (task_id, document) VALUES ('old', '')")
        connection.execute("INSERT INTO tags (key, value, task_id) VALUES ('a', 'b', 'old')")

    new = tasks.create(a_task("new", tags=("a=b",)))
    database.write(as_before)
    assert [each.id for each in tasks.list(TaskQuery(audiences=("",), tags=(("a", "b"),)))] == ["old", new.id]


def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    newer = plain(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match=r"newer protes .*schema is 99"):
        Database(path).open()
    again = plain(path)
    assert again.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    again.close()


def test_steps_lead_forward_once(path: Path) -> None:
    path.parent.mkdir()
    connection = plain(path)
    steps = (("CREATE TABLE one (x)", "INSERT INTO one VALUES (1)"), ("ALTER TABLE one ADD COLUMN y DEFAULT 2",))
    migrate(connection, steps[:1])
    migrate(connection, steps)
    migrate(connection, steps)
    assert connection.execute("SELECT * FROM one").fetchall() == [(1, 2)]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    path.parent.mkdir()
    connection = plain(path)
    with pytest.raises(StoreError):
        migrate(connection, (("CREATE TABLE one (x)",), ("no SQL",)))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    migrate(connection)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    connection.close()


def test_what_is_no_sqlite_file_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Database(path).open()
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnavailable):
        Database(path).open()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/folder cannot be made"):
        Database(tmp_path / "file" / "folder" / "protes.db").open()


def test_attempts_of_other_versions_can_be_read() -> None:
    attempt = an_attempt(metadata={"a": "b"})
    n, data, log = attempt_values(attempt)
    assert (n, log) == (1, None)
    stored = json.loads(data)
    del stored["looks"]
    assert attempt_from_json({**stored, "a_field_of_tomorrow": 1}, None) == attempt
