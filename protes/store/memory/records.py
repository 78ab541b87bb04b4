"""`Records` in memory."""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from protes.store import changes
from protes.store.protocols import Stored


class MemoryRecords:
    """`Records` under one lock."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, tuple[str, int, datetime | None]]] = {}

    def get(self, kind: str, key: str, now: datetime) -> Stored | None:
        """See `Records.get`."""
        with self._lock:
            return self._valid(kind, key, now)

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
        text = json.dumps(dict(value), allow_nan=False)
        with self._lock:
            stored = self._valid(kind, key, now)
            version = changes.put_version(stored.version if stored else 0, expected_version)
            self._kinds.setdefault(kind, {})[key] = (text, version, expires_at)
        return version

    def put_many(
        self,
        kind: str,
        values: Mapping[str, Mapping[str, Any]],
        now: datetime,
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """See `Records.put_many`."""
        for key, value in values.items():
            self.put(kind, key, value, now, expires_at=expires_at)

    def delete(self, kind: str, key: str) -> bool:
        """See `Records.delete`."""
        with self._lock:
            return self._kinds.get(kind, {}).pop(key, None) is not None

    def delete_many(self, kind: str, keys: Sequence[str]) -> int:
        """See `Records.delete_many`."""
        return sum(self.delete(kind, key) for key in keys)

    def scan(self, kind: str, prefix: str, now: datetime, *, after: str = "", limit: int = 256) -> Sequence[Stored]:
        """See `Records.scan`."""
        with self._lock:
            keys = sorted(key for key in self._kinds.get(kind, {}) if key.startswith(prefix) and key > after)
            valid = (stored for key in keys if (stored := self._valid(kind, key, now)) is not None)
            return list(islice(valid, limit))

    def expire(self, now: datetime, limit: int = 1000) -> int:
        """See `Records.expire`."""
        with self._lock:
            expired = sorted(
                (expires_at, kind, key)
                for kind, values in self._kinds.items()
                for key, (_, _, expires_at) in values.items()
                if expires_at is not None and expires_at <= now
            )[:limit]
            for _, kind, key in expired:
                del self._kinds[kind][key]
        return len(expired)

    def _valid(self, kind: str, key: str, now: datetime) -> Stored | None:
        found = self._kinds.get(kind, {}).get(key)
        if found is None:
            return None
        text, version, expires_at = found
        if expires_at is not None and expires_at <= now:
            return None
        return Stored(key, json.loads(text), version, expires_at)
