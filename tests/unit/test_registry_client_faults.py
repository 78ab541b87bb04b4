"""Registries in trouble: each fault on a real server, and the errors that come of it."""

from __future__ import annotations

import gzip
import http.client
import inspect
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import urllib3

from service_registry_client import (
    Limits,
    RegistryAnswer,
    RegistryBody,
    RegistryClient,
    RegistryError,
    RegistryRedirect,
    RegistryTimeout,
    RegistryUnreachable,
)
from service_registry_client.failures import as_registry_error
from service_registry_client.transport import redirect_target
from tests.support.fake_registry import service_entry
from tests.support.scripted_server import (
    Answer,
    Behaviour,
    Delayed,
    Drip,
    Endless,
    Exchange,
    HangUp,
    Raw,
    Reset,
    ScriptedServer,
    Stall,
    Truncated,
    answer,
    answer_html,
    answer_json,
    problem,
    redirect,
    refused_url,
)

LIST = answer_json([service_entry("https://tes.example.org")])
PATIENT = Limits(connect_seconds=20, read_seconds=20, total_seconds=30, max_body_bytes=100_000)
HASTY = Limits(connect_seconds=1.0, read_seconds=0.5, total_seconds=0.8, max_body_bytes=100_000)
ENDLESS_BLANKS = gzip.compress(b" " * 10_000_000)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def fetch(url: str, token: str | None = None, limits: Limits = PATIENT) -> list[str]:
    with RegistryClient(url, token, limits=limits) as client:
        return [service.url for service in client.services()]


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "text"),
    [
        (Reset(), RegistryUnreachable, True, "reset"),
        (HangUp(), RegistryUnreachable, True, "closed connection"),
        (Raw(b"SSH-2.0-OpenSSH_9\r\n"), RegistryUnreachable, True, "SSH"),
        (Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), RegistryUnreachable, True, ""),
        (Truncated(LIST), RegistryUnreachable, True, "10 more expected"),
        (Stall(), RegistryTimeout, True, "no answer in time"),
        (Delayed(5, LIST), RegistryTimeout, True, "no answer in time"),
        (Drip(LIST), RegistryTimeout, True, "within the time for a call"),
        (Drip(LIST, head=True), RegistryTimeout, True, "within the time for a call"),
        (Endless(), RegistryBody, False, "more than 100000 bytes"),
        (answer(200, b" " * 100_001), RegistryBody, False, "more than 100000 bytes"),
        (answer(200, ENDLESS_BLANKS, Content_Encoding="gzip"), RegistryBody, False, "more than 100000 bytes"),
        (answer(200, b"[]", Content_Encoding="gzip"), RegistryBody, False, "gzip"),
        (answer(200, gzip.compress(LIST.body)[:-9], Content_Encoding="gzip"), RegistryBody, False, "cut off"),
        (answer(200, b"[]", Content_Encoding="br"), RegistryBody, False, "packed"),
        (answer_html(), RegistryBody, False, "HTML"),
        (answer(200, ""), RegistryBody, False, "empty"),
        (answer(204), RegistryAnswer, False, "204"),
        (answer(200, "[{"), RegistryBody, False, "not JSON"),
        (answer_json({}), RegistryBody, False, "not a list"),
        (answer_json(None), RegistryBody, False, "not a list"),
        (answer_html(404), RegistryAnswer, False, "HTTP 404"),
        (problem(400), RegistryAnswer, False, "HTTP 400"),
        (problem(401), RegistryAnswer, False, "HTTP 401"),
        (problem(403), RegistryAnswer, False, "HTTP 403"),
        (problem(408), RegistryAnswer, True, "HTTP 408"),
        (problem(429), RegistryAnswer, True, "HTTP 429"),
        (problem(500), RegistryAnswer, True, "HTTP 500"),
        (problem(501), RegistryAnswer, False, "HTTP 501"),
        (problem(503), RegistryAnswer, True, "HTTP 503"),
        (answer(500, b"x" * 1_000_000), RegistryAnswer, True, "HTTP 500"),
        (redirect(""), RegistryRedirect, False, "no usable address"),
        (redirect("ftp://example.org/"), RegistryRedirect, False, "no usable address"),
        (redirect("http://["), RegistryRedirect, False, "no usable address"),
        (redirect("http://user:canary@example.org/"), RegistryRedirect, False, "no usable address"),
        (redirect("/services"), RegistryRedirect, False, "more than 3 redirects"),
    ],
)
def test_a_fault_is_an_error_of_its_kind_and_passes(
    server: ScriptedServer, fault: Behaviour, kind: type[RegistryError], retryable: bool, text: str
) -> None:
    server.on("GET", "/services", LIST)
    times = 4 if isinstance(fault, Answer) and fault.headers.get("Location") == "/services" else 1
    server.inject("GET", "/services", fault, times=times)
    with RegistryClient(server.url, limits=HASTY if kind is RegistryTimeout else PATIENT) as client:
        started = time.monotonic()
        with pytest.raises(RegistryError) as failure:
            client.services()
        assert time.monotonic() - started < 8
        assert type(failure.value) is kind
        assert failure.value.retryable is retryable
        assert text in str(failure.value)
        assert str(failure.value).isprintable()
        assert "canary" not in str(failure.value)
        # The client is none the worse for it; a hasty one may have to ask a busy machine again.
        with suppress(RegistryTimeout):
            assert len(client.services()) == 1
            return
        assert kind is RegistryTimeout
        assert len(client.services()) == 1


