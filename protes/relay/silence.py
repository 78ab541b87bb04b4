"""For how long an instance has been asked in vain: one small record per instance that fails.

What counts is not when it answered last, but when it failed first after that: while nobody asks, as while the gateway
is stopped, nothing can be said of it.
"""

from datetime import datetime, timedelta

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.store.protocols import Records

_KIND = "silence"
_SHORTEST = timedelta(hours=1)


class Silences:
    """The silence of each instance, in `Records`; written by who sweeps it, who is alone."""

    def __init__(self, records: Records, clock: Clock, lost_after_seconds: float) -> None:
        """Forget that an instance failed when it was not asked for as long as makes it lost, and an hour at least."""
        self._records = records
        self._clock = clock
        self._remembered = max(_SHORTEST, timedelta(seconds=lost_after_seconds))

    def failed(self, base_url: str, heard: datetime | None) -> timedelta:
        """Note that an instance does not answer now; return for how long it has been asked in vain.

        Args:
            base_url: the instance.
            heard: when it answered last, as far as this process knows.

        Raises:
            StoreError: the store could not answer.
        """
        now = self._clock.now()
        stored = self._records.get(_KIND, base_url, now)
        since = now if stored is None else parse_rfc3339(stored.value["since"])
        if since > now or (heard is not None and heard > since):
            since = now  # the clock was put back, or it has answered in between
        value = {"since": rfc3339(since)}
        self._records.put(_KIND, base_url, value, now, expires_at=now + self._remembered)
        return now - since
