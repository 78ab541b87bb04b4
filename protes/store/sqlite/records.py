"""Records on SQLite."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from protes.clock import rfc3339
from protes.store.changes import put_version
from protes.store.prefixes import after_prefix
from protes.store.protocols import Stored
from protes.store.sqlite.codec import from_time, to_json, to_time
from protes.store.sqlite.database import Database

_PUT = (
    "INSERT INTO records (kind, key, value, version, expires_at) VALUES (?, ?, ?, 1, ?) ON CONFLICT (kind, key) "
    "DO UPDATE SET value = excluded.value, version = version + 1, expires_at = excluded.expires_at"
)
_VALID = "(expires_at IS NULL OR expires_at > ?)"


class SQLiteRecords:
    """`Records` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        """Keep values in an open database."""
        self._database = database

    def get(self, kind: str, key: str, now: datetime) -> Stored | None:
        """See `Records.get`."""
        found = self._database.read(
            f"SELECT key, value, version, expires_at FROM records WHERE kind = ? AND key = ? AND {_VALID}",  # noqa: S608
            (kind, key, rfc3339(now)),
        )
        return _stored(*found[0]) if found else None

    def put(
        self,
        kind: str,
        key: str,
        value: Mapping[str, Any],
        now: datetime,
        *,
        expected_version: int | None = None,
        expires_at: datetime | None = None,
    ) -> int:
        """See `Records.put`."""
        text = to_json(dict(value))

        def put(connection: sqlite3.Connection) -> int:
            row = connection.execute(
                f"SELECT version FROM records WHERE kind = ? AND key = ? AND {_VALID}",  # noqa: S608
                (kind, key, rfc3339(now)),
            ).fetchone()
            version = put_version(row[0] if row else 0, expected_version)
            connection.execute(
                "INSERT OR REPLACE INTO records (kind, key, value, version, expires_at) VALUES (?, ?, ?, ?, ?)",
                (kind, key, text, version, to_time(expires_at)),
            )
            return version

        return self._database.write(put)

    def put_many(
        self,
        kind: str,
        values: Mapping[str, Mapping[str, Any]],
        now: datetime,
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """See `Records.put_many`; all of them are written, or none."""
        del now
        rows = [(kind, key, to_json(dict(value)), to_time(expires_at)) for key, value in values.items()]
        if rows:
            self._database.write(lambda connection: connection.executemany(_PUT, rows).rowcount)

    def delete(self, kind: str, key: str) -> bool:
        """See `Records.delete`."""
        return self._database.write(
            lambda connection: (
                connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key)).rowcount > 0
            )
        )

    def delete_many(self, kind: str, keys: Sequence[str]) -> int:
        """See `Records.delete_many`."""
        found = [(kind, key) for key in keys]
        return self._database.write(
            lambda connection: (
                connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", found).rowcount if found else 0
            )
        )

    def scan(self, kind: str, prefix: str, now: datetime, *, after: str = "", limit: int = 256) -> Sequence[Stored]:
        """See `Records.scan`."""
        end = after_prefix(prefix)
        below = "" if end is None else "AND key < ? "
        found = self._database.read(
            "SELECT key, value, version, expires_at FROM records "  # noqa: S608
            f"WHERE kind = ? AND key >= ? AND key > ? {below}AND {_VALID} ORDER BY key LIMIT ?",
            (kind, prefix, after, *(() if end is None else (end,)), rfc3339(now), limit),
        )
        return [_stored(*row) for row in found]

    def expire(self, now: datetime, limit: int = 1000) -> int:
        """See `Records.expire`."""
        return self._database.write(
            lambda connection: (
                connection.execute(
                    "DELETE FROM records WHERE (kind, key) IN "
                    "(SELECT kind, key FROM records WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
                    (rfc3339(now), limit),
                ).rowcount
            )
        )


def _stored(key: str, value: str, version: int, expires_at: str | None) -> Stored:
    return Stored(key, json.loads(value), version, from_time(expires_at))
