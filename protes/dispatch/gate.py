"""Keeps an instance that does not answer from holding all the threads, and one that comes back from being run over."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from protes.clock import Clock

CONCURRENT_FORWARDS = 4
SLOW_SECONDS = 2.0
PATIENCE_SECONDS = 0.25
"""How long a task waits for its turn at an instance that answers quickly, before the next one is tried."""
_WAKE_SECONDS = 0.05
_NOT_COUNTED_SECONDS = 0.1
"""Between being let in and being counted among the stored attempts."""


@dataclass(slots=True)
class _Door:
    """What goes on at one instance: when the forwards under way began, and when the last ones were let in."""

    changed: threading.Condition
    under_way: list[float] = field(default_factory=list)
    let_in: deque[float] = field(default_factory=lambda: deque(maxlen=10_000))


class Gate:
    """Lets a few forwards per instance through at once, and none while one has been waiting for long.

    An instance that has failed since it answered last is unproven: one forward at a time goes there, so that an outage
    ends with a drained backlog and not with a stampede.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with nothing under way."""
        self._clock = clock
        self._doors: dict[str, _Door] = {}
        self._lock = threading.Lock()

    @contextmanager
    def enter(
        self, base_url: str, *, proven: bool = True, room: int | None = None, seen_at: float = 0.0
    ) -> Iterator[bool]:
        """Yield whether a forward to the instance may go now; it counts as under way until the block ends.

        Args:
            base_url: the instance.
            proven: it has answered since its last failure.
            room: how many more unfinished tasks it may be sent; None: any number.
            seen_at: monotonic time at which `room` was true; what was let in since is taken off.
        """
        with self._lock:
            begun = self._wait_for_turn(base_url, proven, room, seen_at)
        try:
            yield begun is not None
        finally:
            if begun is not None:
                with self._lock:
                    door = self._doors[base_url]
                    door.under_way.remove(begun)
                    door.changed.notify()

    def is_full(self, base_url: str, room: int, seen_at: float) -> bool:
        """Tell whether an instance has no room left; the arguments are those of `enter`."""
        with self._lock:
            door = self._doors.get(base_url)
            return door is not None and _let_in(door, seen_at) >= room

    def _wait_for_turn(self, base_url: str, proven: bool, room: int | None, seen_at: float) -> float | None:
        """Return when the forward began, None where it may not."""
        door = self._doors.setdefault(base_url, _Door(threading.Condition(self._lock)))
        most = CONCURRENT_FORWARDS if proven else 1
        patience = PATIENCE_SECONDS
        while True:
            now = self._clock.monotonic()
            slow = bool(door.under_way) and now - door.under_way[0] >= SLOW_SECONDS
            if room is not None and _let_in(door, seen_at) >= room:
                return None
            if len(door.under_way) < most and not slow:
                door.under_way.append(now)
                door.let_in.append(now)
                return now
            if slow or not proven or patience <= 0:
                return None
            if not door.changed.wait(_WAKE_SECONDS):
                patience -= _WAKE_SECONDS


def _let_in(door: _Door, seen_at: float) -> int:
    """Return how many were let in that are not counted among the stored attempts of that moment."""
    since = seen_at - _NOT_COUNTED_SECONDS
    return sum(each >= since for each in door.let_in)
