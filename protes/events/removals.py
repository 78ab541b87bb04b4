"""Removals of tasks are events, too, though no task is left that could be news.

A note is written before tasks are removed, and taken up by whoever writes the log once they are gone. A removal that
was interrupted leaves a note that is given up after a while. What the log does not have yet of a task that is removed,
such as how it ended a moment ago, is in the note as well.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.events.event import Event, from_json, of_task, to_json
from protes.store.ids import new_token
from protes.store.protocols import Records, TaskStore
from protes.store.records import TaskRecord

KIND = "removals"


class Removals:
    """Removes tasks so that it becomes an event."""

    def __init__(
        self,
        tasks: TaskStore,
        records: Records,
        clock: Clock,
        told: Callable[[Sequence[TaskRecord]], None] = lambda _: None,
    ) -> None:
        """Remove from `tasks`; notes are kept in `records`.

        `told` is told of tasks whose newest state is not known to be in the log, while they are there; see `Announcer`.
        """
        self._tasks = tasks
        self._records = records
        self._clock = clock
        self._told = told

    def note(self, task_ids: Iterable[str]) -> None:
        """Note that these tasks, those of them that are there, are about to be removed. Raises StoreError."""
        found = [each for task_id in task_ids if (each := self._tasks.get(task_id, head=True)) is not None]
        if found:
            now = self._clock.now()
            news = [each for each in found if each.news is not None]
            if news:
                self._told(news)
            value = {
                "at": rfc3339(now),
                "tasks": [_noted(each) for each in found],
                "news": [to_json(of_task(each)) for each in news],
            }
            self._records.put(KIND, new_token(), value, now)

    def remove(self, task_ids: Sequence[str]) -> int:
        """Remove tasks; return how many were there. Raises StoreError."""
        self.note(task_ids)
        return self._tasks.delete_many(task_ids)


def removed_events(note: Mapping[str, Any]) -> Sequence[Event]:
    """Return the events that a note stands for, once its tasks are gone."""
    at = parse_rfc3339(note["at"])
    removed = [Event(task_id, at, owner, audience, moves=moves) for task_id, owner, audience, moves in note["tasks"]]
    return [*map(from_json, note.get("news", ())), *removed]


def _noted(record: TaskRecord) -> list[Any]:
    return [record.id, record.owner, record.audience, record.moves + 1]
