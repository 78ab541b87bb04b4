"""Removals of tasks are events, too, though no task is left that could be news.

A note is written before tasks are removed, and taken up by whoever writes the log once they are gone. A removal that
was interrupted leaves a note that is given up after a while.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.events.event import Event
from protes.store.ids import new_token
from protes.store.protocols import Records, TaskStore
from protes.store.records import TaskRecord

KIND = "removals"


class Removals:
    """Removes tasks so that it becomes an event."""

    def __init__(self, tasks: TaskStore, records: Records, clock: Clock) -> None:
        """Remove from `tasks`; notes are kept in `records`."""
        self._tasks = tasks
        self._records = records
        self._clock = clock

    def note(self, task_ids: Iterable[str]) -> None:
        """Note that these tasks, those of them that are there, are about to be removed. Raises StoreError."""
        found = [each for task_id in task_ids if (each := self._tasks.get(task_id, head=True)) is not None]
        if found:
            now = self._clock.now()
            value = {"at": rfc3339(now), "tasks": [_noted(each) for each in found]}
            self._records.put(KIND, new_token(), value, now)

    def remove(self, task_ids: Sequence[str]) -> int:
        """Remove tasks; return how many were there. Raises StoreError."""
        self.note(task_ids)
        return self._tasks.delete_many(task_ids)


def removed_events(note: Mapping[str, Any]) -> Sequence[Event]:
    """Return the events that a note stands for, once its tasks are gone."""
    at = parse_rfc3339(note["at"])
    return [Event(task_id, at, owner, audience, None, moves=moves) for task_id, owner, audience, moves in note["tasks"]]


def _noted(record: TaskRecord) -> list[Any]:
    return [record.id, record.owner, record.audience, record.moves + 1]
