"""HTTP to servers that others than the operator name: guarded, capped, in time, and never an exception but `Silent`.

Redirects are followed by hand, three at most, each checked like the first address; a credential goes to the origin it
was meant for and to no other, and not along a way that leads through another. The environment is not read: no proxy,
no `~/.netrc`, no CA bundle from there.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from protes.clock import Clock
from protes.outbound.addresses import AddressGuard, NotAllowed
from protes.outbound.guard import Guard
from protes.outbound.rules import Target, target_of
from protes.outbound.tls import Tls
from protes.outbound.wire import CURRENT, Exchange, one_pool

logger = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_FOLLOWED = frozenset({"GET", "HEAD"})
_CHUNK_BYTES = 64 * 1024
_THEIR_LOGGERS = ("urllib3.connection", "urllib3.connectionpool")


class Silent(Exception):
    """A server said nothing that can be used; the text is for a log and names no URL."""


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """An answer, whatever its status.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: at most as much as was asked for.
        url: where it came from, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            Silent: it is none.
        """
        try:
            return json.loads(self.body, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            raise Silent(f"answered {self.status} without JSON") from None


@dataclass(frozen=True, slots=True)
class Trusted:
    """A server that the operator has named: private addresses and http are fine there.

    Attributes:
        origin: scheme, host and port, see `origin_of`.
        tls: how its certificate is checked; None as that of others.
    """

    origin: str
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, the same at each redirect but for its target and its credential."""

    method: str
    headers: Mapping[str, str]
    body: bytes | None
    until: float
    most_bytes: int | None


class Web:
    """The client. Safe under threads; every request has a connection of its own, since hosts seldom repeat."""

    def __init__(self, clock: Clock, guard: Guard, tls: Tls | None = None) -> None:
        """Ask what the guard allows; certificates are checked as `tls` says.

        Raises:
            BadTls: a file that `tls` names cannot be used.
        """
        self._clock = clock
        self._guard = guard
        self._tls = (tls or Tls()).check()
        self._trusting = AddressGuard(lambda _: True, guard.resolver)
        for name in _THEIR_LOGGERS:
            logging.getLogger(name).addFilter(_without_query)

    def request(
        self,
        method: str,
        url: str,
        *,
        until: float,
        headers: Mapping[str, str] | None = None,
        bearer: str | None = None,
        body: bytes | None = None,
        trusted: Trusted | None = None,
        most_bytes: int | None = 1024 * 1024,
    ) -> WebAnswer:
        """Send a request, once, and read the answer, whatever its status.

        Args:
            method: GET and HEAD follow redirects as the guard allows; of another method a redirect is the answer.
            url: http or https.
            until: monotonic time by which all of it must have ended, look-up included.
            headers: further headers; those that are secret only where no redirect is followed.
            bearer: token for the first origin only.
            body: sent as it is; its type is among `headers`.
            trusted: server that the operator has named.
            most_bytes: of the answer's body; None: it is not read, whatever it is.

        Raises:
            Silent: nothing came that can be used, or the guard does not allow it; the text says why.
        """
        sent = dict(headers or {})
        if bearer is not None:
            sent["Authorization"] = f"Bearer {bearer}"
        try:
            target = self._first(url, trusted)
            origin = target.origin
            for _ in range(_MOST_REDIRECTS + 1):
                if trusted is not None and target.origin != trusted.origin:
                    trusted = None  # for good, too
                answer = self._once(target, _Asked(method, sent, body, until, most_bytes), url, trusted)
                if answer.status not in _REDIRECTS or method not in _FOLLOWED:
                    return answer
                url, target = self._next(url, answer, trusted)
                if target.origin != origin:
                    sent.pop("Authorization", None)  # for good: a stranger may send us back
        except NotAllowed as refusal:
            raise Silent(str(refusal)) from None
        raise Silent(f"redirects more than {_MOST_REDIRECTS} times")

    def _first(self, url: str, trusted: Trusted | None) -> Target:
        target = target_of(url)
        return target if trusted is not None and target.origin == trusted.origin else self._guard.check(url)

    def _next(self, url: str, answer: WebAnswer, trusted: Trusted | None) -> tuple[str, Target]:
        """Return where an answer sends us.

        Raises:
            NotAllowed: nowhere, or where it must not.
        """
        try:
            location = urljoin(url, answer.headers.get("location", ""))
        except ValueError:
            raise NotAllowed("redirects to no URL") from None
        target = target_of(location)
        if trusted is not None and target.origin == trusted.origin:
            return location, target
        return location, self._guard.redirected(url, location)

    def _once(self, target: Target, asked: _Asked, url: str, trusted: Trusted | None) -> WebAnswer:
        guard = self._trusting if trusted is not None else self._guard.addresses
        left = max(0.001, asked.until - self._clock.monotonic())
        exchange = Exchange(self._clock, asked.until, left, -1.0, guard=guard)
        tls = (trusted.tls if trusted is not None else None) or self._tls
        sent = {"Host": target.host_header, "Accept": "application/json, */*;q=0.1", "User-Agent": "protes"}
        sent |= {**asked.headers, "Accept-Encoding": "identity"}
        token = CURRENT.set(exchange)
        try:
            with one_pool(target.scheme, target.shown_host, target.port, tls.context()) as pool:
                return self._read(pool, target, asked, sent, exchange, url)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Silent(type(error).__name__) from None
        finally:
            exchange.close()
            CURRENT.reset(token)

    def _read(
        self,
        pool: HTTPConnectionPool,
        target: Target,
        asked: _Asked,
        headers: dict[str, str],
        exchange: Exchange,
        url: str,
    ) -> WebAnswer:
        left = exchange.next_timeout()
        response = pool.urlopen(
            asked.method,
            target.path,
            body=asked.body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=left, read=left),
        )
        body = bytearray()
        try:
            if asked.most_bytes is not None and response.status not in _REDIRECTS and asked.method != "HEAD":
                for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                    body += chunk
                    if len(body) > asked.most_bytes:
                        raise Silent(f"answered with more than {asked.most_bytes} bytes")
        finally:
            response.close()
        found = {name.lower(): value for name, value in response.headers.items()}
        return WebAnswer(response.status, found, bytes(body), url)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL that the operator has named.

    Raises:
        ValueError: it is no http(s) URL.
    """
    try:
        return target_of(url).origin
    except NotAllowed as problem:
        raise ValueError(str(problem)) from None


def _without_query(record: logging.LogRecord) -> bool:
    """urllib3 writes whole URLs to its logs, and the query of a signed one is a credential: such lines are dropped."""
    return "?" not in record.getMessage()
