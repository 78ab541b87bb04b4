"""Who runs the periodic job: the holder of a record in the store, for as long as it renews it."""

from datetime import datetime, timedelta

from protes.clock import Clock, lies_ahead
from protes.store.protocols import Conflict, Records, Stored

_KIND, _KEY = "leader", "tick"
_LASTING = timedelta(seconds=6)
_CLOCKS_DIFFER = timedelta(seconds=30)


class Leadership:
    """One process's claim on leading; used by one thread."""

    def __init__(self, records: Records, clock: Clock, me: str) -> None:
        """Claim in the name of `me`, which no other process has."""
        self._records = records
        self._clock = clock
        self._me = me
        self._renew_at: float | None = None

    def resign(self) -> None:
        """Give the lead back, so that the next process need not wait for it to expire."""
        stored = self._records.get(_KIND, _KEY, self._clock.now())
        if stored is not None and stored.value["holder"] == self._me:
            self._records.delete(_KIND, _KEY)
        self._renew_at = None

    def held(self) -> bool:
        """Tell whether this process leads now; renews the claim when half of its time has passed."""
        measured = self._clock.monotonic()
        if self._renew_at is not None and measured < self._renew_at:
            return True
        self._renew_at = None
        now = self._clock.now()
        stored = self._records.get(_KIND, _KEY, now)
        if stored is not None and stored.value["holder"] != self._me and _lasts(stored, now):
            return False
        try:
            version = stored.version if stored is not None else 0
            self._records.put(
                _KIND, _KEY, {"holder": self._me}, now, expected_version=version, expires_at=now + _LASTING
            )
        except Conflict:
            return False
        self._renew_at = measured + _LASTING.total_seconds() / 2
        return True


def leading(records: Records, now: datetime) -> str | None:
    """Return the name of the process that leads now, or None."""
    stored = records.get(_KIND, _KEY, now)
    return str(stored.value["holder"]) if stored is not None and _lasts(stored, now) else None


def _lasts(stored: Stored, now: datetime) -> bool:
    """Tell whether a claim is to be believed: one that lasts for too long is of a clock that was wrong."""
    return stored.expires_at is not None and lies_ahead(stored.expires_at, now, _LASTING + _CLOCKS_DIFFER)
