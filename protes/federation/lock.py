"""A lock in the store on all registrations, so that they are changed one at a time, whichever process does it.

It is one record that stays, with its holder's time in it. Its version goes up whenever it changes hands, and what was
removed and made again would begin anew, so that compare-and-set tells a holder whose time is over from the one after.

Whoever is about to write takes the lock anew (`still`), which says in one step that it is his and gives the write
`_WRITE_LASTS`, longer than the store lets a write take. What remains is a process that stands still for longer than
that between the two: then two registrations may have one URL. They are one instance all the same (`merge.merge`), the
first by its id, and an operator can remove one.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from protes.clock import Clock
from protes.store.protocols import Conflict, Records, StoreError, StoreUnavailable

_KIND, _KEY = "registration_lock", "holder"
_LASTS = timedelta(seconds=10)
_WRITE_LASTS = timedelta(seconds=30)
_FURTHEST = timedelta(seconds=90)
"""A time that is further ahead is the mistake of a clock, and holds nobody up."""
TRIES = 100
_PAUSE_SECONDS = 0.05


class Lock:
    """See the module's text; that of a process that died expires."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Hold nothing yet."""
        self._records = records
        self._clock = clock

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Hold it while the block lasts.

        What it yields is called right before something is written: it raises StoreUnavailable where we took so long
        that the lock may be somebody else's by now, who has not seen what we are about to write.

        Raises:
            StoreUnavailable: others hold it for too long.
        """
        version = self._taken()

        def still() -> None:
            nonlocal version
            version = self._renewed(version)

        try:
            yield still
        finally:
            # What was done in the block is done, whatever becomes of this: the lock ends by itself.
            with suppress(StoreError):
                self._write(self._clock.now(), version)

    def _taken(self) -> int:
        """Wait until nobody holds the lock, take it, and return its version."""
        for _ in range(TRIES):
            now = self._clock.now()
            stored = self._records.get(_KIND, _KEY, now)
            if stored is None or not _is_held(stored.value["until"], now):
                with suppress(Conflict):
                    return self._write(now + _LASTS, stored.version if stored is not None else 0)
            self._clock.wait(threading.Event(), _PAUSE_SECONDS)
        raise StoreUnavailable("other changes of registrations take too long")

    def _renewed(self, version: int) -> int:
        try:
            return self._write(self._clock.now() + _WRITE_LASTS, version)
        except Conflict:
            text = "the store was too slow: registrations may have been changed by somebody else"
            raise StoreUnavailable(text) from None

    def _write(self, until: datetime, version: int) -> int:
        value = {"until": until.timestamp()}
        return self._records.put(_KIND, _KEY, value, self._clock.now(), expected_version=version)


def _is_held(until: float, now: datetime) -> bool:
    return now < datetime.fromtimestamp(until, UTC) <= now + _FURTHEST
