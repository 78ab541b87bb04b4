"""Who leads goes round: tasks that have webhooks to be sent are brought to somebody who sends them.

A new event is brought at once; this finds what was lost on the way, and what is to be tried again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from protes.callbacks.outbox import MOST_ON_A_PAGE, Outbox
from protes.clock import Clock
from protes.store.records import TaskRecord

JOB = "callback"
_EVERY_SECONDS = 1.0
_TIMES_AS_LONG = 20
_FIRST_PAUSE_SECONDS = 2.0
_LAST_PAUSE_SECONDS = 60.0
_MOST_AT_ONCE = 200
_LONGEST_SECONDS = 0.25
"""A round may take, about: it is a part of the tick, which has other things to do. The next one goes on there."""

Submit = Callable[[str, str], object]


@dataclass(slots=True)
class _Brought:
    """When a task is brought again, and how long after that."""

    again_at: float
    pause: float


class Rounds:
    """The rounds of one process. Used by one thread."""

    def __init__(self, outbox: Outbox, submit: Submit, clock: Clock, random: Callable[[], float]) -> None:
        """Bring what is in `outbox`."""
        self._random = random
        self._outbox = outbox
        self._submit = submit
        self._clock = clock
        self._next_at = -inf
        self._brought: dict[str, _Brought] = {}
        self._after = ""
        self._seen: set[str] = set()

    def told(self, moved: Sequence[TaskRecord]) -> None:
        """Put what is to be sent of these tasks' news into the outbox, and have it sent. Raises StoreError."""
        for task_id in self._outbox.put(moved):
            self._bring(task_id, self._clock.monotonic())

    def go(self) -> None:
        """Bring what waits, unless the last round was a moment ago. Raises StoreError.

        Where so much waits that it cannot be read quickly, a round reads a part, the next one what comes after it, and
        rounds are rarer, so that reading takes a twentieth of the time at most.
        """
        began = self._clock.monotonic()
        if began < self._next_at:
            return
        waiting = self._waiting(began)
        self._seen.update(waiting)
        if not self._after:
            self._brought = {task_id: each for task_id, each in self._brought.items() if task_id in self._seen}
            self._seen.clear()
        # Those that were brought least often go first, and by lot where that is the same: what fails again and again is
        # not to hold up the rest of its host.
        due = sorted((task_id for task_id in waiting if self._is_due(task_id, began)), key=self._turn)
        for task_id in due[:_MOST_AT_ONCE]:
            self._bring(task_id, began)
        now = self._clock.monotonic()
        self._next_at = now + max(_EVERY_SECONDS, (now - began) * _TIMES_AS_LONG)

    def _waiting(self, began: float) -> dict[str, None]:
        """Return tasks with something to be sent, in the order of the outbox, from where the last round left off."""
        waiting: dict[str, None] = {}
        while True:
            page = self._outbox.page(self._after)
            waiting.update(dict.fromkeys(each.event.task_id for each in page))
            self._after = page[-1].key if len(page) == MOST_ON_A_PAGE else ""
            if not self._after or self._clock.monotonic() - began >= _LONGEST_SECONDS:
                return waiting

    def _is_due(self, task_id: str, now: float) -> bool:
        brought = self._brought.get(task_id)
        return brought is None or brought.again_at <= now

    def _turn(self, task_id: str) -> tuple[float, float]:
        brought = self._brought.get(task_id)
        return brought.pause if brought is not None else 0.0, self._random()

    def _bring(self, task_id: str, now: float) -> None:
        brought = self._brought.get(task_id)
        pause = _FIRST_PAUSE_SECONDS if brought is None else min(_LAST_PAUSE_SECONDS, brought.pause * 2)
        self._brought[task_id] = _Brought(now + pause, pause)
        self._submit(JOB, task_id)
