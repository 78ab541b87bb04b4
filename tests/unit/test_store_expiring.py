"""What is old is removed: in batches, within a time, and nothing that is still needed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from protes.clock import ManualClock
from protes.store.expiring import RECORDS_AT_ONCE, TASKS_AT_ONCE, Expiry
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.store.protocols import StoreUnavailable
from protes.store.records import TaskQuery
from tests.support.task_records import START, a_task, at, forwarded

KEPT = 100.0


class Slow(MemoryRecords):
    """Records whose removal takes its time."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self.batches = 0
        self._clock = clock
        self._seconds = seconds

    def expire(self, now: datetime, limit: int = 1000) -> int:
        self.batches += 1
        self._clock.advance(self._seconds)
        return super().expire(now, limit)


class Dying(MemoryTaskStore):
    """Tasks that cannot be removed now."""

    down = True

    def delete_many(self, task_ids: Sequence[str]) -> int:
        if self.down:
            raise StoreUnavailable("down")
        return super().delete_many(task_ids)


def ended(tasks: MemoryTaskStore, seconds: float, count: int = 1) -> list[str]:
    """Store tasks that have ended at a time; return their ids."""
    ids = [tasks.create(a_task()).id for _ in range(count)]
    tasks.request_cancels(ids, at(seconds))
    return ids


def left(tasks: MemoryTaskStore) -> set[str]:
    """Return the ids of the tasks that are there."""
    return {record.id for record in tasks.list(TaskQuery(limit=10_000))}


def test_tasks_go_when_they_have_been_kept_long_enough_with_what_is_theirs() -> None:
    tasks, records, clock = MemoryTaskStore(), MemoryRecords(), ManualClock(START)
    [old], [young] = ended(tasks, 10), ended(tasks, 11)
    waiting = tasks.create(a_task()).id
    with_copy = forwarded(tasks, a_task()).id
    tasks.request_cancel(with_copy, at(1))
    tasks.close_cancel(with_copy, "unconfirmed", at(2))
    for task_id in (old, young):
        for kind in ("of a task", "other"):
            records.put(kind, task_id, {}, START)
    expiry = Expiry(tasks, records, clock, KEPT, ("of a task",))
    clock.advance(110)
    assert expiry.expire_tasks() == 0  # kept for a hundred seconds, not for less
    clock.advance(1)
    assert expiry.expire_tasks() == 1
    assert left(tasks) == {young, waiting, with_copy}
    assert [stored.key for stored in records.scan("of a task", "", START)] == [young]
    assert len(records.scan("other", "", START)) == 2


def test_without_a_limit_they_are_kept_for_ever() -> None:
    tasks, clock = MemoryTaskStore(), ManualClock(START)
    ids = ended(tasks, 0, 3)
    clock.advance(10**9)
    assert Expiry(tasks, MemoryRecords(), clock, None).expire_tasks() == 0
    assert left(tasks) == set(ids)


def test_what_is_still_needed_stays() -> None:
    tasks, clock = MemoryTaskStore(), ManualClock(START)
    ended(tasks, 10, 2)
    [needed] = ended(tasks, 20)
    clock.advance(10_000)
    expiry = Expiry(tasks, MemoryRecords(), clock, KEPT, (), lambda moment: min(moment, at(20)))
    assert expiry.expire_tasks() == 2
    assert left(tasks) == {needed}


def test_all_batches_go_in_one_run_where_there_is_time() -> None:
    tasks, records, clock = MemoryTaskStore(), MemoryRecords(), ManualClock(START)
    count = 2 * TASKS_AT_ONCE + 1
    ended(tasks, 0, count)
    for n in range(2 * RECORDS_AT_ONCE + 1):
        records.put("kind", str(n), {}, START, expires_at=at(1))
    expiry = Expiry(tasks, records, clock, KEPT)
    clock.advance(KEPT + 1)
    assert expiry.expire_tasks() == count
    assert expiry.expire_records() == 2 * RECORDS_AT_ONCE + 1
    assert records.expire(clock.now()) == 0


def test_a_run_ends_in_time_and_the_next_one_goes_on() -> None:
    clock = ManualClock(START)
    records = Slow(clock, 4.0)
    for n in range(5 * RECORDS_AT_ONCE):
        records.put("kind", str(n), {}, START, expires_at=START + timedelta(seconds=1))
    expiry = Expiry(MemoryTaskStore(), records, clock, KEPT)
    clock.advance(1)
    assert expiry.expire_records() == 3 * RECORDS_AT_ONCE  # after 4, 8 and 12 seconds
    assert records.batches == 3
    assert expiry.expire_records() == 2 * RECORDS_AT_ONCE


def test_a_removal_that_was_interrupted_is_taken_up_again() -> None:
    tasks, records, clock = Dying(), MemoryRecords(), ManualClock(START)
    [task_id] = ended(tasks, 0)
    records.put("of a task", task_id, {}, START)
    clock.advance(KEPT + 1)
    expiry = Expiry(tasks, records, clock, KEPT, ("of a task",))
    with pytest.raises(StoreUnavailable):
        expiry.expire_tasks()
    assert left(tasks) == {task_id}
    tasks.down = False
    assert expiry.expire_tasks() == 1
    assert not left(tasks)
    assert not records.scan("of a task", "", START)
