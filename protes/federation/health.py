"""Passive health, shared by all workers: counts of failures, ejections and learned limits live in the store.

What an answer or a failure means is said in `protes.federation.health_rules`; here it is noted. Writing is
compare-and-set: where another worker noted something meanwhile, its note is read and this one is applied to it.

A healthy instance costs the store nothing. An answer touches it only where there is something to end: failures in a
row, or a limit that may grow. Whether there is, is known from the last look at the store (`states`, which every view of
the federation takes, twice a second) and from what this process wrote itself.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

from protes.clock import Clock
from protes.config.federation import HealthSettings
from protes.federation.health_codec import condition_from_json, condition_to_json
from protes.federation.health_rules import Condition, after_answer, after_failure
from protes.federation.known import Ejection, InstanceHealth
from protes.store.protocols import Conflict, Records, Stored, StoreError
from protes.tes.errors import (
    BadAnswer,
    DownstreamError,
    NotSent,
    Refused,
    ServerFault,
    TaskMissing,
    Throttled,
    TokenEnded,
    TokenUnreadable,
)

logger = logging.getLogger(__name__)

HEALTH_KIND = "health"
_PAGE = 1000
_TRIES = 8
_NOTHING = Condition()

_Change = Callable[[Condition, datetime], Condition]


class Observer(Protocol):
    """Likes to hear of it. Must be quick, and not raise."""

    def failed(self, base_url: str, error: DownstreamError, *, reading: bool) -> None:
        """A call of an instance has failed, or was refused."""

    def ejected(self, base_url: str, kind: str) -> None:
        """An instance is left out from now on, as this process has noted."""


class Health:
    """Notes answers and failures of instances, by base URL. Safe under threads; never fails for the store's sake."""

    def __init__(self, settings: HealthSettings, records: Records, clock: Clock) -> None:
        """Note in `records`."""
        self._settings = settings
        self._records = records
        self._clock = clock
        self.observer: Observer | None = None
        self._store_fails = False
        # Threads of this process do not compete for a record; held while the store is asked.
        self._noting = threading.Lock()
        # Guards what follows; never held while the store is asked.
        self._lock = threading.Lock()
        self._known: dict[str, Condition] = {}
        self._heard: dict[str, datetime] = {}
        self._doubted: set[str] = set()

    def succeeded(self, base_url: str, *, reading: bool = False, in_flight: int | None = None) -> None:
        """Note an answer that was neither a failure of the way nor of the server.

        Args:
            base_url: the instance.
            reading: it answers anything but POST /tasks; it then says nothing about submissions that failed.
            in_flight: our unfinished tasks there beside the one just submitted, so that a learned limit may grow.
        """
        now = self._clock.now()

        def change(before: Condition, now: datetime) -> Condition:
            return after_answer(before, now, self._settings, reading=reading, in_flight=in_flight)

        with self._lock:
            known = self._known.get(base_url, _NOTHING)
            self._heard[base_url] = now
            if not (reading and known.submission_failures):
                self._doubted.discard(base_url)
        if change(known, now) != known:
            self._note(base_url, change)

    def failed(
        self, base_url: str, error: DownstreamError, in_flight: int | None = None, *, reading: bool = False
    ) -> None:
        """Note a failure; a refusal and a missing task are answers, and noted as such.

        Args:
            base_url: the instance.
            error: what went wrong.
            in_flight: our unfinished tasks there beside the one that was refused, to learn a limit from 429.
            reading: it befell anything but POST /tasks.
        """
        if self.observer is not None:
            self.observer.failed(base_url, error, reading=reading)
        if isinstance(error, Refused | TaskMissing):
            self.succeeded(base_url, reading=reading)
            return
        if isinstance(error, NotSent | TokenEnded | TokenUnreadable):
            return  # none of them says anything of the instance
        if isinstance(error, ServerFault | Throttled | BadAnswer) and error.in_callers_name:
            # Some answer 500 or a page for logging in to a bad token (DIALECTS.md 2.7), and some count requests by
            # caller: nobody's token must take an instance from others.
            return
        with self._lock:
            self._doubted.add(base_url)

        def change(before: Condition, now: datetime) -> Condition:
            return after_failure(before, error, now, self._settings, reading=reading, in_flight=in_flight)

        self._note(base_url, change)

    def heard(self, base_url: str) -> datetime | None:
        """Return when this process had an answer of the instance last, None where it had none."""
        with self._lock:
            return self._heard.get(base_url)

    def proven(self, base_url: str) -> bool:
        """Tell whether this process had an answer of the instance since any worker saw it fail, or none did.

        One that is not proven is on probation: it is tried with one task at a time. Reads memory only; what other
        workers saw, also before this process began, is known from `states`.
        """
        with self._lock:
            return base_url not in self._doubted

    def states(self) -> dict[str, InstanceHealth]:
        """Return what there is to say of instances, by base URL; those with nothing to say are left out.

        Raises:
            StoreError: the store could not answer.
        """
        now = self._clock.now()
        read = {stored.key: condition_from_json(stored.value) for stored in self._scan(now)}
        with self._lock:
            for base_url, condition in read.items():
                if condition != self._known.get(base_url) and (condition.failing or condition.ejected(now)):
                    self._doubted.add(base_url)  # another worker saw it fail
            self._known = read
        states = {base_url: self._state(condition, now) for base_url, condition in read.items()}
        return {base_url: state for base_url, state in states.items() if state != InstanceHealth()}

    def ejections(self) -> dict[str, Ejection]:
        """Return who is left out now, by base URL. Raises StoreError like `states`."""
        return {url: state.ejection for url, state in self.states().items() if state.ejection is not None}

    def _state(self, condition: Condition, now: datetime) -> InstanceHealth:
        limit = condition.limited(now) if self._settings.learn_limits else None
        return InstanceHealth(
            gateway_failures=condition.gateway_failures,
            local_origin_failures=condition.local_origin_failures,
            ejection=condition.ejected(now),
            limit=limit.tasks if limit is not None else None,
            out_of_reach_since=condition.out_of_reach_since,
        )

    def _scan(self, now: datetime) -> Iterator[Stored]:
        after = ""
        while page := self._records.scan(HEALTH_KIND, "", now, after=after, limit=_PAGE):
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].key

    def _note(self, base_url: str, change: _Change) -> None:
        """Apply a change to what is stored; the caller's task goes on even where that cannot be done."""
        try:
            with self._noting:
                noted = self._compare_and_set(base_url, change)
        except StoreError as error:
            if not self._store_fails:
                logger.warning("the health of instances cannot be noted: %s", error)
            self._store_fails = True
            return
        self._store_fails = False
        with self._lock:
            self._known[base_url] = noted

    def _compare_and_set(self, base_url: str, change: _Change) -> Condition:
        before = _NOTHING
        for _ in range(_TRIES):
            now = self._clock.now()
            stored = self._records.get(HEALTH_KIND, base_url, now)
            before = condition_from_json(stored.value) if stored is not None else _NOTHING
            after = change(before, now)
            if after == before:
                break
            try:
                self._records.put(
                    HEALTH_KIND,
                    base_url,
                    condition_to_json(after),
                    now,
                    expected_version=stored.version if stored is not None else 0,
                    expires_at=after.expires_at(now),
                )
            except Conflict:
                continue  # another worker noted something: look again
            ejection = after.ejected(now)
            if self.observer is not None and ejection is not None and before.ejected(now) is None:
                self.observer.ejected(base_url, ejection.kind)
            return after
        return before
