"""HTTP to one instance: deadlines, caps, credentials, redirects (DESIGN.md section 5, "Downstream client").

- Nothing is ever sent twice, but for a GET: once more on a new connection where the pooled one turned out to be closed,
  and once more with other credentials where they can be renewed and the first were refused (401).
- A POST has a connection of its own making: on a pooled one, a server that closes idle connections would now and then
  make an unknown outcome out of nothing. The connection serves GETs afterwards.
- A redirect of a POST is not followed. Of a GET at most three are, on the same host (an upgrade to https included).
- The environment is not read: no `~/.netrc`, no proxy, no CA bundle from there.
- Where a client named the instance, every new connection goes to an address that was looked up once and checked.
"""

import copy
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urljoin

import requests

from protes.clock import Clock, SystemClock
from protes.outbound.addresses import AddressGuard, AllowAddress, NotAllowed, Resolver, resolve
from protes.outbound.tls import Tls
from protes.outbound.wire import CURRENT, DeadlineAdapter, Exchange
from protes.tes.answer import Answer
from protes.tes.credentials import Credentials, NoCredentials, NoToken, OfCaller, TokenOver, TokenSealed
from protes.tes.dialects.table import gateway_id
from protes.tes.error_mapping import LIBRARY_ERRORS, detail_of, from_exception, from_status
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    TimedOut,
    TokenEnded,
    TokenRefused,
    TokenUnreadable,
    Unreachable,
)
from protes.tes.sending import CHUNK_BYTES, error_body, prepared
from protes.tes.timeouts import Timeouts
from protes.tes.urls import canonical, same_server

_log = logging.getLogger(__name__)

_GET_MAX_IDLE_SECONDS = 60.0
_NO_REUSE = -1.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_UNAUTHORIZED = 401


