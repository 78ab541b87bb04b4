"""How long this process has seen attempts unsettled, by the clock that never jumps."""

import threading

from protes.clock import Clock

MOST = 50_000
"""Attempts remembered; of one that has no room the time does not begin, which delays and does no harm."""


class Sightings:
    """Remembers when each attempt was seen first. Safe under threads.

    That an instance will never have a task is believed after a time, and what follows from it cannot be taken back: the
    task is sent elsewhere. So that time is not counted from what others have stored, whose wall clocks may be wrong, or
    may be put right while a POST is on its way: it is the time that passes under our own eyes.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with nothing seen."""
        self._clock = clock
        self._first: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()

    def see(self, task_id: str, n: int) -> float:
        """Return for how many seconds attempt `n` of a task has been seen; 0 at first, and while there is no room.

        None makes room for another: where more than `MOST` are looked at in turn, each would be forgotten before its
        next look, and none ever settled.
        """
        now = self._clock.monotonic()
        with self._lock:
            first = self._first.get((task_id, n), now)
            if len(self._first) < MOST:
                self._first.setdefault((task_id, n), first)
        return now - first

    def forget(self, task_id: str, n: int) -> None:
        """Forget an attempt that is settled."""
        with self._lock:
            self._first.pop((task_id, n), None)
