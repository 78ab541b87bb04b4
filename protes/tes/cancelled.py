"""Remembers what was cancelled: a hint, which is lost with the process (DIALECTS.md 2.6 rule 3)."""

import threading

_MOST = 10_000


class Cancelled:
    """Ids of tasks at one instance whose cancellation was asked for lately. Safe under threads."""

    def __init__(self, most: int = _MOST) -> None:
        """Remember so many of them, the latest ones."""
        self._most = most
        self._ids: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, task_id: str) -> None:
        """Remember a task."""
        with self._lock:
            self._ids.pop(task_id, None)
            self._ids[task_id] = None
            if len(self._ids) > self._most:
                del self._ids[next(iter(self._ids))]

    def __contains__(self, task_id: str) -> bool:
        with self._lock:
            return task_id in self._ids
