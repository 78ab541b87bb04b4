"""The event log on every store: no gaps, one writer per place, and the same for whoever reads it."""

from __future__ import annotations

from protes.clock import ManualClock
from protes.events.announcing import Announcer
from protes.events.event import Event
from protes.events.log import EventLog
from protes.events.removals import Removals
from protes.store.records import Transition
from protes.tes.states import State
from tests.contract.conftest import Backend
from tests.support.task_records import START, a_task, at, forwarded
from tests.support.waiting import at_once

DAY = 86400.0


def test_processes_that_write_at_once_take_turns(backend: Backend) -> None:
    clock = ManualClock(START)
    stores = [backend.stores, *(backend.reopen() for _ in range(2) if backend.reopen is not None)]
    logs = [EventLog(each.records, clock) for each in stores]

    def write(number: int) -> int:
        written = 0
        while written < 5:
            log = logs[number]
            written += log.append(log.next_place(), [Event(f"{number}-{written}", START)], DAY)
        return written

    at_once([lambda number=number: write(number) for number in range(len(logs))])  # type: ignore[misc]
    for log in logs:
        batches = log.after(0, 100)
        assert [each.number for each in batches] == list(range(1, 5 * len(logs) + 1))
        assert log.last() == len(batches)
        assert log.first_kept() == 1
        for number in range(len(logs)):
            ids = [event.task_id for each in batches for event in each.events if event.task_id[0] == str(number)]
            assert ids == [f"{number}-{place}" for place in range(5)]


def test_what_one_process_changes_another_announces_and_all_read(backend: Backend) -> None:
    clock = ManualClock(START)
    other = backend.reopen() if backend.reopen is not None else backend.stores
    record = forwarded(backend.stores.tasks, a_task(tags=("a=b",), owner="ann", audience="user:ann"))
    announcer = Announcer(other.tasks, other.records, EventLog(other.records, clock), clock, DAY)
    announcer.announce()
    seen = Transition(record.id, 1, State.COMPLETE, finished=True)
    backend.stores.tasks.transition([seen], at(5))
    Removals(backend.stores.tasks, backend.stores.records, clock).note([record.id])
    announcer.announce()
    backend.stores.tasks.delete(record.id)
    announcer.announce()
    events = [event for batch in EventLog(backend.stores.records, clock).after(0) for event in batch.events]
    assert [(event.state, event.audience) for event in events] == [
        (State.QUEUED, "user:ann"),
        (State.COMPLETE, "user:ann"),
        (None, "user:ann"),
    ]
    assert events[1].at == at(5)
    assert announcer.announce() == 0
