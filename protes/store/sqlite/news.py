"""Changes of state that the event log does not have yet (docs/events.md)."""

import sqlite3
from collections.abc import Mapping, Sequence

from protes.store.records import TaskRecord
from protes.store.sqlite import codec, rows
from protes.store.sqlite.database import Database


def unannounced(database: Database, limit: int) -> Sequence[TaskRecord]:
    """See `TaskStore.unannounced`."""
    found = database.read(f"SELECT {rows.HEAD} FROM tasks WHERE news > 0 LIMIT ?", (limit,))  # noqa: S608
    return [codec.head_from_row(row) for row in found]


def announced(database: Database, moves: Mapping[str, int]) -> None:
    """See `TaskStore.announced`."""
    if not moves:
        return

    def note(connection: sqlite3.Connection) -> None:
        connection.executemany("UPDATE tasks SET news = NULL WHERE id = ? AND news = ?", list(moves.items()))

    database.write(note)
