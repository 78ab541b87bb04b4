"""From tasks to the event log: whoever leads writes down what has changed (docs/events.md).

A change of state marks its task as news, in the same write. Here the news are read, written to the log, and then
unmarked. A crash in between repeats events; it loses none.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from protes.clock import Clock, parse_rfc3339
from protes.events.event import Event, of_task
from protes.events.log import MOST_IN_BATCH, EventLog
from protes.events.removals import KIND as REMOVALS
from protes.events.removals import removed_events
from protes.store.protocols import Records, Stored, TaskStore
from protes.store.records import TaskRecord

logger = logging.getLogger(__name__)

_MOST_BATCHES = 8
_MOST_REMEMBERED = 4 * MOST_IN_BATCH
_PATIENCE = timedelta(seconds=60)
"""For a removal that was begun: after that it is not waited for."""

Told = Callable[[Sequence[TaskRecord]], None]
"""Is told of the tasks whose events are in the log, before that is noted; what it does is repeated after a crash."""


@dataclass(frozen=True, slots=True)
class _Gone:
    """Tasks that were removed, and the notes of their removal, done with or not."""

    events: Sequence[Event]
    notes: Sequence[str]


class Announcer:
    """Writes the log. Safe to run twice at once; then one of the two does nothing."""

    def __init__(
        self,
        tasks: TaskStore,
        records: Records,
        log: EventLog,
        clock: Clock,
        keep_seconds: float,
        told: Told = lambda _: None,
    ) -> None:
        """Write of `tasks` to `log`, to be kept for `keep_seconds`."""
        self._tasks = tasks
        self._records = records
        self._log = log
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._told = told
        # The newest moves that were written last; a hint, like all that a process remembers by itself.
        self._written: OrderedDict[str, int] = OrderedDict()

    def announce(self) -> int:
        """Write down what is news, a bounded number of batches; return how many events. Raises StoreError."""
        total = 0
        for _ in range(_MOST_BATCHES):
            written = self._batch()
            total += written
            if written < MOST_IN_BATCH:
                break
        return total

    def _batch(self) -> int:
        if not self._tasks.unannounced(1) and not self._notes(1):
            return 0
        # The place first: whoever writes there has read the tasks after the batch before it was written, so that the
        # versions of a task never go down in the log.
        place = self._log.next_place()
        gone = self._gone(self._notes(MOST_IN_BATCH))
        moved = self._tasks.unannounced(max(0, MOST_IN_BATCH - len(gone.events)))
        events = [*sorted(map(of_task, moved), key=lambda each: (each.at, each.task_id)), *gone.events]
        if events and not self._log.append(place, events, self._keep_seconds):
            return 0
        if moved:
            self._told(moved)
            self._tasks.announced({each.id: each.news for each in moved if each.news is not None})
            self._remember(moved)
        if gone.notes:
            self._records.delete_many(REMOVALS, gone.notes)
        return len(events)

    def _notes(self, limit: int) -> Sequence[Stored]:
        return self._records.scan(REMOVALS, "", self._clock.now(), limit=limit)

    def _gone(self, notes: Sequence[Stored]) -> _Gone:
        """Return which of the tasks that somebody began to remove are gone; the others are waited for, for a while."""
        events: list[Event] = []
        done: list[str] = []
        for note in notes:
            noted = removed_events(note.value)
            there = self._tasks.versions([each.task_id for each in noted])
            if there and not self._is_old(note.value):
                continue
            gone = [each for each in noted if each.task_id not in there and not self._is_written(each)]
            if events and len(events) + len(gone) > MOST_IN_BATCH:
                break
            events += gone
            done.append(note.key)
        return _Gone(events, done)

    def _remember(self, moved: Sequence[TaskRecord]) -> None:
        self._written.update((each.id, each.moves) for each in moved)
        while len(self._written) > _MOST_REMEMBERED:
            self._written.popitem(last=False)

    def _is_written(self, event: Event) -> bool:
        """Tell whether what a note says of a task was written already, while the task was there still."""
        return event.state is not None and self._written.get(event.task_id, 0) >= event.moves

    def _is_old(self, note: Mapping[str, str]) -> bool:
        return abs(self._clock.now() - parse_rfc3339(note["at"])) > _PATIENCE
