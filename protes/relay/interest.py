"""Which tasks somebody reads now, so that they are looked at sooner (DESIGN.md section 5, "Runner").

A read only marks, in memory; once a second at most a process writes what it has marked, as one small record. Marks are
hints: they expire by themselves, there are never more than `MOST_TASKS` of a process, and a store that is down costs
nothing but them.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from protes.clock import Clock
from protes.store.protocols import Records, StoreError

logger = logging.getLogger(__name__)

MOST_TASKS = 1000
LASTING_SECONDS = 15.0
"""Workflow engines read every 5 to 10 s."""
_KIND = "interest"
_EVERY_SECONDS = 1.0
_LONG_AGO = float("-inf")


@dataclass(slots=True)
class _Mark:
    """A task that is read.

    Attributes:
        at: when it was marked last, on the clock's monotonic scale.
        instance_url: where it runs, as far as that was said.
        version: of the task, when somebody looked last where it runs.
    """

    at: float
    instance_url: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What is read now, by any process.

    Attributes:
        tasks: ids of tasks.
        instances: base URLs of the instances where such tasks are, as far as the readers knew them.
    """

    tasks: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()


class Interest:
    """Marks of this process, and those of all. Safe under threads."""

    def __init__(self, records: Records, clock: Clock, me: str) -> None:
        """Keep marks in `records`, in the name of the process `me`, which no other has."""
        self._records = records
        self._clock = clock
        self._me = me
        # Guards what follows; never held while the store is asked.
        self._lock = threading.Lock()
        self._marks: OrderedDict[str, _Mark] = OrderedDict()
        self._changed = False
        self._writing = False
        self._write_at = _LONG_AGO
        self._shown = Shown()
        self._read_at = _LONG_AGO

    def mark(self, task_id: str, instance_url: str | None = None, *, version: int | None = None) -> None:
        """Note that somebody reads an unfinished task; nearly free, and never fails.

        Args:
            task_id: the task.
            instance_url: where it runs, if the reader knows: that instance is then looked at more often. Without it
                what was said before stands.
            version: of the task as it was read, if that told where it runs.
        """
        now = self._clock.monotonic()
        with self._lock:
            mark = self._marks.get(task_id)
            if mark is None:
                mark = self._marks[task_id] = _Mark(_LONG_AGO)
            told = instance_url is not None and instance_url != mark.instance_url
            mark.instance_url = instance_url or mark.instance_url
            mark.version = version or mark.version
            if now - mark.at < _EVERY_SECONDS and not told:
                return
            mark.at = now
            self._marks.move_to_end(task_id)
            while len(self._marks) > MOST_TASKS:
                self._marks.popitem(last=False)
            self._changed = True
        value = self._to_write(now)
        if value is not None:
            self._write_aside(value)

    def asks_where(self, task_id: str, version: int) -> bool:
        """Tell whether it is worth finding out where a task runs, for `mark`: in this version nobody has looked.

        Who polls with validators, or waits, reads heads, which do not tell; and a task moves with a new version only.
        """
        with self._lock:
            mark = self._marks.get(task_id)
            return mark is None or mark.version != version

    def shown(self) -> Shown:
        """Return what is read now, as known to the store a second ago at most."""
        now = self._clock.monotonic()
        value = self._to_write(now)
        if value is not None:
            self._write(value)
        with self._lock:
            if now - self._read_at < _EVERY_SECONDS:
                return self._shown
            self._read_at = now
        try:
            values = [stored.value for stored in self._records.scan(_KIND, "", self._clock.now())]
        except StoreError as error:
            logger.warning("which tasks are read now cannot be seen: %s", error)
            values = []
        shown = Shown(_union(each["tasks"] for each in values), _union(each["instances"] for each in values))
        with self._lock:
            self._shown = shown
        return shown

    def _to_write(self, now: float) -> Mapping[str, Any] | None:
        """Return the marks of this process if there are new ones, a second after the last time at the earliest."""
        with self._lock:
            if self._writing or not self._changed or now < self._write_at:
                return None
            self._writing, self._changed, self._write_at = True, False, now + _EVERY_SECONDS
            while self._marks and now - next(iter(self._marks.values())).at > LASTING_SECONDS:
                self._marks.popitem(last=False)
            instances = {mark.instance_url for mark in self._marks.values() if mark.instance_url is not None}
            return {"tasks": list(self._marks), "instances": sorted(instances)}

    def _write_aside(self, value: Mapping[str, Any]) -> None:
        """Write without keeping the reader: he must not wait for a store that cannot write just now."""
        try:
            threading.Thread(target=self._write, args=(value,), name="protes-interest", daemon=True).start()
        except RuntimeError as error:
            logger.warning("which tasks are read now cannot be noted: %s", error)
            with self._lock:
                self._writing, self._changed = False, True

    def _write(self, value: Mapping[str, Any]) -> None:
        moment = self._clock.now()
        try:
            self._records.put(_KIND, self._me, value, moment, expires_at=moment + timedelta(seconds=LASTING_SECONDS))
        except StoreError as error:
            logger.warning("which tasks are read now cannot be noted: %s", error)
        finally:
            with self._lock:
                self._writing = False


def _union(lists: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(each for one in lists for each in one)
