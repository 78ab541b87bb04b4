"""The clock that tests move, and how times are written."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.clock import ManualClock, lies_ahead, parse_rfc3339, rfc3339

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("wait", [0.01, 0.2278125, 1e9 / 7])
def test_a_moment_is_the_same_however_it_is_come_to(wait: float) -> None:
    clock = ManualClock()
    for count in range(1, 200):
        clock.advance(wait)
        expected = clock.now() + timedelta(days=1)
        clock.advance(24 * 3600)
        assert clock.now() == expected
        assert clock.monotonic() == pytest.approx(count * (wait + 24 * 3600))


@pytest.mark.parametrize("begun", [0.2, 1.1, 0.2278125, 3.3, 12.3])
@pytest.mark.parametrize("wait", [0.1, 0.3, 0.2278125, 20.0, 1e-9])
def test_who_waits_for_what_is_left_comes_to_the_end(begun: float, wait: float) -> None:
    clock = ManualClock()
    clock.advance(begun)
    until, waits = clock.monotonic() + wait, 0
    while (left := until - clock.monotonic()) > 0:
        clock.wait(threading.Event(), left)
        waits += 1
        assert waits <= 2
    assert clock.monotonic() == pytest.approx(until, abs=2e-6)


def test_waiting_for_no_time_at_all_moves_nothing() -> None:
    clock = ManualClock()
    clock.advance(0)
    assert (clock.monotonic(), clock.now()) == (0, NOW)


def test_a_clock_goes_forward_only() -> None:
    with pytest.raises(ValueError, match="forward only"):
        ManualClock().advance(-0.001)


@given(st.datetimes(timezones=st.timezones() | st.just(timezone(timedelta(hours=-9, minutes=-30)))))
def test_what_is_written_is_read(moment: datetime) -> None:
    if datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC):
        text = rfc3339(moment)
        assert text.endswith("Z")
        assert parse_rfc3339(text) == moment.astimezone(UTC)


def test_times_without_a_zone_are_neither_written_nor_read() -> None:
    with pytest.raises(ValueError, match="aware"):
        rfc3339(NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="aware"):
        parse_rfc3339("2030-01-01T00:00:00")


@pytest.mark.parametrize(("ahead", "expected"), [(-1, False), (0, False), (1, True), (60, True), (61, False)])
def test_what_lies_too_far_ahead_is_as_good_as_passed(ahead: int, expected: bool) -> None:
    assert lies_ahead(NOW + timedelta(seconds=ahead), NOW, timedelta(seconds=60)) is expected
