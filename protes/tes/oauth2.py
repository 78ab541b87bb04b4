"""Bearer tokens by OAuth2 client credentials (RFC 6749, 4.4; DIALECTS.md 2.7 rule 4 and 3.1).

A token is fetched when a request first needs one and kept until shortly before it expires. While one thread asks the
token server, the others go on with the old token as long as it lives, or wait. A token server that fails is not asked
again for a few seconds; until then, and without a token that still lives, requests fail at once with `NoToken`.
"""

import logging
import math
import threading
from dataclasses import dataclass

from protes.clock import Clock
from protes.tes.credentials import BearerToken, NoToken
from protes.tes.errors import DownstreamError, ServerFault, Throttled
from protes.tes.token_server import TOTAL_SECONDS, TokenGrant, ask, origin_of

__all__ = ["ClientCredentials", "TokenGrant", "pause_after"]

_log = logging.getLogger(__name__)

_MARGIN_SECONDS = 300.0
"""How long before its end a token is renewed; one that lives shorter than twice that, at half its life."""
_LAST_SECONDS = 60.0
"""A token this close to its end is not sent any more: it might end on the way, or between two clocks."""
_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0
_RENEW_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Token:
    """A token and how long it lives, by the clock that shows more time passed: one may stand still in sleep."""

    bearer: BearerToken
    lifetime_seconds: float
    asked_at: float
    asked_timestamp: float

    def left(self, clock: Clock) -> float:
        passed = max(clock.monotonic() - self.asked_at, clock.now().timestamp() - self.asked_timestamp)
        return self.lifetime_seconds - passed

    def is_due(self, clock: Clock) -> bool:
        """Whether it should be renewed."""
        return self.left(clock) <= min(_MARGIN_SECONDS, self.lifetime_seconds / 2)

    def is_usable(self, clock: Clock) -> bool:
        """Whether it may be sent."""
        return self.left(clock) > min(_LAST_SECONDS, self.lifetime_seconds / 4)


class ClientCredentials:
    """Credentials whose bearer token is fetched and renewed. Safe under threads; holds no connection."""

    def __init__(self, grant: TokenGrant, clock: Clock) -> None:
        """Prepare; nothing is asked yet.

        Args:
            grant: what is sent to the token server.
            clock: measures.
        """
        self._grant = grant
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._asking: threading.Event | None = None
        self._failure = ""
        self._ask_again_at = -math.inf
        self._renew_again_at = -math.inf
        self._shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ClientCredentials({origin_of(self._grant.token_url)!r}, client_id={self._grant.client_id!r})"

    def authorization(self, until: float | None = None) -> str:
        """Return `Bearer` and a token that lives; fetches one where there is none or it ends soon.

        Args:
            until: monotonic time to be back by, whatever the token server does.

        Raises:
            NoToken: there is none; the text says why, without secrets.
        """
        while True:
            with self._lock:
                token = self._usable()
                if token is not None and (not token.is_due(self._clock) or self._asking or self._must_pause()):
                    return str(token.bearer.authorization())
                if token is None and self._must_pause():
                    raise NoToken(self._failure)
                waited_for = self._asking
                if waited_for is None:
                    asked = self._asking = threading.Event()
                    break
            left = TOTAL_SECONDS if until is None else until - self._clock.monotonic()
            if left <= 0 or not self._clock.wait(waited_for, left):
                raise NoToken(f"no token from {origin_of(self._grant.token_url)} in time")
        try:
            self._renew(until)
        finally:
            with self._lock:
                self._asking = None
            asked.set()
        return self._renewed()

    def refused(self, authorization: str) -> bool:
        """Note that an instance answered 401; return whether another token is there or may be fetched.

        At most one token a minute is given up in this way: an instance may refuse every one.
        """
        with self._lock:
            if self._token is None or self._token.bearer.authorization() != authorization:
                return True
            now = self._clock.monotonic()
            if now < self._renew_again_at:
                return False
            self._renew_again_at = now + _RENEW_EVERY_SECONDS
            self._token = None
            return True

    def secrets(self) -> tuple[str, ...]:
        """Return the client's secret and the last two tokens."""
        with self._lock:
            return (*self._grant.secrets(), *self._shown)

    def _usable(self) -> _Token | None:
        return self._token if self._token is not None and self._token.is_usable(self._clock) else None

    def _must_pause(self) -> bool:
        return self._clock.monotonic() < self._ask_again_at

    def _renewed(self) -> str:
        """Return what the token server gave, or the old token where it gave none and that still lives."""
        with self._lock:
            token = self._usable()
            if token is None:
                raise NoToken(self._failure)
            return str(token.bearer.authorization())

    def _renew(self, until: float | None) -> None:
        """Ask the token server and note what came of it."""
        began = self._clock.monotonic()
        limit = began + TOTAL_SECONDS
        try:
            given = ask(self._grant, self._clock, limit if until is None else min(limit, until))
        except DownstreamError as error:
            failure = f"no token from {origin_of(self._grant.token_url)}: {error.text}"
            _log.warning("client %s: %s", self._grant.client_id, failure)
            # One who had no time himself says nothing of how the token server would treat others.
            hurried = until is not None and until < limit and self._clock.monotonic() >= until
            with self._lock:
                self._failure = failure
                self._ask_again_at = -math.inf if hurried else self._clock.monotonic() + pause_after(error)
            return
        token = _Token(given.bearer, given.lifetime_seconds, given.asked_at, given.asked_timestamp)
        with self._lock:
            self._token, self._ask_again_at = token, -math.inf
            self._shown = (*self._shown[-1:], token.bearer.token.get_secret_value())


def pause_after(error: DownstreamError) -> float:
    """Return how many seconds a token server that failed is left in peace."""
    asked = error.retry_after if isinstance(error, Throttled | ServerFault) else None
    return min(_LONGEST_PAUSE_SECONDS, max(_PAUSE_SECONDS, asked or 0.0))
