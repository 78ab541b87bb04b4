"""HTTP to servers that a task names: guarded, capped, within a deadline, and never an exception but `Silent`.

Redirects are followed by hand, three at most, each checked like the first address; a credential goes to the origin it
was meant for and to no other, and not along a way that leads through another.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import certifi
import urllib3
from urllib3.connectionpool import HTTPConnectionPool

from protes.clock import Clock
from protes.tes.addresses import NotAllowed, Resolver, checked, resolve
from protes.tes.wire import CURRENT, Exchange, pinned_pool

logger = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_CHUNK_BYTES = 64 * 1024
_MOST_ADDRESSES = 3
_PORTS = {"http": 80, "https": 443}
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


class Web:
    """The client. Safe under threads; every request has a connection of its own, since hosts seldom repeat."""

    def __init__(self, clock: Clock, allow_private: bool, resolver: Resolver = resolve) -> None:
        """Ask public addresses, others only where `allow_private`."""
        self._clock = clock
        self._allow_private = allow_private
        self._resolver = resolver
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
        trusted: str | None = None,
        most_bytes: int = 1024 * 1024,
    ) -> WebAnswer:
        """Send a request without a body and read the answer.

        Args:
            method: GET or HEAD.
            url: http or https.
            until: monotonic time by which all of it must have ended.
            headers: further headers, none of them secret.
            bearer: token for the first origin only.
            trusted: origin that the operator has named: private addresses and http are fine there.
            most_bytes: of the answer's body.

        Raises:
            Silent: nothing came that can be used.
        """
        sent, first = dict(headers or {}), _origin(url)
        if bearer is not None:
            sent["Authorization"] = f"Bearer {bearer}"
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._once(method, url, until, sent, trusted, most_bytes)
            if answer.status not in _REDIRECTS:
                return answer
            url = _redirected(url, answer)
            if _origin(url) != first:
                sent.pop("Authorization", None)  # for good: a stranger may send us back
        raise Silent(f"redirects more than {_MOST_REDIRECTS} times")

    def _once(
        self, method: str, url: str, until: float, headers: Mapping[str, str], trusted: str | None, most_bytes: int
    ) -> WebAnswer:
        scheme, host, port, target = _parts(url)
        own = trusted is not None and _origin(url) == trusted
        try:
            addresses = checked(host, port, self._allow_private or own, self._resolver)
        except NotAllowed as refusal:
            raise Silent(str(refusal)) from None
        except (OSError, UnicodeError):
            raise Silent("its host has no address") from None
        exchange = Exchange(self._clock, until, max(0.001, until - self._clock.monotonic()), -1.0)
        name = f"[{host}]" if ":" in host else host
        shown = name if port == _PORTS[scheme] else f"{name}:{port}"
        sent = {"Host": shown, "Accept": "application/json, */*;q=0.1", "User-Agent": "protes", **headers}
        sent["Accept-Encoding"] = "identity"
        token = CURRENT.set(exchange)
        failure = "has no address"
        try:
            for address in addresses[:_MOST_ADDRESSES]:
                try:
                    with pinned_pool(scheme, address, port, host, certifi.where()) as pool:
                        return self._read(pool, method, target, sent, exchange, url, most_bytes)
                except urllib3.exceptions.NewConnectionError as error:
                    failure = type(error).__name__  # the next address may do
            raise Silent(failure)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Silent(type(error).__name__) from None
        finally:
            exchange.close()
            CURRENT.reset(token)

    def _read(
        self,
        pool: HTTPConnectionPool,
        method: str,
        target: str,
        headers: Mapping[str, str],
        exchange: Exchange,
        url: str,
        most_bytes: int,
    ) -> WebAnswer:
        left = exchange.next_timeout()
        response = pool.urlopen(
            method,
            target,
            headers=dict(headers),
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=left, read=left),
        )
        body = bytearray()
        try:
            if response.status not in _REDIRECTS and method != "HEAD":
                for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
                    body += chunk
                    if len(body) > most_bytes:
                        raise Silent(f"answered with more than {most_bytes} bytes")
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
        return _origin(url)
    except Silent as problem:
        raise ValueError(str(problem)) from None


def _redirected(url: str, answer: WebAnswer) -> str:
    """Return where an answer sends us.

    Raises:
        Silent: nowhere, or away from https.
    """
    try:
        target = urljoin(url, answer.headers.get("location", ""))
    except ValueError:
        raise Silent("redirects to no URL") from None
    if _parts(url)[0] == "https" and _parts(target)[0] != "https":
        raise Silent("redirects away from https")
    return target


def _without_query(record: logging.LogRecord) -> bool:
    """urllib3 writes whole URLs to its logs, and the query of a signed one is a credential: such lines are dropped."""
    return "?" not in record.getMessage()


def _origin(url: str) -> str:
    scheme, host, port, _ = _parts(url)
    return f"{scheme}://{host}:{port}"


def _parts(url: str) -> tuple[str, str, int, str]:
    """Split a URL into scheme, host, port and target.

    Raises:
        Silent: it is no http(s) URL, or has a user in it.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise Silent("is no URL") from None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        raise Silent("is no http(s) URL without a user")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port or _PORTS[parts.scheme], target
