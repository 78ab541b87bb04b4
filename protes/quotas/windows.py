"""What an owner did within the last minute, as the store knows it.

Tasks are found by their ids, which tell when they were made. Dry runs store nothing of their own, so each leaves a note
that expires when the minute is over.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.store.ids import first_id, made_at, new_token
from protes.store.protocols import Records, TaskStore

MINUTE = timedelta(seconds=60)
_MILLISECOND = timedelta(milliseconds=1)
DRY_RUNS = "dry_runs"
_MOST_OWNERS = 10_000
_MOST_UNSEEN = 100_000
_BEYOND = 1000


class Creations:
    """The tasks that an owner has created within the last minute.

    Not every id shows when its task was created: that of a repeated request may be older, and all are ahead of a clock
    that was set back. Such tasks are known to this process alone.
    """

    def __init__(self, tasks: TaskStore, clock: Clock) -> None:
        """Find them in `tasks`."""
        self._tasks = tasks
        self._clock = clock
        self._unseen: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def count(self, owner: str, most: int) -> int:
        """Return how many there are, as far as `most`."""
        return len(self._times(owner, most))

    def note(self, owner: str, task_id: str) -> None:
        """Remember a task that was created now, where its id does not show that."""
        now = self._clock.now()
        if not first_id(now - MINUTE) < task_id < first_id(now + MINUTE):
            with self._lock:
                if len(self._unseen) >= _MOST_OWNERS:
                    self._unseen.clear()
                self._unseen.setdefault(owner, deque(maxlen=_MOST_UNSEEN)).append(now)

    def seconds_until_free(self, owner: str, limit: int) -> float:
        """Return after how long there is room for one more."""
        return _seconds_until_free(self._times(owner, limit + _BEYOND), limit, self._clock.now())

    def _times(self, owner: str, most: int) -> list[datetime]:
        now = self._clock.now()
        ids = self._tasks.created_since(owner, first_id(now - MINUTE + _MILLISECOND), most)
        ahead = first_id(now + MINUTE)
        return sorted((*(made_at(each) for each in ids if each < ahead), *self._unseen_of(owner, now)))

    def _unseen_of(self, owner: str, now: datetime) -> list[datetime]:
        with self._lock:
            noted = self._unseen.get(owner)
            while noted and not now - MINUTE < noted[0] <= now:
                noted.popleft()
            if noted is not None and not noted:
                del self._unseen[owner]
            return list(noted or ())


class DryRuns:
    """The dry runs that an owner has asked for within the last minute."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Keep notes of them in `records`."""
        self._records = records
        self._clock = clock

    def note(self, owner: str) -> None:
        """Keep a note of one."""
        now = self._clock.now()
        self._records.put(DRY_RUNS, _prefix(owner) + new_token(), {}, now, expires_at=now + MINUTE)

    def count(self, owner: str, most: int) -> int:
        """Return how many there are, as far as `most`."""
        return len(self._times(owner, most))

    def seconds_until_free(self, owner: str, limit: int) -> float:
        """Return after how long there is room for one more."""
        return _seconds_until_free(self._times(owner, limit + _BEYOND), limit, self._clock.now())

    def _times(self, owner: str, most: int) -> list[datetime]:
        if most <= 0:
            return []
        notes = self._records.scan(DRY_RUNS, _prefix(owner), self._clock.now(), limit=most)
        return sorted(each.expires_at - MINUTE for each in notes if each.expires_at is not None)


def _seconds_until_free(times: Sequence[datetime], limit: int, now: datetime) -> float:
    place = len(times) - limit
    if not 0 <= place < len(times):
        return 60.0
    return min(60.0, max(0.0, (times[place] + MINUTE - now).total_seconds()))


def stored_among(tasks: TaskStore) -> Callable[[Collection[str]], Collection[str]]:
    """Return what says which tasks are stored."""
    return lambda ids: tasks.versions(ids).keys()


def _prefix(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:32] + "."
