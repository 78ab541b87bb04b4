"""A lock in the store on all registrations, so that they are changed one at a time, whichever process does it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from protes.clock import Clock
from protes.store.protocols import Conflict, Records, StoreUnavailable

_KIND, _KEY = "registration_lock", "all"
_LASTS = timedelta(seconds=10)
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
        mine = uuid4().hex
        for _ in range(TRIES):
            now = self._clock.now()
            try:
                self._records.put(_KIND, _KEY, {"holder": mine}, now, expected_version=0, expires_at=now + _LASTS)
                break
            except Conflict:
                self._clock.wait(threading.Event(), _PAUSE_SECONDS)
        else:
            raise StoreUnavailable("other changes of registrations take too long")
        try:
            yield lambda: self._check_held(mine)
        finally:
            if self._is(mine):
                self._records.delete(_KIND, _KEY)

    def _is(self, holder: str) -> bool:
        held = self._records.get(_KIND, _KEY, self._clock.now())
        return held is not None and held.value["holder"] == holder

    def _check_held(self, holder: str) -> None:
        if not self._is(holder):
            raise StoreUnavailable("the store was too slow: registrations may have been changed by somebody else")
