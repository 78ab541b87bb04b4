"""An event log in memory, and who writes it."""

from __future__ import annotations

from typing import Any

from protes.clock import ManualClock
from protes.events.announcing import Announcer
from protes.events.event import Event
from protes.events.log import EventLog
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.tes.states import State
from tests.support.task_records import at

DAY = 86400.0


class Logged:
    """A log in memory, and who writes it."""

    def __init__(self, records: MemoryRecords | None = None) -> None:
        self.clock = ManualClock(at(0))
        self.tasks = MemoryTaskStore()
        self.records = records or MemoryRecords()
        self.log = EventLog(self.records, self.clock)
        self.told: list[str] = []
        self.announcer = Announcer(self.tasks, self.records, self.log, self.clock, DAY, self._tell)

    def _tell(self, moved: Any) -> None:
        self.told += [each.id for each in moved]

    def events(self) -> list[tuple[int, Event]]:
        """Return all that is kept, with ids."""
        return [each for batch in self.log.after(0, 1000) for each in batch.after(0)]

    def said(self) -> list[tuple[str, State | None]]:
        """Return tasks and states."""
        return [(event.task_id, event.state) for _, event in self.events()]
