"""How long a task that no instance could take waits for the next try: pure."""

from datetime import datetime, timedelta

_SHARE_OF_AGE = 0.2


def next_try(created_at: datetime, now: datetime, first_seconds: float, last_seconds: float) -> datetime:
    """Return when to try again: a fifth of the task's age from now, within the two bounds (seconds)."""
    age = (now - created_at).total_seconds()
    return now + timedelta(seconds=min(last_seconds, max(first_seconds, age * _SHARE_OF_AGE)))
