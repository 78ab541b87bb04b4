"""Durations and intervals of ISO 8601, as the Execution Broker writes them (STANDARDS.md 5.1).

Durations that depend on the calendar (years, months) are refused: a run time has a length in seconds.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,4})W)?(?:(?P<days>[0-9]{1,5})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,7})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,10}(?:[.,][0-9]{1,9})?)S)?)?"
)
_UNITS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_LONGEST = 100 * 366 * 86_400

DURATION_EXPECTED = "must be an ISO 8601 duration in weeks, days, hours, minutes and seconds, such as PT1H30M"
INTERVAL_EXPECTED = (
    "must be an ISO 8601 interval with an offset, start/duration, start/end or duration/end, such as "
    "2030-01-01T12:00:00Z/PT30M"
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of time.

    Attributes:
        start: its begin, aware.
        end: its end, aware, not before the begin.
    """

    start: datetime
    end: datetime


def parse_duration(text: str) -> float:
    """Read a duration, in seconds.

    Raises:
        ValueError: it is none, or one that depends on the calendar, or longer than a century.
    """
    match = _DURATION.fullmatch(text)
    parts = {name: value for name, value in match.groupdict().items() if value} if match else {}
    if not parts or text.endswith("T"):
        raise ValueError(DURATION_EXPECTED)
    seconds = sum(float(value.replace(",", ".")) * _UNITS[name] for name, value in parts.items())
    if seconds > _LONGEST:
        raise ValueError(DURATION_EXPECTED)
    return seconds


def parse_interval(text: str) -> Interval:
    """Read an interval; a single moment is one of no length.

    Raises:
        ValueError: it is none, ends before it begins, or has a time without an offset.
    """
    first, slash, second = text.partition("/")
    try:
        interval = _interval(first, second) if slash else Interval(_instant(text), _instant(text))
    except (ValueError, OverflowError):
        raise ValueError(INTERVAL_EXPECTED) from None
    if interval.end < interval.start:
        raise ValueError("must not end before it begins")
    return interval


def _interval(first: str, second: str) -> Interval:
    if first.startswith("P"):
        end = _instant(second)
        return Interval(end - timedelta(seconds=parse_duration(first)), end)
    start = _instant(first)
    if second.startswith("P"):
        return Interval(start, start + timedelta(seconds=parse_duration(second)))
    return Interval(start, _instant(second))


def _instant(text: str) -> datetime:
    if not _INSTANT.fullmatch(text):
        raise ValueError(INTERVAL_EXPECTED)
    return datetime.fromisoformat(text).astimezone(UTC)


def write_duration(milliseconds: int) -> str:
    """Write a time as a duration, in whole seconds rounded up: `PT1H30M5S`, `PT0S`."""
    seconds = math.ceil(milliseconds / 1000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = ((hours, "H"), (minutes, "M"), (seconds, "S"))
    return "PT" + ("".join(f"{value}{unit}" for value, unit in parts if value) or "0S")


def write_instant(moment: datetime) -> str:
    """Write an aware time in whole seconds: every version of the schema reads that."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def write_interval(start: datetime, milliseconds: int) -> str:
    """Write an interval as `start/PTnS`, which every version of the schema reads."""
    return f"{write_instant(start)}/PT{math.ceil(milliseconds / 1000)}S"
