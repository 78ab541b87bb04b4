"""The embedded store: one SQLite file in WAL mode (DESIGN.md section 7)."""

from protes.store.sqlite.database import Database
from protes.store.sqlite.records import SQLiteRecords
from protes.store.sqlite.tasks import SQLiteTaskStore

__all__ = ["Database", "SQLiteRecords", "SQLiteTaskStore"]
