"""Which requests are taken up at once, and which wait their turn: pure.

A read is nearly all Python, of which a process runs one thread at a time. Sixteen threads that read at once read no
faster than two: they take turns some fifty times a request instead, and answer half as many. So reads are taken up a
few at a time, in the order of their arrival, but for those that take long: a read that waits, for a store that is busy
or whatever else, makes way for the next. What writes is not held back: it waits for the disk, and what is written
together is cheaper. Nor is what only waits, for a change or for events.
"""

import re
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

AT_ONCE = 2
"""One computes while the other reads from the store or sends."""
LONG_SECONDS = 0.05
"""A read that has run for so long waits for something, and counts no longer."""

_WAITS = re.compile(rb"\r\n(?:prefer[ \t]*:|accept[ \t]*:[^\r]*text/event-stream)", re.IGNORECASE)

T = TypeVar("T", bound=Hashable)


def is_read(head: bytes) -> bool:
    """Tell whether a request that begins like this reads, and does not wait for anything to happen."""
    return head.startswith((b"GET ", b"HEAD ")) and _WAITS.search(head) is None


class Turns(Generic[T]):
    """Who reads now, and who is next. For one thread."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        """Let `at_once` read at the same time, not counting those that take long."""
        self._at_once = at_once
        self._began: dict[T, float] = {}
        self._waiting: deque[T] = deque()

    def line_up(self, each: T) -> None:
        """Have somebody wait for his turn."""
        self._waiting.append(each)

    def leave(self, each: T) -> None:
        """Note that somebody has read, if it was his turn at all."""
        self._began.pop(each, None)

    def begin(self, now: float) -> Iterator[T]:
        """Yield those whose turn it is, at this monotonic time in seconds; they read from now on until they leave."""
        while self._waiting and len(self._counted(now)) < self._at_once:
            each = self._waiting.popleft()
            self._began[each] = now
            yield each

    def pause(self, now: float) -> float | None:
        """Return after how many seconds it is somebody's turn even if nobody leaves; None where nobody waits."""
        if not self._waiting:
            return None
        counted = self._counted(now)
        return min(counted) + LONG_SECONDS - now if len(counted) >= self._at_once else 0.0

    def _counted(self, now: float) -> list[float]:
        return [began for began in self._began.values() if now < began + LONG_SECONDS]
