"""How long this process has seen attempts unsettled, by the clock that never jumps."""

import threading
from collections import OrderedDict

from protes.clock import Clock

MOST = 50_000
"""Attempts remembered; of one that is forgotten the time begins anew, which delays and does no harm."""


class Sightings:
    """Remembers when each attempt was seen first. Safe under threads.

    That an instance will never have a task is believed after a time, and what follows from it cannot be taken back: the
    task is sent elsewhere. So that time is not counted from what others have stored, whose wall clocks may be wrong, or
    may be put right while a POST is on its way: it is the time that passes under our own eyes.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with nothing seen."""
        self._clock = clock
        self._first: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._lock = threading.Lock()

    def see(self, task_id: str, n: int) -> float:
        """Return for how many seconds attempt `n` of a task has been seen; 0 the first time."""
        now = self._clock.monotonic()
        with self._lock:
            first = self._first.setdefault((task_id, n), now)
            if len(self._first) > MOST:
                self._first.popitem(last=False)
        return now - first

    def forget(self, task_id: str, n: int) -> None:
        """Forget an attempt that is settled."""
        with self._lock:
            self._first.pop((task_id, n), None)
