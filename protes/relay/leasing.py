"""Who sweeps an instance, and where the next one goes on: one small record per instance.

At most one worker sweeps an instance at a time, as long as their clocks are not far apart. A worker that was stopped
and wakes up finds that it has lost its lease before it goes on; what it has just stored is harmless, since states move
one way.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from protes.clock import Clock, lies_ahead, parse_rfc3339, rfc3339
from protes.store.ids import new_token
from protes.store.protocols import Conflict, Records, Stored, StoreError
from protes.tes.listing import Place

logger = logging.getLogger(__name__)

LASTING = timedelta(seconds=10)
"""A lease is kept up by its holder, who may be dead: the instance waits so long for another one."""
_REMEMBERED = timedelta(hours=1)
_CLOCKS_DIFFER = timedelta(seconds=30)
_KIND = "sweep"


class SweepLost(Exception):
    """The lease has ended, and another worker sweeps the instance."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sweeps of an instance have come.

    Attributes:
        place: where the list was left; None: it begins anew.
        after: the id of the task that was asked for last, one by one, where not all could be; "": it begins anew.
    """

    place: Place | None = None
    after: str = ""


@dataclass(slots=True)
class SweepLease:
    """A worker's claim on sweeping one instance. Used by one thread.

    Attributes:
        base_url: the instance.
        progress: where to go on; what it is when the lease is given back is what the next one finds.
    """

    base_url: str
    progress: Progress
    _records: Records = field(repr=False)
    _clock: Clock = field(repr=False)
    _token: str = field(repr=False)
    _version: int
    _until: datetime

    def keep(self) -> None:
        """Make the lease last on; costs nothing while it is young.

        Raises:
            SweepLost: somebody else has it.
            StoreError: the store could not answer.
        """
        now = self._clock.now()
        if lies_ahead(self._until, now + LASTING / 2, LASTING / 2):
            return
        until = now + LASTING
        value = _value(self._token, until, self.progress)
        self._version = _put(self._records, self.base_url, value, now, self._version)
        self._until = until

    def give_back(self) -> None:
        """Let the next sweep begin; where the store does not answer, the lease ends by itself."""
        now = self._clock.now()
        try:
            with suppress(SweepLost):
                _put(self._records, self.base_url, _value(None, now, self.progress), now, self._version)
        except StoreError as error:
            logger.warning("the lease on sweeping %s could not be given back: %s", self.base_url, error)

    def leave_off(self, **changes: Any) -> None:
        """Change the progress."""
        self.progress = replace(self.progress, **changes)


class SweepLeases:
    """The leases of all instances, in `Records`."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Take leases by this clock."""
        self._records = records
        self._clock = clock

    def take(self, base_url: str) -> SweepLease | None:
        """Take the lease of an instance; None where another worker has it. Raises StoreError."""
        now = self._clock.now()
        stored = self._records.get(_KIND, base_url, now)
        if stored is not None and _is_held(stored, now):
            return None
        progress = Progress() if stored is None else _progress(stored)
        token, until = new_token(), now + LASTING
        try:
            version = _put(
                self._records, base_url, _value(token, until, progress), now, stored.version if stored else 0
            )
        except SweepLost:
            return None
        return SweepLease(base_url, progress, self._records, self._clock, token, version, until)


def _put(records: Records, base_url: str, value: dict[str, Any], now: datetime, version: int) -> int:
    try:
        return records.put(_KIND, base_url, value, now, expected_version=version, expires_at=now + _REMEMBERED)
    except Conflict as conflict:
        raise SweepLost(base_url) from conflict


def _value(token: str | None, until: datetime, progress: Progress) -> dict[str, Any]:
    place = None if progress.place is None else [progress.place.state, progress.place.token]
    return {"token": token, "until": rfc3339(until), "place": place, "after": progress.after}


def _is_held(stored: Stored, now: datetime) -> bool:
    until = parse_rfc3339(stored.value["until"])
    return stored.value["token"] is not None and lies_ahead(until, now, LASTING + _CLOCKS_DIFFER)


def _progress(stored: Stored) -> Progress:
    place = stored.value["place"]
    return Progress(None if place is None else Place(*place), stored.value["after"])
