"""The connection under a stream: whether the client is still there, and takes what it is sent."""

import socket
import ssl
import sys
from contextlib import suppress
from typing import Any

from protes.clock import Clock

_STALLED_SECONDS = 30.0
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")


class Connection:
    """A stream's connection. Watched by one thread, written by another.

    A server that writes to a client which does not read waits for ever; and one that has nothing to write does not see
    that its client is gone. Both would hold a request thread.
    """

    def __init__(self, environ: dict[str, Any], clock: Clock) -> None:
        """Find the socket in the WSGI environment of a request; without one nothing is seen, and nothing dropped."""
        found = next((environ[name] for name in _SOCKETS if name in environ), None)
        self._socket: socket.socket | None = found if isinstance(found, socket.socket) else None
        self._clock = clock
        self._sending_since: float | None = None
        self.gone = False
        if self._socket is not None and sys.platform == "linux":
            with suppress(OSError):  # a machine that vanished answers nothing, and would be waited for for minutes
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(_STALLED_SECONDS * 1000))

    def sending(self) -> None:
        """Note that the server is given something to write."""
        self._sending_since = self._clock.monotonic()

    def sent(self) -> None:
        """Note that it was written."""
        self._sending_since = None

    def look(self) -> bool:
        """Return whether the client has gone; one that takes nothing for long is sent away."""
        since = self._sending_since
        if since is not None and self._clock.monotonic() - since > _STALLED_SECONDS:
            self.gone = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        elif self._hung_up():
            self.gone = True
        return self.gone

    def _hung_up(self) -> bool:
        if self._socket is None or isinstance(self._socket, ssl.SSLSocket):
            return False
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
