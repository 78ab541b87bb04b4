"""GET, and nothing but: redirects, limits on time and size, and every failure as a `RegistryError`."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

from service_registry_client.addresses import Addresses, AllowURL
from service_registry_client.connections import DeadlineAdapter
from service_registry_client.deadline import Deadline
from service_registry_client.errors import (
    RegistryAnswer,
    RegistryBody,
    RegistryRedirect,
)
from service_registry_client.failures import failures_mapped, printable
from service_registry_client.urls import origin, shown

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 65536


@dataclass(frozen=True)
class Limits:
    """How much of a registry is tolerated.

    Attributes:
        connect_seconds: For connecting, TLS handshake included.
        read_seconds: Between two pieces of an answer.
        total_seconds: For a whole call: redirects and pages included.
        max_body_bytes: For a whole call, unpacked.
        max_redirects: In a row.
        max_pages: Of one list.
        max_entries: Of one list.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 15.0
    max_body_bytes: int = 8 * 2**20
    max_redirects: int = 3
    max_pages: int = 50
    max_entries: int = 10_000


@dataclass(frozen=True)
class Reply:
    """A complete answer with status 200 or 304."""

    url: str
    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes


@dataclass
class Budget:
    """What a call may use up: time, and bytes of body."""

    deadline: Deadline
    max_body_bytes: int
    read_bytes: int = 0

    @property
    def left_bytes(self) -> int:
        """How many bytes of body may still come."""
        return self.max_body_bytes - self.read_bytes

    def spend(self, count: int, url: str) -> None:
        """Count bytes of body; raises RegistryBody beyond the limit."""
        self.read_bytes += count
        if self.read_bytes > self.max_body_bytes:
            raise RegistryBody(shown(url), f"it answers with more than {self.max_body_bytes} bytes")


class _Bearer(AuthBase):
    """Sends a token, or nothing, and in either case keeps `requests` from looking for credentials in ~/.netrc."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "_Bearer(***)" if self._token else "_Bearer(None)"


class _Session(requests.Session):
    """Leaves redirects to us: `requests` fails at bad addresses even where it is told not to follow them."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: nothing for `requests` to follow."""


