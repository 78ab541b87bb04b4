"""For how long an instance has been asked in vain."""

from datetime import timedelta

import pytest

from protes.clock import ManualClock
from protes.relay.silence import Silences
from protes.store.memory import MemoryRecords

URL = "https://one.example"
DAY = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def silences(clock: ManualClock) -> Silences:
    return Silences(MemoryRecords(), clock, 7 * DAY)


def test_it_begins_with_the_first_failure_however_long_ago_it_answered(silences: Silences, clock: ManualClock) -> None:
    heard = clock.now()
    clock.advance(30 * DAY)
    assert silences.failed(URL, heard) == timedelta(0)
    clock.advance(DAY)
    assert silences.failed(URL, heard) == timedelta(days=1)
    assert silences.failed("https://two.example", heard) == timedelta(0)


def test_an_answer_ends_it(silences: Silences, clock: ManualClock) -> None:
    silences.failed(URL, None)
    clock.advance(DAY)
    heard = clock.now()
    clock.advance(DAY)
    assert silences.failed(URL, heard) == timedelta(0)
    clock.advance(DAY)
    assert silences.failed(URL, heard) == timedelta(days=1)


def test_it_outlasts_a_restart_but_not_a_time_without_questions(clock: ManualClock) -> None:
    records = MemoryRecords()
    Silences(records, clock, 7 * DAY).failed(URL, None)
    clock.advance(6 * DAY)
    assert Silences(records, clock, 7 * DAY).failed(URL, None) == timedelta(days=6)
    clock.advance(8 * DAY)
    assert Silences(records, clock, 7 * DAY).failed(URL, None) == timedelta(0)


def test_a_clock_that_was_ahead_begins_anew(clock: ManualClock) -> None:
    records, ahead = MemoryRecords(), ManualClock(clock.now() + timedelta(hours=1))
    Silences(records, ahead, 7 * DAY).failed(URL, None)
    right = Silences(records, clock, 7 * DAY)
    assert right.failed(URL, None) == timedelta(0)
    clock.advance(DAY)
    assert right.failed(URL, None) == timedelta(days=1)