class Transport:
    """One instance's pooled connections. Safe under threads; closes its connections at the end of a `with` block."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        timeouts: Timeouts | None = None,
        max_body_bytes: int = 32 * 1024 * 1024,
        pool_size: int = 16,
        tls: Tls | None = None,
        clock: Clock | None = None,
        allow_address: AllowAddress | None = None,
        resolver: Resolver = resolve,
        until: float | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            base_url: what comes before `/tasks`, http or https.
            credentials: how to show ourselves; none by default.
            timeouts: how long to wait.
            max_body_bytes: longest answer that is read.
            pool_size: idle connections kept.
            tls: how its certificate is checked; as by default.
            clock: measures.
            allow_address: tells which addresses may be connected to; None allows all. One forbidden address among those
                of the host is enough to refuse it: `Unreachable`, and nothing was sent. The look-up of a guarded host
                ends with the time for connecting (`AddressGuard`), that of another when the operating system's
                resolver gives up.
            resolver: finds the addresses of a guarded host.
            until: monotonic time by which all that is asked must have ended, whatever the time-outs would allow.

        Raises:
            ValueError: `base_url` is no http(s) URL, or has credentials, a query or a fragment in it; BadTls, a kind of
                it: a file that `tls` names cannot be used.
        """
        self.base_url = canonical(base_url)
        self.timeouts = timeouts or Timeouts()
        self._credentials = credentials or NoCredentials()
        self._max_body_bytes = max_body_bytes
        self._clock = clock or SystemClock()
        self._guard = AddressGuard(allow_address, resolver) if allow_address is not None else None
        self._until = until
        self._adapter = DeadlineAdapter(pool_size, (tls or Tls()).context())

    def __repr__(self) -> str:
        return f"Transport({self.base_url!r})"

    def at(self, base_url: str, timeouts: Timeouts | None = None) -> "Transport":
        """Return a transport for another base path of the same server that shares the connections.

        Raises:
            ValueError: `base_url` is on another server.
        """
        if not same_server(self.base_url, canonical(base_url)):
            raise ValueError("another server needs a transport of its own")
        other = copy.copy(self)
        other.base_url = canonical(base_url)
        other.timeouts = timeouts or self.timeouts
        return other

    def showing(self, credentials: Credentials) -> "Transport":
        """Return a transport to the same place that shows other credentials and shares the connections.

        These keep nothing of who spoke through them: no cookies, and no credentials of their own.
        """
        other = copy.copy(self)
        other._credentials = credentials
        return other

    @property
    def in_callers_name(self) -> bool:
        """Whether it shows the token of a task's caller, which others than the instance may have got wrong."""
        return isinstance(self._credentials, OfCaller)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that it shows the instance and that must be shown to nobody else, for redaction."""
        return self._credentials.secrets()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        """GET a path below the base URL.

        Args:
            path: `/service-info`, `/tasks`, ...; ids in it quoted by `segment`.
            query: names and values, not encoded.

        Raises:
            DownstreamError: any of them but NotSent and TaskMissing; none is ambiguous.
        """
        deadline = self._deadline(self.timeouts.get_seconds)
        url = self.base_url + path
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._get_once_or_again(url, query, deadline)
            if answer.renewed:
                answer = self._get_once_or_again(url, query, deadline)
            if answer.status not in _REDIRECTS:
                return self._checked(answer)
            url, query = self._target(answer), ()
        raise self._bad(f"redirects more than {_MAX_REDIRECTS} times")

    def post(
        self,
        path: str,
        document: Mapping[str, Any] | None = None,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        before_send: Callable[[], None] | None = None,
        check: bool = True,
    ) -> Answer:
        """POST to a path below the base URL, once.

        Args:
            path: as for `get`.
            document: sent as JSON; None sends an empty body.
            form: sent as a web form, in the place of a document.
            headers: further ones.
            before_send: called when the connection stands, right before the first byte leaves; may raise to stop.
            check: raise where the answer is no success; else it is returned whatever its status, see `error_of`.

        Raises:
            DownstreamError: any of them but TaskMissing, `ambiguous` where the instance may have acted.
            ValueError: the document has a number that JSON does not know.
        """
        kind, data = "application/json", None
        if form is not None:
            kind, data = "application/x-www-form-urlencoded", urlencode(form).encode("ascii")
        elif document is not None:
            data = json.dumps(document, allow_nan=False).encode("ascii")
        deadline = self._deadline(self.timeouts.post_seconds)
        exchange = Exchange(self._clock, deadline, self.timeouts.read_seconds, _NO_REUSE, before_send, self._guard)
        extra = {"Content-Type": kind, **(headers or {})}
        answer = self._exchange("POST", self.base_url + path, exchange, headers=extra, data=data)
        return self._checked(answer) if check else answer

    def _deadline(self, seconds: float) -> float:
        deadline = self._clock.monotonic() + seconds
        return deadline if self._until is None else min(deadline, self._until)

    def _get_once_or_again(self, url: str, query: Sequence[tuple[str, str]], deadline: float) -> Answer:
        read_seconds, guard = self.timeouts.read_seconds, self._guard
        exchange = Exchange(self._clock, deadline, read_seconds, _GET_MAX_IDLE_SECONDS, guard=guard)
        try:
            return self._exchange("GET", url, exchange, query=query)
        except ConnectionLost:
            if exchange.received or not exchange.reused:
                raise
        again = Exchange(self._clock, deadline, read_seconds, _NO_REUSE, guard=guard)
        return self._exchange("GET", url, again, query=query)

    def _exchange(
        self,
        method: str,
        url: str,
        exchange: Exchange,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """Send one request and read its answer, whatever the status."""
        authorization = self._authorization(exchange.deadline)
        left = exchange.left()
        post = method == "POST"
        if left <= 0:
            raise TimedOut("no answer in time", instance=self.base_url, ambiguous=False)
        token = CURRENT.set(exchange)
        try:
            request = prepared(method, url, query, _headers(authorization, headers), data)
            timeout = (min(self.timeouts.connect_seconds, left), min(self.timeouts.read_seconds, left))
            with self._adapter.send(request, stream=True, timeout=timeout) as response:
                body = self._body(response, post)
        except NotAllowed as refusal:
            raise Unreachable(str(refusal), instance=self.base_url) from None
        except LIBRARY_ERRORS as error:
            raise from_exception(error, sent=exchange.sent, post=post, instance=self.base_url) from None
        finally:
            exchange.close()
            CURRENT.reset(token)
        renewed = (
            response.status_code == _UNAUTHORIZED
            and authorization is not None
            and self._credentials.refused(authorization)
        )
        return Answer(
            response.status_code,
            response.headers,
            body,
            response.url,
            self.base_url,
            post,
            renewed,
            self.in_callers_name,
        )

    def _authorization(self, until: float) -> str | None:
        """What to show the instance. Without it nothing is sent, so the outcome is as sure as with no connection."""
        try:
            return self._credentials.authorization(until)
        except TokenOver as problem:
            raise TokenEnded(str(problem), instance=self.base_url) from None
        except TokenSealed as problem:
            raise TokenUnreadable(str(problem), instance=self.base_url) from None
        except NoToken as problem:
            raise Unreachable(str(problem), instance=self.base_url) from None

    def _body(self, response: requests.Response, post: bool) -> bytes:
        if response.status_code >= 400:
            return error_body(response)
        body = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_body_bytes:
                text = f"answered {response.status_code} with more than {self._max_body_bytes} bytes"
                raise self._bad(text, ambiguous=post, too_big=True)
        return bytes(body)

    def _checked(self, answer: Answer) -> Answer:
        """Pass a success on and raise everything else."""
        if 200 <= answer.status < 300:
            return answer
        raise self.error_of(answer)

    def error_of(self, answer: Answer) -> DownstreamError:
        """Return what an answer that is no success means."""
        detail = detail_of(answer.body, *self._credentials.secrets())
        if answer.status == _UNAUTHORIZED and self.in_callers_name and answer.renewed:
            return TokenUnreadable("refuses the caller's token, and another one is got", instance=self.base_url)
        if answer.status == _UNAUTHORIZED and self.in_callers_name:
            said = f", saying: {detail}" if detail else ""
            return TokenRefused(f"refuses the caller's token{said}", instance=self.base_url)
        error = from_status(
            answer.status,
            answer.headers,
            detail,
            post=answer.post,
            instance=self.base_url,
            now=self._clock.now(),
        )
        error.gateway_id = gateway_id(answer.headers)
        error.in_callers_name = self.in_callers_name
        return error

    def _bad(self, text: str, *, ambiguous: bool = False, too_big: bool = False) -> BadAnswer:
        error = BadAnswer(text, instance=self.base_url, ambiguous=ambiguous, too_big=too_big)
        error.in_callers_name = self.in_callers_name
        return error

    def _target(self, answer: Answer) -> str:
        """Where a redirect of a GET leads, if it may be followed."""
        try:
            target = urljoin(answer.url, answer.headers["Location"])
            allowed = same_server(answer.url, target)
        except (KeyError, ValueError):
            allowed = False
        if not allowed:
            raise self._bad(f"answered {answer.status}, a redirect to another server")
        _log.debug("%s redirects a GET on the same host", self.base_url)
        return target


def _headers(authorization: str | None, extra: Mapping[str, str] | None) -> dict[str, str]:
    # Identity: what is capped is then what is sent, and no few bytes unpack to gigabytes.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "protes", **(extra or {})}
    if authorization is not None:
        headers["Authorization"] = authorization
    return headers
