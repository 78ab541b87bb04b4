"""Keeps an instance that does not answer from holding all the threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from protes.clock import Clock

CONCURRENT_FORWARDS = 4
SLOW_SECONDS = 2.0


class Gate:
    """Lets a few forwards per instance through at once, and none while one has been waiting for long."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing under way."""
        self._clock = clock
        self._started: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, base_url: str) -> Iterator[bool]:
        """Yield whether a forward to the instance may go now; it counts as under way until the block ends."""
        now = self._clock.monotonic()
        with self._lock:
            under_way = self._started.setdefault(base_url, [])
            may = len(under_way) < CONCURRENT_FORWARDS and (not under_way or now - under_way[0] < SLOW_SECONDS)
            if may:
                under_way.append(now)
        try:
            yield may
        finally:
            if may:
                with self._lock:
                    self._started[base_url].remove(now)
                    if not self._started[base_url]:
                        del self._started[base_url]
