"""Bearer tokens by OAuth2 client credentials (RFC 6749, 4.4; DIALECTS.md 2.7 rule 4 and 3.1).

A token is fetched when a request first needs one and kept until shortly before it expires. While one thread asks the
token server, the others go on with the old token as long as it lives, or wait. A token server that fails is not asked
again for a few seconds; until then, and without a token that still lives, requests fail at once with `NoToken`.
"""

import base64
import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus, urlsplit

from pydantic import SecretStr

from protes.clock import Clock
from protes.tes.credentials import BearerToken, NoToken
from protes.tes.errors import BadAnswer, DownstreamError, ServerFault, Throttled
from protes.tes.timeouts import Timeouts
from protes.tes.token_lifetime import lifetime_of
from protes.tes.transport import Transport

_log = logging.getLogger(__name__)

_MARGIN_SECONDS = 300.0
"""How long before its end a token is renewed; one that lives shorter than twice that, at half its life."""
_LAST_SECONDS = 60.0
"""A token this close to its end is not sent any more: it might end on the way, or between two clocks."""
_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 60.0
_RENEW_EVERY_SECONDS = 60.0
_TOTAL_SECONDS = 10.0
_CONNECT_SECONDS = 3.0
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What is sent to a token server, and where to.

    Attributes:
        token_url: the token endpoint.
        client_id: who asks.
        secret: the client's secret.
        parameters: further fields of the form, such as `scope`, `resource` and `audience`.
        authentication: whether id and secret go into the form (`post`) or into the header (`basic`; RFC 6749, 2.3.1).
        verify: check the token server's certificate; a path names a CA bundle.
    """

    token_url: str
    client_id: str
    secret: SecretStr
    parameters: Mapping[str, str] = field(default_factory=dict)
    authentication: Literal["post", "basic"] = "post"
    verify: bool | str = True

    def __post_init__(self) -> None:
        """Refuse what cannot be sent.

        Raises:
            ValueError: the secret is empty.
        """
        if not self.secret.get_secret_value():
            raise ValueError("the client's secret is empty")

    def form(self) -> dict[str, str]:
        """Return the form, secret included."""
        pair = {"client_id": self.client_id, "client_secret": self.secret.get_secret_value()}
        shown = pair if self.authentication == "post" else {}
        return {"grant_type": "client_credentials", **shown, **self.parameters}

    def authorization(self, until: float | None = None) -> str | None:
        """Return the value of the Authorization header for the token server."""
        del until
        return f"Basic {self._encoded()}" if self.authentication == "basic" else None

    def refused(self, authorization: str) -> bool:
        """Return False: there is no other secret."""
        del authorization
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return the secret in all forms in which it is sent."""
        secret = self.secret.get_secret_value()
        return (secret, quote_plus(secret), self._encoded())

    def _encoded(self) -> str:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.get_secret_value())}"
        return base64.b64encode(pair.encode()).decode("ascii")


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
        return f"ClientCredentials({_origin(self._grant.token_url)!r}, client_id={self._grant.client_id!r})"

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
            left = _TOTAL_SECONDS if until is None else until - self._clock.monotonic()
            if left <= 0 or not self._clock.wait(waited_for, left):
                raise NoToken(f"no token from {_origin(self._grant.token_url)} in time")
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
        limit = began + _TOTAL_SECONDS
        try:
            token = _ask(self._grant, self._clock, limit if until is None else min(limit, until))
        except DownstreamError as error:
            failure = f"no token from {_origin(self._grant.token_url)}: {error.text}"
            _log.warning("client %s: %s", self._grant.client_id, failure)
            # One who had no time himself says nothing of how the token server would treat others.
            hurried = until is not None and until < limit and self._clock.monotonic() >= until
            with self._lock:
                self._failure = failure
                self._ask_again_at = -math.inf if hurried else self._clock.monotonic() + _pause(error)
            return
        with self._lock:
            self._token, self._ask_again_at = token, -math.inf
            self._shown = (*self._shown[-1:], token.bearer.token.get_secret_value())


def _ask(grant: TokenGrant, clock: Clock, until: float) -> _Token:
    """Fetch a token: one POST on a connection of its own, no redirect followed.

    Raises:
        DownstreamError: the token server gave none.
    """
    left = max(0.001, until - clock.monotonic())
    timeouts = Timeouts(min(_CONNECT_SECONDS, left), left, left, left)
    asked_at, asked_timestamp = clock.monotonic(), clock.now().timestamp()
    with Transport(
        _origin(grant.token_url),
        grant,
        timeouts=timeouts,
        max_body_bytes=_MOST_BYTES,
        pool_size=1,
        verify=grant.verify,
        clock=clock,
        until=until,
    ) as transport:
        answer = transport.post(urlsplit(grant.token_url)._replace(scheme="", netloc="").geturl(), form=grant.form())
    document = answer.json()
    bearer = _bearer(document)
    lifetime = lifetime_of(document, asked_timestamp)
    if lifetime <= 0:
        raise BadAnswer("answered with a token that has expired, unless the clock here is wrong")
    return _Token(bearer, lifetime, asked_at, asked_timestamp)


def _bearer(document: object) -> BearerToken:
    """Return the token of an answer (RFC 6749, 5.1)."""
    if not isinstance(document, dict) or not isinstance(document.get("access_token"), str):
        raise BadAnswer("answered without an access_token")
    kind = document.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise BadAnswer("answered with a token that is no bearer token")
    try:
        return BearerToken(SecretStr(document["access_token"]))
    except ValueError:
        raise BadAnswer("answered with a token that no header can carry") from None


def _pause(error: DownstreamError) -> float:
    asked = error.retry_after if isinstance(error, Throttled | ServerFault) else None
    return min(_LONGEST_PAUSE_SECONDS, max(_PAUSE_SECONDS, asked or 0.0))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
