"""The transport against real servers: what is sent, how often, how long, and to whom."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from protes.clock import ManualClock
from protes.tes.credentials import BasicCredentials, BearerToken
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
from protes.tes.urls import canonical, segment
from tests.support.scripted_server import (
    Drip,
    Endless,
    HangUp,
    Raw,
    Request,
    ScriptedServer,
    Stall,
    answer,
    answer_json,
    problem,
    redirect,
)

QUICK = Timeouts(connect_seconds=0.5, read_seconds=0.4, get_seconds=0.5, post_seconds=0.5)
LONGEST_SECONDS = 2.0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def transport_to(server: ScriptedServer, timeouts: Timeouts | None = None, cap: int = 1 << 20) -> Transport:
    return Transport(server.url, timeouts=timeouts or QUICK, max_body_bytes=cap)


def only(server: ScriptedServer) -> Request:
    [request] = server.requests()
    return request


def test_a_get_says_what_it_accepts_and_nothing_of_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.on("GET", "/*", answer_json({"a": 1}, Set_Cookie="session=1"))
    with transport_to(server) as transport:
        assert transport.get("/tasks", [("view", "MINIMAL"), ("name_prefix", "a&b =ä")]).json() == {"a": 1}
        transport.get("/tasks")
    first, second = server.requests()
    assert first.headers["Accept"] == "application/json"
    assert first.headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in first.headers
    assert first.query == {"view": ("MINIMAL",), "name_prefix": ("a&b =ä",)}
    assert "Cookie" not in second.headers


def test_a_post_sends_json(server: ScriptedServer) -> None:
    server.on("POST", "/*", answer_json({"id": "x"}))
    with transport_to(server) as transport:
        transport.post("/tasks", {"name": "ä\ud800"}, headers={"Via": "1.1 me"})
        transport.post("/tasks/x:cancel")
    create, cancel = server.requests()
    assert create.json() == {"name": "ä\ud800"}
    assert create.headers["Content-Type"] == "application/json"
    assert create.headers["Via"] == "1.1 me"
    assert (cancel.body, cancel.headers["Content-Length"]) == (b"", "0")


def test_connections_are_reused(server: ScriptedServer) -> None:
    server.on("*", "/*", answer_json({}))
    with transport_to(server) as transport:
        transport.post("/b", {})
        for _ in range(3):
            transport.get("/a")
    assert server.connections == 1


@pytest.mark.parametrize(
    "text", ["a/../../service-info?x=", "a%2Fb", "ä ö", "a:b", "a#b", "..a", "100%", "a\\b", "\u202e"]
)
def test_an_id_is_one_path_segment(server: ScriptedServer, text: str) -> None:
    server.on("GET", "/tasks/{id}", lambda request: answer_json({"id": request.params["id"]}))
    with transport_to(server) as transport:
        assert transport.get(f"/tasks/{segment(text)}").json() == {"id": text}


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_what_cannot_be_a_segment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="segment"):
        segment(text)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Host.example:443/v1/", "https://host.example/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        (" http://h:80/a//", "http://h/a"),
    ],
)
def test_base_urls_have_one_form(given: str, kept: str) -> None:
    assert canonical(given) == kept
    assert canonical(kept) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://h",
        "http://",
        "h/v1",
        "http://u:hunter2@h",
        "http://h?a=hunter2",
        "http://h#hunter2",
        "http://h:99999",
    ],
)
def test_other_base_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"instance|Port") as refused:
        Transport(url)
    assert "hunter2" not in str(refused.value)


def test_another_base_path_shares_the_connections_and_another_server_is_refused(server: ScriptedServer) -> None:
    server.on("GET", "/*", answer_json({}))
    with transport_to(server) as transport:
        transport.get("/a")
        other = transport.at(server.url + "/v1")
        other.get("/b")
        with pytest.raises(ValueError, match="another server"):
            transport.at("http://127.0.0.1:1/v1")
    assert server.connections == 1
    assert [request.path for request in server.requests()] == ["/a", "/v1/b"]


# Credentials


def test_credentials_are_sent_at_once_and_shown_nowhere(server: ScriptedServer) -> None:
    server.on("GET", "/basic", answer_json({}))
    server.on("GET", "/echo", lambda request: answer(403, f"bad: {request.headers['Authorization']} and hunter2!"))
    with Transport(server.url, BasicCredentials("me", SecretStr("hunter2!")), timeouts=QUICK) as transport:
        transport.get("/basic")
        with pytest.raises(Refused) as refused:
            transport.get("/echo")
        assert "hunter2" not in repr(transport)
    header = server.requests("GET", "/basic")[0].headers["Authorization"]
    assert header.startswith("Basic ")
    assert header.removeprefix("Basic ") not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_credentials_never_go_to_another_host(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        other.on("GET", "/*", answer_json({}))
        server.on("GET", "/*", redirect(other.url + "/steal"))
        transport = Transport(server.url, BearerToken(SecretStr("hunter2")), timeouts=QUICK)
        with transport, pytest.raises(BadAnswer, match="redirect to another server"):
            transport.get("/tasks")
        assert other.count() == 0


# Redirects


def test_a_get_follows_three_redirects_on_the_same_host(server: ScriptedServer) -> None:
    for number in range(4):
        server.on("GET", f"/{number}", redirect(f"/{number + 1}"))
    server.on("GET", "/4", answer_json({"end": True}))
    with transport_to(server) as transport:
        found = transport.get("/1")
        assert found.json() == {"end": True}
        assert found.url == server.url + "/4"
        with pytest.raises(BadAnswer, match="more than 3"):
            transport.get("/0")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_post_follows_none(server: ScriptedServer, status: int) -> None:
    server.on("POST", "/tasks", redirect("/elsewhere", status))
    server.on("*", "/elsewhere", answer_json({"id": "x"}))
    with transport_to(server) as transport, pytest.raises(BadAnswer) as bad:
        transport.post("/tasks", {})
    assert bad.value.ambiguous
    assert server.count() == 1


def test_the_body_of_a_redirect_is_capped(server: ScriptedServer) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n"
    server.on("*", "/a", Raw(head + b"x" * 5000))
    with transport_to(server, cap=1000) as transport:
        with pytest.raises(BadAnswer, match="more than 1000 bytes"):
            transport.get("/a")
        with pytest.raises(BadAnswer, match="more than 1000 bytes"):
            transport.post("/a", {})


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/", "https://127.0.0.1/", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://[", ""],
)
def test_no_redirect_leads_away(server: ScriptedServer, location: str) -> None:
    server.on("GET", "/a", answer(302) if not location else redirect(location))
    with transport_to(server) as transport, pytest.raises(BadAnswer, match="redirect"):
        transport.get("/a")


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
    with closing_server() as (url, heads), Transport(url, timeouts=QUICK) as transport:
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
    with Transport(server.url, timeouts=QUICK, clock=clock) as transport:
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
    with transport_to(server, cap=1 << 30) as transport, pytest.raises(TimedOut) as late:
        transport.get("/a") if method == "GET" else transport.post("/a", {})
    assert time.monotonic() - began < LONGEST_SECONDS
    assert late.value.ambiguous == (method == "POST")
    assert server.count() == 1


def test_a_reader_that_never_reads_cannot_hold_a_post() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        with Transport(url, timeouts=QUICK) as transport, pytest.raises(TimedOut) as late:
            transport.post("/tasks", {"content": "x" * (32 << 20)})
    assert late.value.ambiguous
    assert time.monotonic() - began < LONGEST_SECONDS


def test_a_short_time_left_does_not_stick_to_the_pooled_connection(server: ScriptedServer) -> None:
    server.on("GET", "/slow", Drip(answer_json({"a": "b" * 10}), interval_seconds=0.01))
    server.on("POST", "/tasks", answer_json({"id": "x"}))
    with transport_to(server, Timeouts(get_seconds=1.0)) as transport:
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
    transport = Transport(server.url.replace("http:", "https:"), timeouts=QUICK)
    with transport, pytest.raises(Unreachable) as error:
        transport.post("/tasks", {})
    assert not error.value.ambiguous


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    with Transport("http://tes.invalid", timeouts=QUICK) as transport, pytest.raises(Unreachable) as error:
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