def test_a_registry_that_is_not_there() -> None:
    with refused_url() as url, pytest.raises(RegistryUnreachable, match="refused") as failure:
        fetch(url)
    assert failure.value.retryable


def test_a_registry_that_speaks_no_tls(server: ScriptedServer) -> None:
    with pytest.raises(RegistryUnreachable, match="TLS") as failure:
        fetch(server.url.replace("http:", "https:"))
    assert not failure.value.retryable


def test_a_registry_that_accepts_no_connections() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        with pytest.raises(RegistryTimeout):
            fetch(
                f"http://127.0.0.1:{address[1]}",
                limits=Limits(connect_seconds=0.1, read_seconds=0.1, total_seconds=0.5),
            )
        for client in waiting:
            client.close()


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("soon", None), ("-1", None), ("", None)])
def test_retry_after_in_seconds_is_told(server: ScriptedServer, value: str, seconds: float | None) -> None:
    server.on("GET", "/services", problem(503, Retry_After=value))
    with pytest.raises(RegistryAnswer) as failure:
        fetch(server.url)
    assert failure.value.retry_after_seconds == seconds


def test_the_deadline_is_for_all_pages_together(server: ScriptedServer) -> None:
    server.on("GET", "/services*", lambda r: Delayed(0.1, answer_json([], 200, Link=f"<{r.path}x>; rel=next")))
    with pytest.raises(RegistryTimeout):
        fetch(server.url, limits=HASTY)
    assert server.count() < 10


def test_a_body_cut_off_by_the_deadline_does_not_look_complete(server: ScriptedServer) -> None:
    # Without a length the end of the connection ends the body, and the deadline ends the connection.
    server.on("GET", "/services", Raw(b"HTTP/1.1 200 OK\r\n\r\n[]"))
    assert fetch(server.url) == []
    held = Stall()
    server.on("GET", "/services", _SendAndStall(b"HTTP/1.1 200 OK\r\n\r\n[]", held))
    with pytest.raises(RegistryTimeout):
        fetch(server.url, limits=Limits(read_seconds=5.0, total_seconds=0.2))


class _SendAndStall(Behaviour):
    def __init__(self, data: bytes, stall: Stall) -> None:
        self._data = data
        self._stall = stall

    def play(self, exchange: Exchange) -> None:
        exchange.send(self._data)
        self._stall.play(exchange)


def test_the_deadline_holds_on_a_connection_used_before(server: ScriptedServer) -> None:
    server.on("GET", "/services", LIST, Drip(LIST, head=True))
    limits = Limits(connect_seconds=5, read_seconds=1.5, total_seconds=2, max_body_bytes=100_000)
    with RegistryClient(server.url, limits=limits) as client:
        client.services()
        started = time.monotonic()
        with pytest.raises(RegistryTimeout):
            client.services()
        assert time.monotonic() - started < 8
    assert server.connections == 1


