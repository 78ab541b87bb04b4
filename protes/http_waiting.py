"""gunicorn's threaded worker, but for slow clients: they wait in its loop and not in its threads."""

import errno
import json
import selectors
import socket
import struct
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from protes.clock import SystemClock
from protes.http_arrival import Arrival, Bounds, Verdict
from protes.http_turns import Turns, is_read

_CHUNK = 64 * 1024
_MOST_CHUNKS_LOST = 16
_CROWDED = 0.9
_ANSWER = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TIMED_OUT = _ANSWER % b"408 Request Timeout"
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s"
)
_TOO_MANY_LARGE = json.dumps(
    {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "too many large bodies are being read; the request was not read: repeat it later",
    }
).encode()
_HEAD_TOO_LARGE = _ANSWER % b"431 Request Header Fields Too Large"

_clock = SystemClock()


class PacedSocket:
    """A socket from which a body is read that must not come too slowly."""

    def __init__(self, sock: Any, bounds: Bounds) -> None:
        """Read from `sock`, from now on."""
        self._sock = sock
        self._bounds = bounds
        self._since = _clock.monotonic()
        self._received = 0
        self._timeout: float | None = None

    def recv(self, size: int) -> bytes:
        """Return some bytes.

        Raises:
            ConnectionResetError: they come too slowly.
            TimeoutError: none came within what `settimeout` says.
        """
        allowed = self._bounds.grace_seconds + self._received / self._bounds.body_bytes_per_second
        left = self._since + allowed - _clock.monotonic()
        patience = left if self._timeout is None else min(left, self._timeout)
        if left <= 0:
            raise ConnectionResetError(errno.ECONNRESET, "the body came too slowly")
        self._sock.settimeout(max(patience, 0.001))
        try:
            data: bytes = self._sock.recv(size)
        except TimeoutError:
            if patience < left:
                raise
            raise ConnectionResetError(errno.ECONNRESET, "the body came too slowly") from None
        finally:
            self._sock.settimeout(None)
        self._received += len(data)
        return data

    def settimeout(self, seconds: float | None) -> None:
        """Wait for each read no longer than this; None: as long as its pace allows."""
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        """Return what `settimeout` said."""
        return self._timeout


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """A worker whose threads take up requests that are there.

    Its app has the bounds as `bounds`. Bodies that a thread has to wait for hold half of the threads at most. Reads are
    taken up a few at a time (`protes.http_turns`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a worker as gunicorn does."""
        super().__init__(*args, **kwargs)
        self._bounds: Bounds = self.app.bounds
        self._arriving: dict[TConn, Arrival] = {}
        self._arrived: dict[TConn, Arrival] = {}
        self._large_at_once = max(1, self.cfg.threads // 2)
        self._large: set[TConn] = set()
        self._large_waiting: deque[tuple[TConn, float]] = deque()
        self._reads: Turns[TConn] = Turns()

    def enqueue_req(self, conn: TConn) -> None:
        """Await the request of a connection, which may have begun to arrive."""
        left = b""
        if conn.parser is None:
            _set_send_timeout(conn.sock, self._bounds.stall_seconds)
        else:
            left = conn.parser.unreader.take_buffered()
        self._make_room()
        conn.sock.setblocking(False)
        arrival = self._arriving[conn] = Arrival(self._bounds, _clock.monotonic(), left)
        if arrival.verdict is Verdict.MORE:
            self._on_readable(conn, conn.sock)  # most requests are there when they are looked for
        else:
            self._judge(conn, arrival)
        if conn in self._arriving:
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_readable, conn))

    def _on_readable(self, conn: TConn, _: Any) -> None:
        arrival = self._arriving[conn]
        try:
            data = conn.sock.recv(_CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        arrival.add(data, _clock.monotonic())
        self._judge(conn, arrival)

    def _judge(self, conn: TConn, arrival: Arrival) -> None:
        if arrival.verdict is Verdict.MORE:
            return
        if arrival.verdict is Verdict.TOO_LARGE:
            self._drop(conn, _HEAD_TOO_LARGE)
            return
        with suppress(KeyError):
            self.poller.unregister(conn.sock)
        self._arrived[conn] = self._arriving.pop(conn)
        if arrival.verdict is Verdict.LARGE:
            self._large_waiting.append((conn, _clock.monotonic() + self._bounds.large_wait_seconds))
            self._take_up_large()
        elif is_read(arrival.data):
            self._reads.line_up(conn)
            self._take_up_reads()
        else:
            super().enqueue_req(conn)

    def _take_up_large(self) -> None:
        while self._large_waiting and len(self._large) < self._large_at_once:
            conn, _ = self._large_waiting.popleft()
            self._large.add(conn)
            super().enqueue_req(conn)

    def _take_up_reads(self) -> None:
        for conn in self._reads.begin(_clock.monotonic()):
            super().enqueue_req(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what there is to do, waiting for it no longer than `timeout` seconds."""
        pause = self._reads.pause(_clock.monotonic())
        super().wait_for_and_dispatch_events(timeout if pause is None else min(timeout, pause))
        self._take_up_reads()

    def handle(self, conn: TConn) -> Any:
        """Handle the request of a connection, in a thread; what has arrived of it is read first."""
        arrival = self._arrived.pop(conn)
        conn.sock.setblocking(True)
        conn.init()
        unreader = conn.parser.unreader
        unreader.sock = PacedSocket(conn.sock, self._bounds) if arrival.verdict is Verdict.LARGE else conn.sock
        unreader.unread(arrival.data)
        conn.data_ready = True
        return super().handle(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """End a request; the next one of the connection may have begun."""
        self._large.discard(conn)
        self._take_up_large()
        self._reads.leave(conn)
        self._take_up_reads()
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Close connections whose requests take too long to arrive; called once a second."""
        super().murder_pending()
        now = _clock.monotonic()
        for conn in [each for each, arrival in self._arriving.items() if arrival.deadline <= now]:
            self._drop(conn, _TIMED_OUT if self._arriving[conn].data else b"")
        while self._large_waiting and self._large_waiting[0][1] <= now:
            conn, _ = self._large_waiting.popleft()
            del self._arrived[conn]
            self._turn_away(conn)

    def _turn_away(self, conn: TConn) -> None:
        """Answer that there are too many, and let go; what has come meanwhile is taken, or it would undo the answer."""
        with suppress(OSError):
            conn.sock.send(_BUSY % (len(_TOO_MANY_LARGE), _TOO_MANY_LARGE))
            conn.sock.shutdown(socket.SHUT_WR)
            for _ in range(_MOST_CHUNKS_LOST):
                conn.sock.recv(_CHUNK)
        self.nr_conns -= 1
        conn.close()

    def _make_room(self) -> None:
        """Where nearly no connection is left for others, let go of the one that has been arriving for longest."""
        if self._arriving and self.nr_conns >= self.worker_connections * _CROWDED:
            self._drop(min(self._arriving, key=lambda each: self._arriving[each].deadline))

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for arrival in self._arriving.values():
            arrival.deadline = min(arrival.deadline, deadline)

    def _drop(self, conn: TConn, answer: bytes = b"") -> None:
        del self._arriving[conn]
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        if answer:
            with suppress(OSError):
                conn.sock.send(answer)
        self.nr_conns -= 1
        conn.close()


def _set_send_timeout(sock: socket.socket, seconds: float) -> None:
    """Bound how long a send may stand still, which a blocking socket of Python cannot have apart from reads."""
    whole = int(seconds)
    value = struct.pack("@ll", whole, int((seconds - whole) * 1_000_000))
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
