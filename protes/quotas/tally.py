"""Counting against a limit at a bounded cost: what the store has, and what has been let in here since it was asked.

The store is asked as often as it takes a twentieth of the time at most, and counts no further than the limit. What this
process lets in between is added. So in one process a limit is never passed; with several, by no more than what the
others let in since this one's last count, which is a fraction of a second ago (`_OLDEST_SECONDS` at the worst).
"""

import threading
from collections.abc import Callable, Collection
from math import inf

from protes.clock import Clock

_TIMES_AS_LONG = 20
_OLDEST_SECONDS = 5.0
_PATIENCE_SECONDS = 0.5

Count = Callable[[int], int]
"""Counts what is stored, no further than it is told."""
Stored = Callable[[Collection[str]], Collection[str]]
"""Says which of these ids are stored."""


class Tally:
    """How many there are of what one owner may have a limited number of. Safe under threads."""

    def __init__(self, clock: Clock, count: Count, stored: Stored) -> None:
        """Count by `count`; nothing is counted before it is needed."""
        self._clock = clock
        self._count = count
        self._stored = stored
        self._changed = threading.Condition()
        self._counted = 0
        self._counted_from = -inf
        self._next_at = -inf
        self._open: dict[str, object] = {}
        """What is on its way into the store, by id, and who brings it."""
        self._twice: frozenset[str] = frozenset()
        """Those of them that were stored already when the store was asked."""
        self._let_in = 0
        """How many have arrived there since."""

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        with self._changed:
            return not self._open

    def take(self, task_id: str, bearer: object, limit: int) -> bool:
        """Let one more in, unless the limit is reached; `leave` ends it.

        Somebody else's who are on their way are waited for, for a moment, where they decide it: so no room is lost by
        counting them twice.

        Args:
            task_id: its id; one that is on its way already is let in, for it is the same.
            bearer: who brings it.
            limit: how many there may be.

        Raises:
            StoreError: the store cannot count.
        """
        with self._changed:
            if task_id in self._open:
                return True
            began = self._clock.monotonic()
            if began >= self._next_at:
                self._ask(limit)
            if self._sum() >= limit and (self._let_in or self._others(bearer)):
                self._changed.wait_for(lambda: not self._others(bearer) or self._sum() < limit, _PATIENCE_SECONDS)
                if self._sum() >= limit and (self._let_in or self._counted_from <= began):
                    self._ask(limit)
            if self._sum() >= limit:
                return False
            self._open[task_id] = bearer
            return True

    def leave(self, task_id: str, bearer: object, *, stored: bool) -> None:
        """End what `take` began; `stored` where it is in the store, or may be."""
        with self._changed:
            if self._open.get(task_id) is not bearer:
                return
            del self._open[task_id]
            if stored and task_id not in self._twice:
                self._let_in += 1
            self._changed.notify_all()

    def _others(self, bearer: object) -> bool:
        return any(each is not bearer for each in self._open.values())

    def _sum(self) -> int:
        return self._counted + self._let_in + len(self._open.keys() - self._twice)

    def _ask(self, limit: int) -> None:
        began = self._clock.monotonic()
        self._twice = frozenset(self._stored(self._open.keys())) if self._open else frozenset()
        self._counted = self._count(limit)
        took = self._clock.monotonic() - began
        self._counted_from = began
        self._next_at = began + min(took * _TIMES_AS_LONG, _OLDEST_SECONDS)
        self._let_in = 0  # who arrived meanwhile has not left yet, and is counted twice until the next time