class Transport:
    """A pooled session for one registry. Safe to use from several threads.

    Args:
        home: The registry's base URL; the token goes to this origin only.
        token: Bearer token, or None.
        limits: See `Limits`.
        user_agent: Sent with every request.
        trust_env: Whether proxies and certificate bundles named by environment variables are used.
        clock: Monotonic seconds.
        addresses: How hosts become addresses, of redirects too.
        tls: How certificates are checked; None leaves it to `requests`.
        allow_url: Says of every URL that is about to be asked whether it may be.

    Raises:
        ValueError: The token cannot be sent in a header.
    """

    def __init__(
        self,
        home: str,
        token: str | None,
        limits: Limits,
        user_agent: str,
        trust_env: bool,
        clock: Callable[[], float],
        addresses: Addresses,
        tls: ssl.SSLContext | None = None,
        allow_url: AllowURL | None = None,
    ) -> None:
        if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValueError("the token is empty or contains characters that cannot be sent in a header")
        self._home = origin(home)
        self._token = token
        self._limits = limits
        self._clock = clock
        self._allow_url = allow_url
        self._active: set[Deadline] = set()
        self._lock = threading.Lock()
        self._session = _Session()
        self._session.trust_env = trust_env
        # Calls are independent of each other: no cookies.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "gzip"})
        adapter = DeadlineAdapter(addresses, tls)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @contextlib.contextmanager
    def call(self) -> Iterator[Budget]:
        """A call: everything requested within the block shares one budget."""
        deadline = Deadline(self._limits.total_seconds, self._clock)
        with self._lock:
            self._active.add(deadline)
        try:
            with deadline.limit():
                yield Budget(deadline, self._limits.max_body_bytes)
        finally:
            with self._lock:
                self._active.discard(deadline)

    def get(self, url: str, budget: Budget, headers: Mapping[str, str] | None = None) -> Reply:
        """GET and follow redirects.

        Raises:
            RegistryUnreachable, RegistryTimeout: No complete answer.
            RegistryRedirect: A redirect that is not followed, or a URL that may not be asked.
            RegistryAnswer: A status other than 200, or 304 where `headers` has If-None-Match.
            RegistryBody: The body is larger than allowed, or packed in a way that was not asked for.
        """
        asked = {"Accept": "application/json", **(headers or {})}
        for _ in range(self._limits.max_redirects + 1):
            reply = self._get_once(url, budget, asked)
            if reply.status not in _REDIRECTS:
                return _accepted(reply, conditional="If-None-Match" in asked)
            url = redirect_target(url, reply.headers.get("Location", ""))
        raise RegistryRedirect(shown(url), f"more than {self._limits.max_redirects} redirects in a row")

    def close(self) -> None:
        """Break off calls that go on, which then raise RegistryTimeout, and close the connections."""
        with self._lock:
            active = list(self._active)
        for deadline in active:
            deadline.expire()
        self._session.close()

    def token_for(self, url: str) -> str | None:
        """The token if the URL is of the registry's own origin."""
        return self._token if origin(url) == self._home else None

    def _get_once(self, url: str, budget: Budget, headers: Mapping[str, str]) -> Reply:
        if self._allow_url is not None and not self._allow_url(url):
            raise RegistryRedirect(shown(url), "it may not be asked")
        with failures_mapped(url, budget.deadline):
            # At least a moment: a timeout of zero is an error of its own in the layers beneath.
            left = max(0.001, budget.deadline.remaining_seconds())
            timeout = (min(self._limits.connect_seconds, left), min(self._limits.read_seconds, left))
            with self._session.get(
                url,
                headers=headers,
                auth=_Bearer(self.token_for(url)),
                timeout=timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read(response, url, budget)
        return Reply(url, response.status_code, response.headers, body)


def redirect_target(url: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        RegistryRedirect: Nowhere, to an address that is not http or https, or from https to http.
    """
    try:
        target = urljoin(url, location)
        scheme, _, _ = origin(target)
        usable = bool(location) and "@" not in urlsplit(target).netloc
    except ValueError:
        usable = False
    if not usable:
        raise RegistryRedirect(shown(url), "it redirects to no usable address")
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise RegistryRedirect(shown(url), "it redirects from https to http")
    return target


def _read(response: requests.Response, url: str, budget: Budget) -> bytes:
    """The body, unpacked and counted. Of an error's body the beginning will do: its status is what matters."""
    chunks: Iterator[bytes] = response.raw.stream(_CHUNK_BYTES, decode_content=False)
    if response.status_code != 200:
        return next(chunks, b"")
    gunzip = _decompressor(response.headers.get("Content-Encoding", "").lower(), url)
    body = bytearray()
    try:
        for chunk in chunks:
            # One byte more than is left, never all that a small chunk may unpack to.
            piece = gunzip.decompress(chunk, budget.left_bytes + 1) if gunzip else chunk
            budget.spend(max(len(piece), len(chunk)), url)
            body += piece
    except zlib.error:
        raise RegistryBody(shown(url), "the answer is not the gzip data that it says it is") from None
    if gunzip and not gunzip.eof:
        raise RegistryBody(shown(url), "the answer's gzip data is cut off")
    return bytes(body)


def _decompressor(encoding: str, url: str) -> zlib._Decompress | None:
    if encoding in ("", "identity"):
        return None
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    raise RegistryBody(shown(url), "the answer is packed in a way that was not asked for")


def _accepted(reply: Reply, *, conditional: bool) -> Reply:
    if reply.status == 200 or (reply.status == 304 and conditional):
        return reply
    after = reply.headers.get("Retry-After", "")
    seconds = float(after) if re.fullmatch(r"[0-9]{1,9}", after) else None
    raise RegistryAnswer(shown(reply.url), reply.status, _detail(reply.body), retry_after_seconds=seconds)


def _detail(body: bytes) -> str:
    """What an error's body says, in any of the shapes that registries use; empty for HTML and the like."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    said = [document.get(key) for key in ("title", "error", "detail", "message", "msg")]
    return printable(": ".join(dict.fromkeys(part.strip() for part in said if isinstance(part, str) and part.strip())))
