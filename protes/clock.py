"""The only place that reads the time or sleeps.

Everything else is handed a `Clock`, so that tests can move time by hand.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What time it is, for stamping (`now`) and for measuring (`monotonic`)."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go backwards; only differences mean something."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` have passed; return whether it is set."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of the machine's monotonic clock."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` have passed; return whether it is set."""
        return event.wait(max(0.0, seconds))

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`."""
        time.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that stands still until a test moves it. Safe under threads."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        """Start at `start`, with the monotonic clock at 0."""
        self._start = start
        # Exact, as every later moment is a sum: of floats, two ways to one moment may end a microsecond apart.
        self._passed = timedelta(0)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time as moved so far."""
        with self._lock:
            return self._start + self._passed

    def monotonic(self) -> float:
        """Return the seconds moved so far."""
        with self._lock:
            return self._passed.total_seconds()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Move the clock by `seconds` unless `event` is set already."""
        if not event.is_set():
            self.advance(seconds)
        return event.is_set()

    def sleep(self, seconds: float) -> None:
        """Move the clock by `seconds`."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds` (0 or more), to the microsecond, by one at least."""
        if seconds < 0:
            raise ValueError("a clock moves forward only")
        moved = timedelta(seconds=seconds)
        if seconds and not moved:
            # Who waits again for the rest of a time, which may be a rounding error, would wait for ever.
            moved = timedelta.resolution
        with self._lock:
            self._passed += moved


def lies_ahead(moment: datetime, now: datetime, within: timedelta) -> bool:
    """Tell whether a stored time is still to come, by no more than whoever wrote it may have meant (`within`).

    A time further ahead was written by a clock that was wrong, or is read by one. It is as good as passed: a clock that
    is put back by an hour must not stop the work for an hour.
    """
    return now < moment <= now + within


def rfc3339(moment: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC with microseconds and `Z`.

    Raises:
        ValueError: `moment` is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("a stored time must be aware")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """Read what `rfc3339` wrote.

    Raises:
        ValueError: `text` is not such a time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a stored time must be aware")
    return moment.astimezone(UTC)
