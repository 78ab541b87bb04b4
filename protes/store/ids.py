"""Identifiers: task ids that sort by time and cannot be guessed, and tokens."""

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: in ASCII order, without letters that are mistaken for others."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

_TIME_DIGITS = 10  # 50 bits: milliseconds until the year 37000
_COUNT_DIGITS = 2  # 1024 ids within a millisecond
_RANDOM_BYTES = 10  # 80 bits, which are 16 digits
_RANDOM_DIGITS = 16
_COUNTS = 32**_COUNT_DIGITS


class TaskIds:
    """Makes ids that ascend for as long as the process lives, also within a millisecond or when the clock is set back.

    An id is the time in milliseconds, a counter, and 80 random bits: to know one is not to know its neighbours.
    """

    def __init__(self) -> None:
        """Start before all times."""
        self._last = -1
        self._lock = threading.Lock()

    def new(self, now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
        """Return a new id of 28 characters out of `[0-9a-z]`.

        Raises:
            ValueError: `now` is before 1970.
            TypeError: `now` is naive.
        """
        moment = (now - _EPOCH) // _MILLISECOND
        if moment < 0:
            raise ValueError("a task cannot be older than 1970")
        with self._lock:
            # A counter that runs over borrows from the next millisecond.
            self._last = max(moment * _COUNTS, self._last + 1)
            stamp = self._last
        chance = int.from_bytes(random_bytes(_RANDOM_BYTES))
        return _digits(stamp, _TIME_DIGITS + _COUNT_DIGITS) + _digits(chance, _RANDOM_DIGITS)


def first_id(moment: datetime) -> str:
    """Return what is less than the id of every task made at `moment` or later, and greater than those of earlier ones.

    Raises:
        TypeError: `moment` is naive.
    """
    stamp = max(0, (moment - _EPOCH) // _MILLISECOND) * _COUNTS
    return _digits(stamp, _TIME_DIGITS + _COUNT_DIGITS)


def made_at(task_id: str) -> datetime:
    """Return when an id was made, to the millisecond.

    Raises:
        ValueError: it is not one of `TaskIds`.
    """
    if len(task_id) != _TIME_DIGITS + _COUNT_DIGITS + _RANDOM_DIGITS:
        raise ValueError("this is not an id of a task")
    stamp = 0
    for digit in task_id[:_TIME_DIGITS]:
        stamp = stamp << 5 | _ALPHABET.index(digit)
    return _EPOCH + stamp * _MILLISECOND


def _digits(number: int, width: int) -> str:
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(width)))


_ids = TaskIds()


def new_task_id(now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a new task id from this process's own sequence; see `TaskIds.new`."""
    return _ids.new(now, random_bytes)


def new_token() -> str:
    """Return an unguessable token (192 bits, `[A-Za-z0-9_-]`, no `-` first), such as a lease's, or an offer's id."""
    # What begins with a dash a command line takes for an option.
    while (token := secrets.token_urlsafe(24)).startswith("-"):
        pass
    return token
