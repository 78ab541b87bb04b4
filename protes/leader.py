"""Who runs the periodic job: the holder of a record in the store, for as long as it renews it."""

from datetime import datetime, timedelta

from protes.clock import Clock
from protes.store.protocols import Conflict, Records

_KIND, _KEY = "leader", "tick"
_LASTING = timedelta(seconds=6)


class Leadership:
    """One process's claim on leading; used by one thread."""

    def __init__(self, records: Records, clock: Clock, me: str) -> None:
        """Claim in the name of `me`, which no other process has."""
        self._records = records
        self._clock = clock
        self._me = me
        self._until: datetime | None = None

    def resign(self) -> None:
        """Give the lead back, so that the next process need not wait for it to expire."""
        stored = self._records.get(_KIND, _KEY, self._clock.now())
        if stored is not None and stored.value["holder"] == self._me:
            self._records.delete(_KIND, _KEY)
        self._until = None

    def held(self) -> bool:
        """Tell whether this process leads now; renews the claim when half of its time has passed."""
        now = self._clock.now()
        if self._until is not None and now < self._until - _LASTING / 2:
            return True
        stored = self._records.get(_KIND, _KEY, now)
        if stored is not None and stored.value["holder"] != self._me:
            self._until = None
            return False
        until = now + _LASTING
        try:
            version = stored.version if stored is not None else 0
            self._records.put(_KIND, _KEY, {"holder": self._me}, now, expected_version=version, expires_at=until)
        except Conflict:
            self._until = None
            return False
        self._until = until
        return True
