"""How many tasks a caller has in each state, counted no further than people want to know, and not for each viewer.

A store has no counts of states: keeping them would make every change of state a write of one shared figure. So tasks
are counted through the same index that lists them, up to a bound, and what was counted holds for a while.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from protes.tes.states import State

MOST = 100_000
"""Beyond it tasks of a state are "and more"."""

HOLDS = timedelta(seconds=5)
_OLDEST = timedelta(seconds=60)
_KEPT = 256


@dataclass(frozen=True, slots=True)
class Counted:
    """Tasks by state.

    Attributes:
        at: when they were counted.
        states: how many tasks have each state; `MOST + 1` means more than `MOST`.
    """

    at: datetime
    states: Mapping[State, int]


@dataclass(slots=True)
class TaskCounts:
    """Counts that were made lately, by whose they are; safe under threads, and one thread counts at a time.

    Who comes while another thread counts is given what was counted before, if it is no older than a minute.
    """

    _kept: dict[object, Counted] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, whose: object, now: datetime, make: Callable[[], Mapping[State, int]]) -> Counted:
        """Return the counts of somebody, made now where there are none that still hold."""
        found = self._lately(whose, now, HOLDS)
        if found is not None:
            return found
        before = self._lately(whose, now, _OLDEST)
        if not self._lock.acquire(blocking=before is None):
            assert before is not None  # noqa: S101 (else it would have waited)
            return before
        try:
            found = self._lately(whose, now, HOLDS)
            if found is not None:
                return found
            made = Counted(now, make())
            if len(self._kept) >= _KEPT:
                self._kept.clear()  # so many viewers at once are rare, and counting anew is all that it costs
            self._kept[whose] = made
            return made
        finally:
            self._lock.release()

    def _lately(self, whose: object, now: datetime, holds: timedelta) -> Counted | None:
        found = self._kept.get(whose)
        return found if found is not None and timedelta() <= now - found.at < holds else None
