"""The line: which tasks wait for places at which instances, kept among the records, so that all workers see it.

A task that finds nothing but full instances leaves a note here and is left in peace, until the leader gives it a turn
(`protes.dispatch.turns`). Notes are ordered by what they wait for, by owner, and by age, so that nobody who looks for
the first in line has to look at all of them. A note that was forgotten, by a worker that died, expires by itself, and a
task whose note was lost looks again after `LOOK_SECONDS`.
"""

import hashlib
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf

from protes.clock import Clock, rfc3339
from protes.store.protocols import Records
from protes.store.records import TaskRecord

KIND = "turns"
TURN = "turn"
"""The job that has a task in line take its turn; its key is that of the note."""
LOOK_SECONDS = 300.0
"""A task in line looks again by itself after this long, should everything else fail."""

_KEPT = timedelta(seconds=2 * LOOK_SECONDS)
_MOST_GROUPS = 2000
_TIMES_AS_LONG = 20
_OLDEST_SECONDS = 5.0
_FRESH_SECONDS = 0.2
_MOST_OWN = 100_000
_BEYOND_DOT = "/"
"""The character after the dot: no key that begins as this one does is greater."""


@dataclass(frozen=True, slots=True)
class Group:
    """The tasks of one owner that wait for the same instances.

    Attributes:
        prefix: what the keys of their notes begin with.
        owner: whose they are.
        urls: base URLs of the instances.
    """

    prefix: str
    owner: str
    urls: frozenset[str]


@dataclass(frozen=True, slots=True)
class Note:
    """A task in line.

    Attributes:
        key: the key of its note, which is that of the job that gives it its turn.
        since: tells this note from a later one of the same task.
    """

    key: str
    since: str

    @property
    def task_id(self) -> str:
        """The task."""
        return task_of(self.key)


def task_of(key: str) -> str:
    """Return the task whose note has this key."""
    return key.rpartition(".")[2]


class WaitingList:
    """The line, as one process sees it. Safe under threads."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Keep notes in `records`."""
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._wanted_until = -inf
        self._own: dict[str, str] = {}

    def park(self, record: TaskRecord, urls: Collection[str], former: str | None = None) -> None:
        """Put a task in line for places at these instances; where it is there already it keeps its place.

        `former` is the key of the note that it had until now, if that is known.
        """
        key = f"{_prefix(record.owner, urls)}{record.id}"
        now = self._clock.now()
        value = {"owner": record.owner, "urls": sorted(urls), "since": rfc3339(now)}
        self._records.put(KIND, key, value, now, expires_at=now + _KEPT)
        with self._lock:
            before = self._own.get(record.id)
            if len(self._own) >= _MOST_OWN:
                self._own.clear()
            self._own[record.id] = key
            self._wanted |= frozenset(urls)
        for each in {before, former} - {None, key}:
            self._records.delete(KIND, str(each))

    def leave(self, task_id: str, key: str | None = None) -> None:
        """Take a task out of the line, by its note's key where that is known; harmless where it is not in it."""
        with self._lock:
            own = self._own.pop(task_id, None)
        for each in {own, key} - {None}:
            self._records.delete(KIND, str(each))

    def wanted(self) -> frozenset[str]:
        """Return the instances that somebody waits for, as of a moment ago."""
        began = self._clock.monotonic()
        with self._lock:
            if began < self._wanted_until:
                return self._wanted
            self._wanted_until = began + _OLDEST_SECONDS  # one asks, and the others go on with what is known
        found: set[str] = set()
        after = ""
        while page := self._records.scan(KIND, "", self._clock.now(), after=after, limit=1):
            found.update(page[0].value["urls"])
            after = page[0].key.partition(".")[0] + _BEYOND_DOT
        took = self._clock.monotonic() - began
        with self._lock:
            self._wanted = frozenset(found)
            self._wanted_until = began + min(max(took * _TIMES_AS_LONG, _FRESH_SECONDS), _OLDEST_SECONDS)
            return self._wanted

    def groups(self, after: str = "") -> tuple[Sequence[Group], str]:
        """Return who waits for what, at most `_MOST_GROUPS` of them, and after which prefix the others begin.

        That is "" where there are no others, and where `after` is "" the first ones are returned.
        """
        found: list[Group] = []
        after = after.removesuffix(".") + _BEYOND_DOT if after else ""
        while len(found) < _MOST_GROUPS:
            page = self._records.scan(KIND, "", self._clock.now(), after=after, limit=1)
            if not page:
                break
            name = page[0].key.rpartition(".")[0]
            found.append(Group(f"{name}.", page[0].value["owner"], frozenset(page[0].value["urls"])))
            after = name + _BEYOND_DOT
        return found, found[-1].prefix if len(found) == _MOST_GROUPS else ""

    def notes(self, group: Group, after: str, limit: int) -> Sequence[Note]:
        """Return the oldest tasks of a group after that with the key `after`."""
        found = self._records.scan(KIND, group.prefix, self._clock.now(), after=after, limit=limit)
        return [Note(each.key, each.value["since"]) for each in found]


def _prefix(owner: str, urls: Collection[str]) -> str:
    return f"{_hash(*sorted(urls))}.{_hash(owner)}."


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
