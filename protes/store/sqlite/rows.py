"""Whole task records on a connection: read, insert, update, delete. Transactions are the caller's."""

import sqlite3

from protes.store.records import TaskRecord
from protes.store.sqlite import codec

HEAD = ", ".join(f"tasks.{column}" for column in codec.CONSTANT_COLUMNS + codec.CHANGING_COLUMNS)
"""The columns that `codec.head_from_row` reads."""

_DOCUMENT = "(SELECT document FROM documents WHERE task_id = tasks.id)"
_REST = (
    "ifnull((SELECT lines FROM system_logs WHERE task_id = tasks.id), '[]'), "
    "(SELECT json_group_array(json_array(json(data), json(log))) FROM attempts WHERE task_id = tasks.id)"
)

WHOLE = f"{HEAD}, {_DOCUMENT}, {_REST}"
"""The columns that `codec.whole_from_row` reads, all in one statement, and so of one version of the task."""

WITHOUT_DOCUMENT = f"{HEAD}, '', {_REST}"
"""The same, but the document is left empty."""

FOLLOWED = ", ".join(("id", "live_since", "due_at IS NOT NULL", *codec.FOLLOWED_COLUMNS))
"""The columns that `codec.followed_from_row` reads."""

_INSERTED = (*codec.CONSTANT_COLUMNS, *codec.CHANGING_COLUMNS, *codec.DERIVED_COLUMNS)
_INSERT = (
    f"INSERT INTO tasks ({', '.join(_INSERTED)}) VALUES ({', '.join('?' * len(_INSERTED))}) "  # noqa: S608
    "ON CONFLICT (id) DO NOTHING"
)
_UPDATED = ", ".join(f"{column} = ?" for column in (*codec.CHANGING_COLUMNS, *codec.DERIVED_COLUMNS))
_UPDATE = f"UPDATE tasks SET {_UPDATED} WHERE id = ?"  # noqa: S608
_PUT_ATTEMPT = (
    "INSERT INTO attempts (task_id, n, data, log) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (task_id, n) DO UPDATE SET data = excluded.data, log = excluded.log"
)
_INSERT_TAG = "INSERT INTO tags (audience, key, value, task_id) VALUES (?, ?, ?, ?)"
_DELETE_TAG = "DELETE FROM tags WHERE audience = ? AND key = ? AND value = ? AND task_id = ?"
_PUT_SYSTEM_LOGS = "INSERT OR REPLACE INTO system_logs (task_id, lines) VALUES (?, ?)"


def whole(connection: sqlite3.Connection, task_id: str) -> TaskRecord | None:
    """Read a record."""
    row = connection.execute(f"SELECT {WHOLE} FROM tasks WHERE id = ?", (task_id,)).fetchone()  # noqa: S608
    return None if row is None else codec.whole_from_row(row)


def insert(connection: sqlite3.Connection, record: TaskRecord) -> bool:
    """Insert a record; return False, changing nothing, where its id is there already."""
    inserted = connection.execute(_INSERT, codec.constant_values(record) + codec.changing_values(record))
    if inserted.rowcount == 0:
        return False
    connection.execute("INSERT INTO documents (task_id, document) VALUES (?, ?)", (record.id, record.document))
    connection.executemany(_INSERT_TAG, codec.tag_rows(record))
    for attempt in record.attempts:
        connection.execute(_PUT_ATTEMPT, (record.id, *codec.attempt_values(attempt)))
    if record.system_logs:
        connection.execute(_PUT_SYSTEM_LOGS, (record.id, codec.to_json(record.system_logs)))
    return True


def update(connection: sqlite3.Connection, before: TaskRecord, after: TaskRecord) -> None:
    """Write what has changed from one version to the next; what is constant, such as the document, stays untouched."""
    connection.execute(_UPDATE, (*codec.changing_values(after), after.id))
    stored = {attempt.n: attempt for attempt in before.attempts}
    for attempt in after.attempts:
        if stored.pop(attempt.n, None) != attempt:
            connection.execute(_PUT_ATTEMPT, (after.id, *codec.attempt_values(attempt)))
    for n in stored:
        connection.execute("DELETE FROM attempts WHERE task_id = ? AND n = ?", (after.id, n))
    if after.system_logs != before.system_logs:
        connection.execute(_PUT_SYSTEM_LOGS, (after.id, codec.to_json(after.system_logs)))


def delete(connection: sqlite3.Connection, task_id: str) -> bool:
    """Remove a record; return whether it was there."""
    row = connection.execute(f"SELECT {HEAD} FROM tasks WHERE id = ?", (task_id,)).fetchone()  # noqa: S608
    if row is None:
        return False
    tags = codec.tag_rows(codec.head_from_row(row))
    connection.executemany(_DELETE_TAG, tags)
    connection.execute("DELETE FROM attempts WHERE task_id = ?", (task_id,))
    connection.execute("DELETE FROM system_logs WHERE task_id = ?", (task_id,))
    connection.execute("DELETE FROM documents WHERE task_id = ?", (task_id,))
    connection.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
    return True
