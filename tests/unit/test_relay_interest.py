"""Marks of what is read: cheap, bounded, shared, and forgotten."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.relay.interest import LASTING_SECONDS, MOST_TASKS, Interest, Shown
from protes.store.memory import MemoryRecords
from protes.store.protocols import Stored, StoreUnavailable
from tests.support.waiting import wait_until


class CountingRecords(MemoryRecords):
    """Counts what it is asked, and is down if told so."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0
        self.scans = 0
        self.down = False

    def put(self, *args: Any, **named: Any) -> int:
        self._check()
        self.puts += 1
        return super().put(*args, **named)

    def scan(self, *args: Any, **named: Any) -> Sequence[Stored]:
        self._check()
        self.scans += 1
        return super().scan(*args, **named)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("down")


def mark(interest: Interest, *task: str) -> None:
    """Mark, and have it written."""
    interest.mark(*task)
    written()


def written() -> None:
    """Wait for what readers do not wait for."""
    wait_until(lambda: all(each.name != "protes-interest" for each in threading.enumerate()), "marks are written")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def records() -> CountingRecords:
    return CountingRecords()


def test_what_one_process_marks_another_one_sees(records: CountingRecords, clock: ManualClock) -> None:
    reader, sweeper = Interest(records, clock, "api"), Interest(records, clock, "worker")
    mark(reader, "one", "https://a.example")
    assert sweeper.shown() == Shown(frozenset({"one"}), frozenset({"https://a.example"}))
    mark(reader, "two")
    clock.advance(1)
    mark(reader, "three")
    assert sweeper.shown().tasks == {"one", "two", "three"}


def test_ten_thousand_reads_a_second_are_one_write(records: CountingRecords, clock: ManualClock) -> None:
    reader = Interest(records, clock, "api")
    for number in range(10_000):
        reader.mark(f"task{number % 50}")
    written()
    assert records.puts == 1
    clock.advance(1)
    mark(reader, "task0")
    assert records.puts == 2


def test_looking_is_one_read_a_second(records: CountingRecords, clock: ManualClock) -> None:
    sweeper = Interest(records, clock, "worker")
    for _ in range(100):
        sweeper.shown()
    assert records.scans == 1


def test_interest_passes(records: CountingRecords, clock: ManualClock) -> None:
    reader = Interest(records, clock, "api")
    mark(reader, "one")
    clock.advance(LASTING_SECONDS + 1)
    assert reader.shown() == Shown()
    mark(reader, "two")
    assert Interest(records, clock, "other").shown().tasks == {"two"}


def test_the_newest_marks_are_kept(records: CountingRecords, clock: ManualClock) -> None:
    reader = Interest(records, clock, "api")
    for number in range(MOST_TASKS + 10):
        reader.mark(f"task{number}")
    written()
    clock.advance(1)
    shown = reader.shown().tasks
    assert len(shown) == MOST_TASKS
    assert "task9" not in shown
    assert f"task{MOST_TASKS + 9}" in shown


def test_a_store_that_is_down_costs_the_marks_only(records: CountingRecords, clock: ManualClock) -> None:
    interest = Interest(records, clock, "api")
    records.down = True
    mark(interest, "one")
    assert interest.shown() == Shown()


def test_who_reads_does_not_wait_for_a_store_that_cannot_write(clock: ManualClock) -> None:
    class Stuck(CountingRecords):
        def put(self, *args: Any, **named: Any) -> int:
            assert free.wait(30)
            return super().put(*args, **named)

    free, records = threading.Event(), Stuck()
    interest = Interest(records, clock, "api")
    interest.mark("one")
    clock.advance(5)
    interest.mark("two")
    assert records.puts == 0
    free.set()
    written()
    clock.advance(1)
    mark(interest, "three")
    assert Interest(records, clock, "other").shown().tasks == {"one", "two", "three"}


def test_who_does_not_know_where_a_task_runs_leaves_what_others_said(
    records: CountingRecords, clock: ManualClock
) -> None:
    reader, sweeper = Interest(records, clock, "api"), Interest(records, clock, "worker")
    mark(reader, "one", "https://a.example")
    clock.advance(5)
    mark(reader, "one")
    assert sweeper.shown().instances == {"https://a.example"}
    reader.mark("one", "https://b.example")  # it has moved, a moment after the mark
    clock.advance(1)
    assert reader.shown().instances == {"https://b.example"}


def test_where_a_task_runs_is_asked_once_for_each_version(records: CountingRecords, clock: ManualClock) -> None:
    reader = Interest(records, clock, "api")
    assert reader.asks_where("one", 1)
    reader.mark("one", version=1)
    reader.mark("two")
    assert not reader.asks_where("one", 1)
    assert reader.asks_where("one", 2)
    assert reader.asks_where("two", 1)
    reader.mark("one", "https://a.example", version=2)
    assert not reader.asks_where("one", 2)
    written()


def test_a_process_without_room_for_a_thread_writes_later(
    records: CountingRecords, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reader = Interest(records, clock, "api")
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", no_room)
        reader.mark("one")
    assert records.puts == 0
    clock.advance(1)
    mark(reader, "two")
    assert Interest(records, clock, "other").shown().tasks == {"one", "two"}
