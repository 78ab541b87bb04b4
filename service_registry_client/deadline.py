"""A total deadline for requests made through a `requests` session, and a way to break them off.

Read timeouts start anew with every byte, so a server that drips its answer, headers included, holds a client for ever.
Here a timer shuts the connection's socket down when the deadline has passed, which wakes whatever waits for it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_current = threading.local()


class Deadline:
    """A point in time for everything that happens within one `limit` block; may be reached early by `expire`."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._ends_at = clock() + seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._expired = False

    @property
    def expired(self) -> bool:
        """Whether the deadline has been reached."""
        return self._expired

    def remaining_seconds(self) -> float:
        """Seconds left; zero when none are, never negative."""
        return max(0.0, self._ends_at - self._clock())

    def expire(self) -> None:
        """Break off what goes on: from now on every read and write on the connection fails."""
        with self._lock:
            self._expired = True
            if self._socket is not None:
                _shut_down(self._socket)

    def watch(self, connected: socket.socket) -> None:
        """Make the socket the one that is shut down, at once if the deadline has been reached already."""
        with self._lock:
            self._socket = connected
            if self._expired:
                _shut_down(connected)

    def forget(self) -> None:
        """Let go of the socket, which may be used by others from now on."""
        with self._lock:
            self._socket = None

    @contextlib.contextmanager
    def limit(self) -> Iterator[None]:
        """Watch the connections that this thread uses within the block."""
        timer = threading.Timer(self.remaining_seconds(), self.expire)
        timer.daemon = True
        timer.start()
        _current.deadline = self
        try:
            yield
        finally:
            _current.deadline = None
            self.forget()
            timer.cancel()
            timer.join()


def _shut_down(connected: socket.socket) -> None:
    # The plain socket's method: a TLS socket's own would also drop its state under the thread that is reading.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def current() -> Deadline | None:
    """The deadline in whose `limit` block this thread is."""
    deadline: Deadline | None = getattr(_current, "deadline", None)
    return deadline