def test_no_more_is_unpacked_than_is_allowed(server: ScriptedServer) -> None:
    server.on("GET", "/services", answer(200, ENDLESS_BLANKS, Content_Encoding="gzip"))
    tracemalloc.start()
    try:
        with pytest.raises(RegistryBody, match="more than 100000 bytes"):
            fetch(server.url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_closing_breaks_off_a_call(server: ScriptedServer) -> None:
    stall = Stall()
    server.on("GET", "/services", stall)
    client = RegistryClient(server.url, limits=Limits(read_seconds=60, total_seconds=60))
    failures: list[RegistryError] = []

    def call() -> None:
        try:
            client.services()
        except RegistryError as error:
            failures.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    stall.wait_entered()
    client.close()
    caller.join(30)
    assert len(failures) == 1


# Redirects


def test_redirects_are_followed_three_times(server: ScriptedServer) -> None:
    server.on("GET", "/services", redirect("/1", 301))
    server.on("GET", "/1", redirect("2?page=1", 307))
    server.on("GET", "/2", redirect(f"{server.url}/3", 308))
    server.on("GET", "/3", LIST)
    assert fetch(server.url) == ["https://tes.example.org"]


def test_a_token_is_not_taken_to_another_host(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        server.on("GET", "/services", redirect("/moved"))
        server.on("GET", "/moved", redirect(f"{other.url}/services"))
        other.on("GET", "/services", redirect(f"{server.url}/back"))
        server.on("GET", "/back", LIST)
        assert fetch(server.url, "canary") == ["https://tes.example.org"]
        assert [request.headers.get("Authorization") for request in server.requests()] == ["Bearer canary"] * 3
        assert [request.headers.get("Authorization") for request in other.requests()] == [None]


@pytest.mark.parametrize(
    ("url", "location", "expected"),
    [
        ("https://a.example/x", "https://b.example/y", "https://b.example/y"),
        ("https://a.example/x", "/y", "https://a.example/y"),
        ("https://a.example/x", "//b.example/y", "https://b.example/y"),
        ("http://a.example/x", "https://a.example/x", "https://a.example/x"),
        ("http://a.example/x", "http://b.example/x", "http://b.example/x"),
        ("https://a.example/x", "http://a.example/x", None),
        ("https://a.example/x", "file:///etc/passwd", None),
    ],
)
def test_a_redirect_never_gives_up_https(url: str, location: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(RegistryRedirect):
            redirect_target(url, location)
    else:
        assert redirect_target(url, location) == expected


# The environment


def test_nothing_is_taken_from_the_environment(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.on("GET", "/services", LIST)
    assert fetch(server.url) == ["https://tes.example.org"]
    assert "Authorization" not in server.requests()[0].headers
    with (
        RegistryClient(server.url, limits=PATIENT, trust_env=True) as client,
        pytest.raises(RegistryUnreachable, match="refused"),
    ):
        client.services()
    monkeypatch.setenv("http_proxy", server.url)
    server.on("GET", "*/services", LIST)
    with RegistryClient("http://registry.invalid", limits=PATIENT, trust_env=True) as client:
        assert len(client.services()) == 1
    assert "Authorization" not in server.requests()[-1].headers


# The layers beneath


def _errors_of(module: object, root: type[Exception]) -> list[type[Exception]]:
    return [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, root)]


BENEATH = sorted(
    {
        *_errors_of(requests.exceptions, requests.RequestException),
        *_errors_of(urllib3.exceptions, urllib3.exceptions.HTTPError),
        OSError,
        TimeoutError,
        socket.gaierror,
    },
    key=lambda each: f"{each.__module__}.{each.__name__}",
)


@pytest.mark.parametrize("kind", BENEATH, ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_every_error_of_the_layers_beneath_is_mapped(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    error.args = ("Connection aborted.", http.client.RemoteDisconnected("closed\x1b[0m"))
    mapped = as_registry_error(error, "https://user:canary@registry.example.org/services?x=canary", expired=False)
    timeout = issubclass(kind, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError)
    assert isinstance(mapped, RegistryTimeout) is timeout
    assert isinstance(mapped, RegistryUnreachable)
    assert "canary" not in str(mapped)
    assert str(mapped).isprintable()
    assert type(as_registry_error(error, "https://registry.example.org", expired=True)) is RegistryTimeout
