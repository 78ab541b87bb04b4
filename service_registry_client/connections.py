"""Connections of a `requests` session that obey the current deadline and go to judged addresses only."""

from __future__ import annotations

import functools
import socket
import ssl
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from service_registry_client.addresses import Addresses
from service_registry_client.deadline import current


class _Watched(HTTPConnection):
    """Shows its socket to the current thread's deadline: on connecting, and when it is taken from the pool again."""

    def __init__(self, *args: Any, addresses: Addresses, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses = addresses

    def connect(self) -> None:
        super().connect()
        self._show()

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            self._show()
        super().putrequest(*args, **kwargs)

    def _show(self) -> None:
        deadline = current()
        if deadline is not None and self.sock is not None:
            deadline.watch(self.sock)

    def _new_conn(self) -> socket.socket:
        """Called by the base class: to the first of the judged addresses that takes the connection."""
        host = self.host.strip("[]")
        try:
            addresses = self._addresses.of(host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"the name cannot be looked up: {error}") from error
        failure: OSError = OSError("the name has no address")
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port),
                    self._connect_seconds(),
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, str(failure)) from failure

    def _connect_seconds(self) -> float | None:
        """For the next address; all of them together have no more than what is left of the deadline."""
        seconds = Timeout.resolve_default_timeout(self.timeout)
        deadline = current()
        if deadline is None:
            return seconds
        # At least a moment: zero would mean not to block.
        left = max(0.001, deadline.remaining_seconds())
        return left if seconds is None else min(seconds, left)


class _WatchedTLS(_Watched, HTTPSConnection):
    """The same over TLS. The handshake comes before the socket is shown; the connect timeout limits it as a whole."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


class DeadlineAdapter(HTTPAdapter):
    """Mount it on a session to have its requests obey the `Deadline` in whose block they are made. It never retries.

    Args:
        addresses: How hosts become addresses. Through a proxy it is the proxy's host that is looked up.
        tls: How certificates are checked; None leaves it to `requests`.
    """

    def __init__(self, addresses: Addresses, tls: ssl.SSLContext | None = None) -> None:
        self._addresses = addresses
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by the base class; adds the watched connections."""
        own: dict[str, Any] = {} if self._tls is None else {"ssl_context": self._tls}
        super().init_poolmanager(*args, **{**kwargs, **own})
        self._watch_pools(self.poolmanager)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Called by the base class; a context that was given is all there is to go by."""
        if self._tls is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        else:
            conn.cert_reqs = "CERT_REQUIRED"

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Called by the base class for requests through a proxy; adds the watched connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch_pools(manager)
        return manager

    def _watch_pools(self, manager: PoolManager) -> None:
        # What a pool does not know it hands on to its connections.
        manager.pool_classes_by_scheme = {
            "http": functools.partial(_Pool, addresses=self._addresses),  # type: ignore[dict-item]
            "https": functools.partial(_TLSPool, addresses=self._addresses),  # type: ignore[dict-item]
        }
