"""How many tasks a caller has in each state, counted no further than people want to know, and not for each viewer.

A store has no counts of states: keeping them would make every change of state a write of one shared figure. So tasks
are counted through the same index that lists them, up to a bound, and what was counted holds for a while.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from protes.store.audiences import page
from protes.store.protocols import TaskStore
from protes.store.records import TaskQuery
from protes.tes.states import State

MOST = 1000
"""Beyond it tasks of a state are "and more"."""

HOLDS = timedelta(seconds=5)
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


def count(
    tasks: TaskStore, query: TaskQuery, audiences: Collection[str] | None, states: tuple[State, ...]
) -> dict[State, int]:
    """Count the tasks of a query in each of these states, up to one more than `MOST`.

    Args:
        tasks: the store.
        query: in which view of states.
        audiences: of the tasks that are shown under these keys; None: of all.
        states: the states.
    """
    return {state: len(page(tasks, _of(query, state), audiences)) for state in states}


def _of(query: TaskQuery, state: State) -> TaskQuery:
    return replace(query, state=state, limit=MOST + 1, heads=True)


@dataclass(slots=True)
class TaskCounts:
    """Counts that were made lately, by whose they are; safe under threads, and one thread counts at a time."""

    _kept: dict[object, Counted] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, whose: object, now: datetime, make: Callable[[], Mapping[State, int]]) -> Counted:
        """Return the counts of somebody, made now where there are none that still hold."""
        with self._lock:
            found = self._kept.get(whose)
            if found is not None and timedelta() <= now - found.at < HOLDS:
                return found
            made = Counted(now, make())
            if len(self._kept) >= _KEPT:
                self._kept.clear()  # so many viewers at once are rare, and counting anew is all that it costs
            self._kept[whose] = made
            return made
