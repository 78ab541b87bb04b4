"""Connections that keep a deadline and tell what they did.

requests and urllib3 bound each `recv`, so a server that sends one byte now and then can hold a thread for ever, in the
head of an answer as well as in its body. Here every `recv` and `send` gets what is left of the whole exchange. The
exchange also notes whether anything was sent, received, or sent on a connection that had been idle in the pool, which
is what decides between "certainly nothing happened" and "nobody knows".
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from protes.clock import Clock
from protes.outbound.addresses import AddressGuard

_SHORTEST = 0.001
"""A socket timeout of 0 would mean "do not block"."""
_MOST_ADDRESSES = 3
"""Addresses of a guarded host that are tried, one after the other."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer, from the first look at the pool to the last byte.

    Attributes:
        clock: measures.
        deadline: monotonic time by which all of it must have ended.
        read_seconds: longest silence.
        max_idle_seconds: a pooled connection that was last used longer ago is not used; negative: none is.
        before_send: called when the connection stands, right before the first byte leaves; may raise to stop.
        guard: checks where a new connection leads; None lets it lead anywhere.
        sent: the first byte has left, or tried to.
        received: at least one byte has come back.
        reused: the connection came from the pool.
        reader: what the answer is read from.
    """

    clock: Clock
    deadline: float
    read_seconds: float
    max_idle_seconds: float
    before_send: Callable[[], None] | None = None
    guard: AddressGuard | None = None
    sent: bool = False
    received: bool = False
    reused: bool = False
    reader: io.BufferedReader | None = None

    def left(self) -> float:
        """Return the seconds left, not above zero when there are none."""
        return self.deadline - self.clock.monotonic()

    def next_timeout(self) -> float:
        """Return how long the next call on the socket may take.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.left()
        if left <= 0:
            raise TimeoutError("the total time of the exchange is over")
        return max(_SHORTEST, min(self.read_seconds, left))

    def close(self) -> None:
        """Let go of the answer; urllib3 does not where it refuses an answer's headers."""
        if self.reader is not None:
            self.reader.close()


CURRENT: ContextVar[Exchange] = ContextVar("exchange")
"""The exchange of this thread; urllib3 offers no way to hand it through its calls."""


class _DeadlineReader(io.RawIOBase):
    """A socket's bytes, each read within what is left of the exchange."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._sock = sock
        self._exchange = exchange
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.next_timeout())
        count = self._raw.readinto(buffer)
        self._exchange.received = self._exchange.received or bool(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """As much of a socket as `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode  # always "rb"
        self._exchange.reader = io.BufferedReader(_DeadlineReader(self._sock, self._exchange))
        return self._exchange.reader


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_DeadlineSocket(sock, CURRENT.get()), *args, **kwargs)  # type: ignore[arg-type]


class _Connection(HTTPConnection):
    """A connection of the pool that heeds the current exchange."""

    response_class = _DeadlineResponse
    _last_used: float | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the pool may use the connection again; one that was idle for long counts as dropped."""
        if not super().is_connected or self._last_used is None:
            return False
        exchange = CURRENT.get()
        return exchange.clock.monotonic() - self._last_used <= exchange.max_idle_seconds

    def connect(self) -> None:
        self._last_used = None
        super().connect()

    def _new_conn(self) -> socket.socket:
        """Connect below TLS, which is checked against the host's name all the same."""
        exchange = CURRENT.get()
        if exchange.guard is None:
            return super()._new_conn()
        try:
            return self._checked_connection(exchange, exchange.guard)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, "no connection") from error

    def _checked_connection(self, exchange: Exchange, guard: AddressGuard) -> socket.socket:
        """Connect to an address that the guard has let pass: there is no second look-up that could say otherwise.

        The look-up and all addresses together get the time that one connection may take.
        """
        seconds = self.timeout if isinstance(self.timeout, int | float) else exchange.next_timeout()
        until = exchange.clock.monotonic() + seconds
        addresses = guard.addresses(self.host, self.port, seconds)[:_MOST_ADDRESSES]
        failure = OSError()
        for number, address in enumerate(addresses):
            share = (until - exchange.clock.monotonic()) / (len(addresses) - number)
            try:
                return create_connection(
                    (address, self.port), max(_SHORTEST, share), self.source_address, self.socket_options
                )
            except OSError as error:
                failure = error
        raise failure

    def send(self, data: Any) -> None:
        exchange = CURRENT.get()
        if self.sock is None:
            self.connect()
        if not exchange.sent:
            if exchange.before_send is not None:
                exchange.before_send()
            exchange.reused = self._last_used is not None
            exchange.sent = True
        self._last_used = exchange.clock.monotonic()
        self.sock.settimeout(exchange.next_timeout())
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def one_pool(scheme: str, host: str, port: int, tls: ssl.SSLContext) -> HTTPConnectionPool:
    """Return a pool of connections to one server that heed the current exchange; `tls` checks it where it is https."""
    if scheme == "http":
        return _Pool(host, port)
    return _SecurePool(host, port, ssl_context=tls, cert_reqs="CERT_REQUIRED")


class DeadlineAdapter(HTTPAdapter):
    """requests' adapter over connections that heed the current exchange; it never sends anything twice.

    Certificates are checked by its own context, whatever a session or a request says of `verify`.
    """

    def __init__(self, pool_size: int, tls: ssl.SSLContext) -> None:
        """Keep up to `pool_size` idle connections; more may be open at once."""
        self._tls = tls
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0, pool_block=False)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, of our connections."""
        super().init_poolmanager(*args, **kwargs, ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Name the server only: what is checked, and how, is the context's."""
        del verify, cert
        return super().build_connection_pool_key_attributes(request, True, None)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave all to the context: requests would add its own bundle to the operator's, and take `verify=False`."""
        del url, verify, cert
        conn.cert_reqs = "CERT_REQUIRED"
