"""The library's only look at the calendar; intervals are measured with a monotonic clock."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The time of day, aware, in UTC."""
    return datetime.now(UTC)
