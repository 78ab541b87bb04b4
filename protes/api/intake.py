"""Back-pressure: requests that write to the store do not pile up in front of it.

Each of them holds a request thread until the store has it on disk. So they are bounded, and while the store does not
get on, one more is answered 503 at once instead of taking a thread from those who only read.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from protes.api.problems import Problem
from protes.clock import Clock

_RETRY_AFTER_SECONDS = 2


class Intake:
    """Lets a bounded number of requests write at once. Safe under threads."""

    def __init__(self, clock: Clock, places: int, patience_seconds: float) -> None:
        """Let `places` requests in; others wait in line for `patience_seconds`, but not while nobody gets done."""
        self._clock = clock
        self._places = places
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._inside = 0
        self._line: deque[threading.Event] = deque()
        self._moved_at = clock.monotonic()

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
        if turn is not None and not self._clock.wait(turn, self._patience_seconds) and not self._has_turn(turn):
            raise self._refusal()
        try:
            yield
        finally:
            self._leave()

    def _line_up(self) -> threading.Event | None:
        """Take a place, or one in the line, which is what is returned."""
        with self._lock:
            now = self._clock.monotonic()
            if self._inside < self._places:
                self._inside += 1
                if self._inside == self._places:
                    self._moved_at = now  # whether it gets on is asked from now on
                return None
            if now - self._moved_at > self._patience_seconds:
                raise self._refusal()
            turn = threading.Event()
            self._line.append(turn)
            return turn

    def _has_turn(self, turn: threading.Event) -> bool:
        """Tell whether the turn came at the last moment; else leave the line."""
        with self._lock:
            if turn.is_set():
                return True
            self._line.remove(turn)
            return False

    def _leave(self) -> None:
        with self._lock:
            self._moved_at = self._clock.monotonic()
            if self._line:
                self._line.popleft().set()  # the place is his now
            else:
                self._inside -= 1

    def _refusal(self) -> Problem:
        text = "the task store does not keep up; nothing was stored, try again"
        return Problem(503, text, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})
