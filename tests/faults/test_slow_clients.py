"""Clients that send slowly, too much, or several requests at once: they stop nobody else. Raw sockets."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.support.waiting import wait_until

PROGRAM = """
import sys
from protes.http_arrival import Bounds
from protes.http_server import serve

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(str(len(body)))))])
    return [str(len(body)).encode()]

bounds = Bounds(
    head_seconds=4, held_bytes=1000, body_bytes_per_second=100_000, grace_seconds=4, large_wait_seconds=2,
    stall_seconds=2,
)
serve(
    lambda: (app, lambda: None), host="127.0.0.1", port=0, threads=4, bounds=bounds,
    on_ready=lambda url: print(url, flush=True),
)
"""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Served:
    """A server, by its port."""

    port: int

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def get(self) -> float:
        """Send a request as others do; return after how many seconds it was answered."""
        began = time.monotonic()
        with self.connect() as sock:
            sock.sendall(GET)
            assert answer_of(sock).startswith(b"HTTP/1.1 200")
        return time.monotonic() - began


def answer_of(sock: socket.socket) -> bytes:
    """Return the head and the first of the body of an answer, or "" where the connection is closed without one."""
    data = b""
    while b"\r\n\r\n" not in data or data.endswith(b"\r\n\r\n"):
        try:
            received = sock.recv(65536)
        except ConnectionResetError:
            return data
        if not received:
            return data
        data += received
    return data


def is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        return sock.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        yield Served(int(url.rpartition(":")[2]))
        process.terminate()


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        GET + b"GET / HT",
    ],
    ids=["silent", "head", "small-body", "large-body", "chunked", "pipelined"],
)
def test_two_hundred_slow_connections_stop_nobody(served: Served, beginning: bytes) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(served.connect()) for _ in range(200)]
        for sock in slow:
            sock.sendall(beginning)
        # Without a bound they would wait for all of the slow ones to give up: four seconds for each four of them.
        assert max(served.get() for _ in range(5)) < 15.0


def test_a_connection_that_says_nothing_or_not_enough_is_closed(served: Served) -> None:
    with served.connect() as silent, served.connect() as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        assert answer_of(slow).startswith(b"HTTP/1.1 408")
        wait_until(lambda: is_closed(silent), "the silent one is closed", PATIENCE_SECONDS)


def test_a_body_that_drips_is_cut_off(served: Served) -> None:
    with served.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")

        def dripped() -> bool:
            try:
                sock.sendall(b"x")
            except OSError:
                return True
            return is_closed(sock)

        wait_until(dripped, "the body is cut off", PATIENCE_SECONDS)


def test_a_large_body_that_waits_for_its_turn_for_too_long_is_turned_away(served: Served) -> None:
    large = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(served.connect()).sendall(large)
        served.get()  # both are being read
        late = stack.enter_context(served.connect())
        late.sendall(large + b"x" * 10_000)
        head, _, body = answer_of(late).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5" in head
        assert json.loads(body)["status"] == 503
        served.get()


def test_requests_in_pieces_and_one_after_the_other_are_answered(served: Served) -> None:
    body = b"x" * 300_000
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with served.connect() as sock:
        for length in (0, 3, 1000, 1001, 300_000):
            for piece in ((post % length)[:20], (post % length)[20:], body[:length]):
                sock.sendall(piece)
            assert answer_of(sock).endswith(b"\r\n\r\n%d" % length)
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert answer_of(sock).endswith(b"\r\n\r\n3")


def test_requests_that_come_at_once_are_answered_in_turn(served: Served) -> None:
    with served.connect() as sock:
        sock.sendall(GET * 3)
        data = b""
        while data.count(b"HTTP/1.1 200") < 3:
            received = sock.recv(65536)
            assert received
            data += received


def test_who_waits_to_be_told_to_continue_is_told(served: Served) -> None:
    with served.connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hello")
        assert answer_of(sock).endswith(b"\r\n\r\n5")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000,
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(101)) + b"\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["endless", "large", "many", "long-line"],
)
def test_a_head_that_is_too_large_is_refused(served: Served, head: bytes) -> None:
    with served.connect() as sock:
        sock.sendall(head)
        assert answer_of(sock)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"HTTP/1.1 414")
    served.get()
