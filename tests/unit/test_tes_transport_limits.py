"""The transport against real servers: how often it sends, how long it waits, how much it reads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from protes.clock import ManualClock
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    NotSent,
    Refused,
    ServerFault,
    TimedOut,
    Unreachable,
)
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from tests.support.scripted_server import (
    Drip,
    Endless,
    HangUp,
    Raw,
    ScriptedServer,
    Stall,
    answer,
    answer_json,
    problem,
)

PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)
HASTY = Timeouts(connect_seconds=1, read_seconds=0.8, get_seconds=1, post_seconds=1)
LONGEST_SECONDS = 15.0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def transport_to(server: ScriptedServer, timeouts: Timeouts | None = None, cap: int = 1 << 20) -> Transport:
    return Transport(server.url, timeouts=timeouts or PATIENT, max_body_bytes=cap)


# Sent once


def test_a_get_is_sent_again_when_the_pooled_connection_was_closed(server: ScriptedServer) -> None:
    # The answer promises to keep the connection, the next request on it is not answered.
    server.on("GET", "/a", answer_json({"n": 1}), HangUp(), then=answer_json({"n": 2}))
    with transport_to(server) as transport:
        assert transport.get("/a").json() == {"n": 1}
        assert transport.get("/a").json() == {"n": 2}
    assert server.count() == 3
    assert server.connections == 2


def test_a_get_is_sent_again_once_at_most_and_only_on_a_pooled_connection(server: ScriptedServer) -> None:
    server.on("GET", "/a", answer_json({}), then=HangUp())
    with transport_to(server) as transport:
        transport.get("/a")
        with pytest.raises(ConnectionLost):
            transport.get("/a")
        assert server.count() == 3
        with pytest.raises(ConnectionLost):
            transport.get("/a")
        assert server.count() == 4


def test_a_get_whose_answer_had_begun_is_not_sent_again(server: ScriptedServer) -> None:
    server.on("GET", "/a", answer_json({}), then=Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"))
    with transport_to(server) as transport:
        transport.get("/a")
        with pytest.raises(ConnectionLost):
            transport.get("/a")
    assert server.count() == 2


def test_a_post_that_dies_is_sent_once(server: ScriptedServer) -> None:
    server.on("GET", "/a", answer_json({}))
    server.on("POST", "/tasks", HangUp())
    with transport_to(server) as transport:
        transport.get("/a")
        with pytest.raises(ConnectionLost) as lost:
            transport.post("/tasks", {})
    assert lost.value.ambiguous
    assert server.count("POST") == 1


def test_a_server_that_closes_kept_connections_gets_each_post_once() -> None:
    with closing_server() as (url, heads), Transport(url, timeouts=PATIENT) as transport:
        for _ in range(30):
            assert transport.post("/tasks", {}).json() == {"id": "x"}
    assert len(heads) == 30


def test_a_post_has_a_connection_of_its_own_making(server: ScriptedServer) -> None:
    server.on("*", "/*", answer_json({}))
    with transport_to(server) as transport:
        for count in (1, 2, 3):
            transport.post("/tasks", {})
            transport.get("/tasks")
            assert server.connections == count


def test_a_get_does_not_trust_a_connection_that_was_idle_for_long(server: ScriptedServer) -> None:
    server.on("GET", "/*", answer_json({}))
    clock = ManualClock()
    with Transport(server.url, timeouts=PATIENT, clock=clock) as transport:
        for seconds, connections in ((0, 1), (59, 1), (61, 2)):
            clock.advance(seconds)
            transport.get("/a")
            assert server.connections == connections


def test_what_is_checked_before_sending_stops_the_post_after_connecting(server: ScriptedServer) -> None:
    def stop() -> None:
        assert server.connections <= 1
        raise NotSent("too late")

    with transport_to(server) as transport, pytest.raises(NotSent):
        transport.post("/tasks", {"a": 1}, before_send=stop)
    assert server.count() == 0


# Deadlines


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "step",
    [
        Stall(),
        Drip(answer_json({"id": "x" * 200}), interval_seconds=0.02),
        Drip(answer_json({"id": "x" * 200}), interval_seconds=0.02, head=True),
        Drip(problem(500, "x" * 200), interval_seconds=0.02, head=True),
        Endless(chunk=b" ", headers={}),
    ],
    ids=["stall", "drip", "drip head", "drip error", "endless slowly"],
)
def test_nothing_outlasts_the_total(server: ScriptedServer, method: str, step: Stall | Drip | Endless) -> None:
    server.on("*", "/a", step)
    began = time.monotonic()
    with transport_to(server, HASTY, 1 << 30) as transport, pytest.raises(TimedOut) as late:
        transport.get("/a") if method == "GET" else transport.post("/a", {})
    assert time.monotonic() - began < LONGEST_SECONDS
    assert late.value.ambiguous == (method == "POST")
    assert server.count() == 1


def test_a_reader_that_never_reads_cannot_hold_a_post() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        with Transport(url, timeouts=HASTY) as transport, pytest.raises(TimedOut) as late:
            transport.post("/tasks", {"content": "x" * (32 << 20)})
    assert late.value.ambiguous
    assert time.monotonic() - began < LONGEST_SECONDS


def test_a_body_may_take_longer_to_send_than_a_connection_to_make() -> None:
    hold = threading.Event()

    def read_late(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as reader:
            hold.wait(0.5)
            length = next(int(line.split()[1]) for line in reader if line.lower().startswith(b"content-length"))
            while reader.readline().strip():
                pass
            reader.read(length)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"id": "x"}')

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=read_late, args=(listener,))
        thread.start()
        timeouts = Timeouts(connect_seconds=0.2, post_seconds=10.0)
        with Transport(f"http://127.0.0.1:{listener.getsockname()[1]}", timeouts=timeouts) as transport:
            assert transport.post("/tasks", {"content": "x" * (16 << 20)}).json() == {"id": "x"}
        thread.join()


def test_a_short_time_left_does_not_stick_to_the_pooled_connection(server: ScriptedServer) -> None:
    server.on("GET", "/slow", Drip(answer_json({"a": "b" * 10}), interval_seconds=0.01))
    server.on("POST", "/tasks", answer_json({"id": "x"}))
    with transport_to(server, Timeouts(get_seconds=3.0)) as transport:
        transport.get("/slow")
        assert transport.post("/tasks", {"content": "x" * (8 << 20)}).json() == {"id": "x"}


# Answers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_is_read_up_to_the_cap(server: ScriptedServer, method: str) -> None:
    body = b'"' + b"x" * 998 + b'"'
    server.on("*", "/a", answer(200, body))
    for cap, fits in ((1000, True), (999, False)):
        with transport_to(server, cap=cap) as transport:
            if fits:
                assert transport.get("/a").body == body
                continue
            with pytest.raises(BadAnswer, match="more than 999 bytes") as big:
                transport.get("/a") if method == "GET" else transport.post("/a", {})
            assert big.value.too_big
            assert big.value.ambiguous == (method == "POST")


def test_an_endless_body_is_cut(server: ScriptedServer) -> None:
    server.on("GET", "/a", Endless())
    with transport_to(server, Timeouts(), cap=1 << 20) as transport, pytest.raises(BadAnswer) as big:
        transport.get("/a")
    assert big.value.too_big


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a": ', b"[" * 100_000, b"\xff", b"9" * 5000, b'{"a": 1} x'])
def test_what_is_not_json_is_a_bad_answer(server: ScriptedServer, body: bytes) -> None:
    server.on("GET", "/a", answer(200, body, "application/json"))
    with transport_to(server) as transport, pytest.raises(BadAnswer, match="not JSON"):
        transport.get("/a").json()


def test_json_needs_no_content_type_and_knows_no_nan(server: ScriptedServer) -> None:
    server.on("GET", "/a", answer(200, '\ufeff{"a": NaN, "b": -Infinity}', "text/plain"))
    with transport_to(server) as transport:
        assert transport.get("/a").json() == {"a": None, "b": None}


def test_the_status_of_an_error_counts_whatever_its_body(server: ScriptedServer) -> None:
    server.on("POST", "/endless", Raw(b"HTTP/1.1 400 Bad\r\n\r\n" + b"x" * (1 << 20)))
    server.on("POST", "/cut", Raw(b"HTTP/1.1 422 No\r\nContent-Length: 99\r\n\r\nimage"))
    server.on("POST", "/html", answer(503, "<html>x</html>", "text/html"))
    with transport_to(server, cap=100) as transport:
        with pytest.raises(Refused, match="refused with 400: xxx") as endless:
            transport.post("/endless", {})
        with pytest.raises(Refused) as cut:
            transport.post("/cut", {})
        with pytest.raises(ServerFault, match=r"failed with 503$"):
            transport.post("/html", {})
    assert (endless.value.ambiguous, cut.value.ambiguous) == (False, False)
    assert cut.value.status == 422


def test_conflicting_lengths_after_sending_are_ambiguous(server: ScriptedServer) -> None:
    server.on("POST", "/a", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n{}"))
    with transport_to(server) as transport, pytest.raises(BadAnswer) as bad:
        transport.post("/a", {})
    assert bad.value.ambiguous


def test_tls_to_a_server_without_it_is_unreachable(server: ScriptedServer) -> None:
    transport = Transport(server.url.replace("http:", "https:"), timeouts=PATIENT)
    with transport, pytest.raises(Unreachable) as error:
        transport.post("/tasks", {})
    assert not error.value.ambiguous


def test_a_host_name_that_is_none_is_unreachable() -> None:
    with Transport(f"http://{'a' * 64}.example", timeouts=PATIENT) as transport, pytest.raises(Unreachable) as error:
        transport.post("/tasks", {})
    assert not error.value.ambiguous


def test_threads_share_a_transport(server: ScriptedServer) -> None:
    server.on("GET", "/{n}", lambda request: answer_json(request.params["n"]))
    answers: dict[int, object] = {}

    def ask(number: int) -> None:
        try:
            answers[number] = transport.get(f"/{number}").json()
        except DownstreamError as error:
            answers[number] = error

    with transport_to(server, Timeouts()) as transport:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {number: str(number) for number in range(12)}


@contextlib.contextmanager
def closing_server() -> Iterator[tuple[str, list[bytes]]]:
    """Answers one request per connection as if it kept the connection, and then closes it at once."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer_and_close, args=(listener, heads))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", heads
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer_and_close(listener: socket.socket, heads: list[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as reader:
            heads.append(reader.readline())
            while reader.readline().strip():
                pass
            reader.read(2)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: keep-alive\r\n\r\n{"id": "x"}')
