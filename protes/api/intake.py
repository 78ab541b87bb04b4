"""Back-pressure: requests that write to the store do not pile up in front of it.

Each of them holds a request thread until the store has it on disk. So they are bounded, and so is the line of those
who wait for their turn, so that those who only read find a thread. While the line moves quickly it may be longer, or a
burst of creations would be refused that is over in a moment. While nobody gets done, one more is answered 503 at once.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from protes.api.problems import Problem
from protes.clock import Clock

_RETRY_AFTER_SECONDS = 2
_QUICK_SECONDS = 0.1
"""Who waits longer for his turn says that the line is slow. Beyond its bound nobody waits longer."""
_SLOW_SECONDS = 1.0
"""A line that was slow is kept within its bound so long."""


@dataclass(eq=False, slots=True)
class _Turn:
    """Somebody in the line."""

    since: float
    patience_seconds: float
    came: threading.Event = field(default_factory=threading.Event)


def bounds(threads: int, waiters: int, wished: int | None) -> tuple[int, int]:
    """Return how many requests write at once, and how many wait in line for that.

    Together with those who wait for changes they are fewer than the request threads, so that one at least is left for
    everything else; with one thread there is none to leave.

    Args:
        threads: request threads of the process.
        waiters: how many of them those who wait for a change may hold.
        wished: how many should write at once, where there is room; half of the threads by default.
    """
    room = max(1, threads - waiters - 1)
    places = min(wished or max(1, threads // 2), room)
    return places, room - places


class Intake:
    """Lets a bounded number of requests write at once. Safe under threads."""

    def __init__(self, clock: Clock, places: int, line: int, patience_seconds: float) -> None:
        """Let `places` requests in.

        Up to `line` others, and more while it moves quickly, wait for their turn for `patience_seconds`, but not while
        nobody gets done.
        """
        self._clock = clock
        self._places = places
        self._longest_line = line
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._inside = 0
        self._line: deque[_Turn] = deque()
        self._moved_at = clock.monotonic()
        self._slow_until = self._moved_at

    @property
    def inside(self) -> int:
        """How many hold a place."""
        with self._lock:
            return self._inside

    @property
    def lined_up(self) -> int:
        """How many wait for their turn."""
        with self._lock:
            return len(self._line)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block writes.

        Raises:
            Problem: 503 with Retry-After; nothing has been written.
        """
        turn = self._line_up()
        if turn is not None:
            self._clock.wait(turn.came, turn.patience_seconds)
            if not self._has_turn(turn):
                raise self._refusal()
        try:
            yield
        finally:
            self._leave()

    def _line_up(self) -> _Turn | None:
        """Take a place, or one in the line, which is what is returned."""
        with self._lock:
            now = self._clock.monotonic()
            if self._inside < self._places:
                self._inside += 1
                if self._inside == self._places:
                    self._moved_at = now  # whether it gets on is asked from now on
                return None
            beyond = len(self._line) >= self._longest_line
            if now - self._moved_at > self._patience_seconds or (beyond and now < self._slow_until):
                raise self._refusal()
            turn = _Turn(now, min(self._patience_seconds, _QUICK_SECONDS) if beyond else self._patience_seconds)
            self._line.append(turn)
            return turn

    def _has_turn(self, turn: _Turn) -> bool:
        """Tell whether the turn came, if at the last moment; else leave the line. Note if that took long."""
        with self._lock:
            now = self._clock.monotonic()
            came = turn.came.is_set()
            if not came or now - turn.since >= _QUICK_SECONDS:
                self._slow_until = now + _SLOW_SECONDS
            if not came:
                self._line.remove(turn)
            return came

    def _leave(self) -> None:
        with self._lock:
            self._moved_at = self._clock.monotonic()
            if self._line:
                self._line.popleft().came.set()  # the place is his now
            else:
                self._inside -= 1

    def _refusal(self) -> Problem:
        text = "the task store does not keep up; nothing was stored, try again"
        return Problem(503, text, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})
