"""An issuer's keys as this process knows them: fetched when needed, kept through an outage (DESIGN.md section 7).

- Keys younger than half of `refresh_seconds` are used as they are. Older ones are used while a thread fetches anew.
- Keys older than `refresh_seconds` are fetched before they are used, so that one that was taken back is refused by
  then. Where the issuer has just failed to answer, they go on working for `keep_keys_seconds`.
- A token that names an unknown key has the keys fetched, but never sooner than `refetch_seconds` after the last time:
  whoever makes up names of keys cannot make us a nuisance to the issuer.
- One thread fetches at a time. Of those that cannot go on without it, a few wait; the others are told to come again.
"""

import logging
import math
import threading
from collections.abc import Sequence

from protes.auth.fetching import FetchFailed, fetch_keys
from protes.auth.keys import KeySet
from protes.clock import Clock
from protes.config.auth import AuthSettings, IssuerSettings

logger = logging.getLogger(__name__)

_PAUSE_WITHOUT_KEYS_SECONDS = 5.0
_MOST_WAITING = 8
"""Requests that may wait for keys at once: an issuer that is slow must not hold every thread."""


class KeysUnavailable(Exception):
    """No keys of the issuer are known, or they must not be trusted any longer.

    Attributes:
        retry_after_seconds: when there may be some.
    """

    def __init__(self, retry_after_seconds: float) -> None:
        """Say when to come again."""
        super().__init__("the issuer's keys cannot be had")
        self.retry_after_seconds = retry_after_seconds


class KeyRing:
    """The keys of one issuer. Safe under threads; holds no connection."""

    def __init__(self, issuer: IssuerSettings, settings: AuthSettings, clock: Clock) -> None:
        """Begin without keys; nothing is asked yet."""
        self._issuer = issuer
        self._clock = clock
        self._refresh = settings.refresh_seconds
        self._refetch = settings.refetch_seconds
        self._keep = settings.keep_keys_seconds
        self._fetch_seconds = settings.fetch_seconds
        self._changed = threading.Condition()
        self._keys: KeySet | None = None
        self._fetched_at = -math.inf
        self._asked_at = -math.inf
        self._failing = False
        self._fetching = False
        self._waiting = 0

    def keys(self) -> KeySet:
        """Return the keys that signatures are checked with now.

        Raises:
            KeysUnavailable: there are none.
        """
        with self._changed:
            age = self._clock.monotonic() - self._fetched_at
            keys = self._keys if age < self._keep else None
            if keys is not None and age < self._refresh / 2:
                return keys
            urgent = keys is None or (age >= self._refresh and not self._fails())
            mine = not self._fetching and self._pause() <= 0
            if mine:
                self._begin()
            elif keys is not None and not (urgent and self._fetching):
                return keys
        if mine and urgent:
            self._fetch()
        elif mine:
            self._fetch_beside()
        elif not self._wait() and keys is None:
            raise KeysUnavailable(1.0)
        return self._known(keys)

    def keys_after(self, seen: KeySet) -> KeySet:
        """Return newer keys than those a token was not signed with; the same where there are none to be had now."""
        with self._changed:
            if self._keys is not None and self._keys is not seen:
                return self._keys
            mine = not self._fetching and self._pause() <= 0
            if mine:
                self._begin()
            elif not self._fetching:
                return seen
        if mine:
            self._fetch()
        elif not self._wait():
            raise KeysUnavailable(1.0)
        with self._changed:
            return self._keys or seen

    def _known(self, fallback: KeySet | None) -> KeySet:
        with self._changed:
            age = self._clock.monotonic() - self._fetched_at
            if self._keys is not None and age < self._keep:
                return self._keys
            if fallback is not None:
                return fallback
            raise KeysUnavailable(max(1.0, self._pause()))

    def _pause(self) -> float:
        """Return how many seconds must pass before the issuer is asked again."""
        known = self._clock.monotonic() - self._fetched_at < self._keep
        pause = self._refetch if known else min(self._refetch, _PAUSE_WITHOUT_KEYS_SECONDS)
        return self._asked_at + pause - self._clock.monotonic()

    def _fails(self) -> bool:
        """Whether the issuer has failed to answer just now, so that it is not waited for."""
        return self._failing and self._clock.monotonic() - self._asked_at < 2 * self._refetch

    def _begin(self) -> None:
        self._fetching = True
        self._asked_at = self._clock.monotonic()

    def _wait(self) -> bool:
        """Wait until whoever fetches has done so; False where too many wait already, or it took too long."""
        with self._changed:
            if not self._fetching:
                return True
            if self._waiting >= _MOST_WAITING:
                return False
            self._waiting += 1
            try:
                return self._changed.wait_for(lambda: not self._fetching, self._fetch_seconds + 1.0)
            finally:
                self._waiting -= 1

    def _fetch_beside(self) -> None:
        """Have the keys fetched while the request goes on."""
        try:
            threading.Thread(target=self._fetch, name="issuer-keys", daemon=True).start()
        except RuntimeError:  # no more threads are to be had
            self._fetch()

    def _fetch(self) -> None:
        """Ask the issuer, and note what came of it."""
        found: KeySet | None = None
        try:
            found = fetch_keys(self._issuer, self._fetch_seconds, self._clock)
        except FetchFailed as problem:
            logger.warning("issuer %s: no new keys: %s", self._issuer.name, problem)
        finally:
            with self._changed:
                self._fetching = False
                self._failing = found is None
                if found is not None:
                    self._fetched_at = self._clock.monotonic()
                    # The same keys stay the same object: what was found right with them need not be checked again.
                    if self._keys is None or self._keys.document != found.document:
                        self._keys = found
                self._changed.notify_all()


class KeyRings:
    """The key rings of a process. They outlive a change of settings: an issuer may be down when it comes."""

    def __init__(self, clock: Clock) -> None:
        """Begin without any."""
        self._clock = clock
        self._rings: dict[tuple[object, ...], KeyRing] = {}

    def of(self, settings: AuthSettings) -> Sequence[KeyRing]:
        """Return a ring for each issuer, in their order: the one that is there, where it would find the same keys."""
        before, self._rings = self._rings, {}
        for issuer in settings.issuers:
            key = _key(issuer, settings)
            self._rings[key] = before.get(key) or KeyRing(issuer, settings, self._clock)
        return tuple(self._rings.values())


def _key(issuer: IssuerSettings, settings: AuthSettings) -> tuple[object, ...]:
    where = (issuer.name, issuer.issuer, issuer.jwks_url, issuer.ca_file, issuer.allow_http)
    how = (settings.refresh_seconds, settings.refetch_seconds, settings.keep_keys_seconds, settings.fetch_seconds)
    return where + how
