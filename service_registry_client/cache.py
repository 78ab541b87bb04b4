"""A registry's services at hand: refreshed in the background, kept while the registry is in trouble."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from service_registry_client.client import RegistryClient
from service_registry_client.clock import utc_now
from service_registry_client.errors import RegistryAnswer, RegistryError
from service_registry_client.fetching import Fetched, Fetcher
from service_registry_client.models import ExternalService, Listing
from service_registry_client.persistence import Kept, dump_kept, load_kept

# How far a registry's own max-age may move the time to live, in seconds.
_SHORTEST_TTL = 60.0
_LONGEST_TTL = 3600.0
_CLOSE_SECONDS = 1.0


@dataclass(frozen=True)
class Snapshot:
    """What is known of a registry's services at a moment.

    Attributes:
        services: The last good answer's; empty if there is none that is young enough.
        warnings: What to know about them, a text each.
        fetched_at: When the last good answer was given or confirmed, aware UTC; None if there is none young enough.
        stale: Whether the services may be out of date: past their time to live, or kept against the registry's word.
        error: Why the last attempt to refresh them failed; None if it did not.
        pending: Nested registries that have neither answered nor failed so far, by base URL; see `RegistryTree`.
    """

    services: tuple[ExternalService, ...] = ()
    warnings: tuple[str, ...] = ()
    fetched_at: datetime | None = None
    stale: bool = True
    error: str | None = None
    pending: tuple[str, ...] = ()


@dataclass(frozen=True)
class _State:
    """All that changes, replaced as a whole. Times ending in `_seconds` are on the monotonic clock."""

    listing: Listing | None = None
    fetched_at: datetime | None = None
    fetched_seconds: float = 0.0
    expires_seconds: float = 0.0
    not_before_seconds: float = float("-inf")
    error: str | None = None
    empty_since_seconds: float | None = None


class CachedRegistry:
    """A registry's services without waiting for the registry. Safe to use from several threads; owns the client.

    - A fresh answer is given as it is. One past its time to live is given at once as well, marked stale, while a single
      refresh runs in the background. Only without an answer younger than `max_stale_seconds` is the refresh waited for.
    - A failed refresh leaves what is known; the next attempt comes after `negative_ttl_seconds`, or after what the
      registry asks for by Retry-After, up to an hour.
    - A registry that suddenly lists nothing is not believed for `empty_grace_seconds`.
    - `Cache-Control: max-age` moves the time to live between a minute and an hour; `no-store` makes it a minute, and
      `dump` then keeps nothing.

    Args:
        client: The registry.
        verified_only: Whether only services are known that the registry itself vouches for, see `verified_services`.
            A refresh then asks for its verifications too; one that has none (404) fails like one that is in trouble.
        ttl_seconds: How long an answer is fresh if the registry does not say.
        max_stale_seconds: How old an answer may become while the registry is in trouble.
        jitter: By which part the time to live varies, so that many processes do not ask at once.
        negative_ttl_seconds: How long after a failure the registry is left alone; varies likewise.
        empty_grace_seconds: How long an empty list that follows services is not believed.
        clock: Monotonic seconds.
        now: The time of day, aware.
        random_fraction: A number from 0 to below 1.
    """

    def __init__(
        self,
        client: RegistryClient,
        *,
        verified_only: bool = False,
        ttl_seconds: float = 300.0,
        max_stale_seconds: float = 86_400.0,
        jitter: float = 0.2,
        negative_ttl_seconds: float = 30.0,
        empty_grace_seconds: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        random_fraction: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._fetcher = Fetcher(client, verified_only)
        self._verified_only = verified_only
        self._ttl_seconds = ttl_seconds
        self._max_stale_seconds = max_stale_seconds
        self._jitter = jitter
        self._negative_ttl_seconds = negative_ttl_seconds
        self._empty_grace_seconds = empty_grace_seconds
        self._clock = clock
        self._now = now
        self._random_fraction = random_fraction
        self._lock = threading.Lock()
        self._state = _State()
        self._flight: threading.Thread | None = None
        self._closed = False

    @property
    def url(self) -> str:
        """The registry's base URL."""
        return self._client.base_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def services(self, wait_seconds: float | None = None) -> Snapshot:
        """The services known now. Starts a refresh where one is due; never raises because of the registry.

        Args:
            wait_seconds: How long to wait for a refresh if there is no usable answer: None until it ends, which the
                client's deadline limits; 0 not at all.
        """
        with self._lock:
            usable = self._usable()
            flight = self._flying() or (self._take_off() if self._due() else None)
        if flight is not None and not usable:
            flight.join(wait_seconds)
        return self._snapshot()

    def refresh(self, force: bool = False, wait_seconds: float | None = None) -> Snapshot:
        """Refresh if that is due, or in any case with `force`, wait for it, and return what is known then.

        A refresh that runs already is joined, also with `force`.

        Args:
            force: Whether to refresh what is fresh, or left alone after a failure.
            wait_seconds: How long to wait: None until the refresh ends, which the client's deadline limits; 0 not at
                all.
        """
        with self._lock:
            flight = self._flying() or (self._take_off() if force or self._due() else None)
        if flight is not None:
            flight.join(wait_seconds)
        return self._snapshot()

    def dump(self) -> str:
        """The last good answer as JSON text for `load`; empty of services if there is none or it may not be kept."""
        with self._lock:
            state = self._state
        kept = Kept(state.listing, state.fetched_at) if state.listing and state.fetched_at else None
        return dump_kept(self.url, kept, verified_only=self._verified_only)

    def load(self, text: str) -> bool:
        """Take over what `dump` returned, in this process or an earlier one; it ages as if it had been here all along.

        Returns:
            Whether it was taken over: not if it is empty, too old, of another registry, of a cache with another
            `verified_only`, or older than what is known.

        Raises:
            ValueError: The text is not what `dump` returns.
        """
        kept = load_kept(text, self.url, verified_only=self._verified_only)
        if kept is None:
            return False
        # A wall clock may have been set back since.
        age = max(0.0, (self._now() - kept.fetched_at).total_seconds())
        with self._lock:
            known = self._state.fetched_at
            if age > self._max_stale_seconds or (known is not None and known >= kept.fetched_at):
                return False
            fetched = self._clock() - age
            self._state = replace(
                self._state,
                listing=kept.listing,
                fetched_at=kept.fetched_at,
                fetched_seconds=fetched,
                expires_seconds=fetched + self._varied(self._time_to_live(kept.listing)),
            )
        return True

    def nested(self, base_url: str) -> CachedRegistry:
        """A cache of a registry that this one lists, with the same options; see `RegistryClient.nested`.

        Raises:
            InvalidURL: `base_url` is no URL of a service.
        """
        return CachedRegistry(
            self._client.nested(base_url),
            verified_only=self._verified_only,
            ttl_seconds=self._ttl_seconds,
            max_stale_seconds=self._max_stale_seconds,
            jitter=self._jitter,
            negative_ttl_seconds=self._negative_ttl_seconds,
            empty_grace_seconds=self._empty_grace_seconds,
            clock=self._clock,
            now=self._now,
            random_fraction=self._random_fraction,
        )

    def close(self, wait_seconds: float = _CLOSE_SECONDS) -> None:
        """Break off a refresh that runs and close the client; what is known stays readable.

        Args:
            wait_seconds: How long to wait at most for the refresh to end.
        """
        with self._lock:
            self._closed = True
            flight = self._flight
        self._client.close()
        if flight is not None:
            flight.join(wait_seconds)

    # Under the lock

    def _usable(self) -> bool:
        age = self._clock() - self._state.fetched_seconds
        return self._state.listing is not None and age <= self._max_stale_seconds

    def _due(self) -> bool:
        now = self._clock()
        expired = self._state.listing is None or now >= self._state.expires_seconds
        return expired and now >= self._state.not_before_seconds

    def _flying(self) -> threading.Thread | None:
        # In a process forked during a refresh its thread is there in name only.
        return self._flight if self._flight is not None and self._flight.is_alive() else None

    def _take_off(self) -> threading.Thread | None:
        if self._closed:
            return None
        self._flight = threading.Thread(target=self._refresh, name="registry-refresh", daemon=True)
        self._flight.start()
        return self._flight

    # In the background thread

    def _refresh(self) -> None:
        failure: str | None = "an unexpected error, see the log"
        wait: float | None = None
        fetched: Fetched | None = None
        try:
            fetched = self._fetcher.fetch(self._state.listing)
            failure = None
        except RegistryError as error:
            failure = str(error)
            wait = error.retry_after_seconds if isinstance(error, RegistryAnswer) else None
        finally:
            # Whatever happens the flight ends, or everybody would wait for it for ever.
            with self._lock:
                self._flight = None
                if fetched is not None:
                    self._state = self._accepted(fetched)
                elif not self._closed:
                    self._state = self._failed(failure or "", wait)

    def _accepted(self, fetched: Fetched) -> _State:
        listing = fetched.listing
        now = self._clock()
        known = self._state
        expires = now + self._varied(self._time_to_live(listing))
        if fetched.empty and known.listing is not None and known.listing.services and self._usable():
            since = known.empty_since_seconds if known.empty_since_seconds is not None else now
            if now - since < self._empty_grace_seconds:
                return replace(known, expires_seconds=expires, error=None, empty_since_seconds=since)
        return _State(listing, self._now(), now, expires)

    def _failed(self, failure: str, retry_after_seconds: float | None) -> _State:
        wait = self._varied(self._negative_ttl_seconds)
        if retry_after_seconds is not None:
            wait = max(wait, min(retry_after_seconds, _LONGEST_TTL))
        return replace(self._state, error=failure, not_before_seconds=self._clock() + wait)

    # Times

    def _time_to_live(self, listing: Listing) -> float:
        if listing.no_store:
            return _SHORTEST_TTL
        if listing.max_age_seconds is None:
            return self._ttl_seconds
        return min(max(float(listing.max_age_seconds), _SHORTEST_TTL), _LONGEST_TTL)

    def _varied(self, seconds: float) -> float:
        return seconds * (1.0 + self._jitter * (2.0 * self._random_fraction() - 1.0))

    def _snapshot(self) -> Snapshot:
        with self._lock:
            state, usable, now = self._state, self._usable(), self._clock()
        if state.listing is None or not usable:
            return Snapshot(error=state.error)
        doubted = state.empty_since_seconds is not None
        warnings = state.listing.warnings
        if doubted:
            warnings = (*warnings, "the registry suddenly lists nothing; its earlier services are kept for a while")
        stale = doubted or now >= state.expires_seconds
        return Snapshot(state.listing.services, warnings, state.fetched_at, stale, state.error)
