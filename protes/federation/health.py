"""Passive health: an instance that fails is left out for a while, longer each time (Envoy's outlier detection).

Only changes are written, so that a healthy federation costs the store nothing. Ejections are shared through the store;
counts of failures in a row stay in the process that saw them.
"""

import threading
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.federation.codec import ejection_from_json, ejection_to_json
from protes.federation.known import Ejection
from protes.store.protocols import Records
from protes.tes.errors import DownstreamError, Refused, TaskMissing, Throttled, Unreachable

EJECTION_KIND = "ejection"
CONSECUTIVE_FAILURES = 3
BASE_EJECTION = timedelta(seconds=2)
MAX_EJECTION = timedelta(seconds=60)
MAX_RETRY_AFTER_SECONDS = 3600.0
# How long a past ejection makes the next one longer.
_REMEMBERED = timedelta(seconds=300)


class Health:
    """Counts failures per instance and ejects."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Keep ejections in `records`."""
        self._records = records
        self._clock = clock
        self._failures: dict[str, int] = {}
        self._heard: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def succeeded(self, base_url: str) -> None:
        """Note an answer that was neither a failure of the way nor of the server."""
        with self._lock:
            self._failures.pop(base_url, None)
            self._heard[base_url] = self._clock.now()

    def heard(self, base_url: str) -> datetime | None:
        """Return when this process had an answer of the instance last, None where it had none."""
        with self._lock:
            return self._heard.get(base_url)

    def failed(self, base_url: str, error: DownstreamError) -> None:
        """Note a failure; eject an instance that cannot be reached at once, others after three in a row."""
        if isinstance(error, (Refused, TaskMissing)):
            self.succeeded(base_url)
            return
        with self._lock:
            failures = self._failures.get(base_url, 0) + 1
            self._failures[base_url] = failures
        if isinstance(error, Throttled):
            asked = min(error.retry_after or 1.0, MAX_RETRY_AFTER_SECONDS)
            self._eject(base_url, error, timedelta(seconds=asked))
        elif isinstance(error, Unreachable) or failures >= CONSECUTIVE_FAILURES:
            self._eject(base_url, error, None)

    def ejections(self) -> dict[str, Ejection]:
        """Return who is left out now, by base URL."""
        now = self._clock.now()
        stored = self._records.scan(EJECTION_KIND, "", now, limit=10_000)
        ejections = {each.key: ejection_from_json(each.value) for each in stored}
        return {url: ejection for url, ejection in ejections.items() if ejection.until > now}

    def _eject(self, base_url: str, error: DownstreamError, asked: timedelta | None) -> None:
        now = self._clock.now()
        stored = self._records.get(EJECTION_KIND, base_url, now)
        before = ejection_from_json(stored.value) if stored else None
        if before is not None and before.until > now and asked is None:
            return
        times = (before.times if before else 0) + 1
        lasting = asked or min(BASE_EJECTION * 2 ** min(times - 1, 10), MAX_EJECTION)
        ejection = Ejection(now + lasting, times, error.text)
        expires_at = ejection.until + _REMEMBERED
        self._records.put(EJECTION_KIND, base_url, ejection_to_json(ejection), now, expires_at=expires_at)
