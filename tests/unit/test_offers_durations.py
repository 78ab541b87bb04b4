"""Durations and intervals of ISO 8601."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.offers.durations import (
    Interval,
    parse_duration,
    parse_interval,
    write_duration,
    write_instant,
    write_interval,
)

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT1H", 3600), ("PT0S", 0), ("P1D", 86_400), ("P1W", 604_800), ("P1DT1H1M1.5S", 90_061.5), ("PT90M", 5400)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1H", "P1DT", "P1Y", "P1M", "1H", "PT-1S", "PT1H ", "PT١H", "P99999D", "pt1h", "PT1.5H"]
)
def test_what_is_no_duration_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="such as PT1H30M"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2030-01-01T12:00:00Z/PT600S", 0, 600),
        ("2030-01-01T12:00:00Z/2030-01-01T13:00:00Z", 0, 3600),
        ("PT1H/2030-01-01T12:00:00Z", -3600, 0),
        ("2030-01-01T14:00:00+02:00", 0, 0),
    ],
)
def test_intervals_are_read(text: str, start: int, end: int) -> None:
    assert parse_interval(text) == Interval(NOON + timedelta(seconds=start), NOON + timedelta(seconds=end))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "soon",
        "2030-01-01",
        "2030-01-01T12:00:00",
        "PT1H/PT1H",
        "2030-01-01T12:00:00Z/",
        "2030-01-01T12:00:00Z/2030-01-01T11:00:00Z",
        "2030-13-01T12:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00Z/P1W",
        "P1W/0001-01-01T00:00:00Z",
    ],
)
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_interval(text)


@given(milliseconds=st.integers(0, 10**12))
def test_what_is_written_is_read_again_in_whole_seconds_rounded_up(milliseconds: int) -> None:
    assert parse_duration(write_duration(milliseconds)) == -(-milliseconds // 1000)


@given(milliseconds=st.integers(0, 10**10))
def test_intervals_are_read_again(milliseconds: int) -> None:
    read = parse_interval(write_interval(NOON, milliseconds))
    assert read == Interval(NOON, NOON + timedelta(seconds=-(-milliseconds // 1000)))


def test_times_are_written_as_every_version_of_the_schema_reads_them() -> None:
    assert write_instant(NOON.replace(microsecond=5)) == "2030-01-01T12:00:00Z"
    assert write_interval(NOON, 600_000) == "2030-01-01T12:00:00Z/PT600S"
    assert [write_duration(each) for each in (0, 32_000, 3_600_000, 5_405_001)] == [
        "PT0S",
        "PT32S",
        "PT1H",
        "PT1H30M6S",
    ]
