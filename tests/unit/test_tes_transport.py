"""The transport against real servers: what is sent, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from protes.tes.credentials import BasicCredentials, BearerToken
from protes.tes.errors import (
    BadAnswer,
    Refused,
)
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from protes.tes.urls import canonical, segment
from tests.support.scripted_server import (
    Raw,
    Request,
    ScriptedServer,
    answer,
    answer_json,
    redirect,
)

PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)
LONGEST_SECONDS = 15.0


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def transport_to(server: ScriptedServer, timeouts: Timeouts | None = None, cap: int = 1 << 20) -> Transport:
    return Transport(server.url, timeouts=timeouts or PATIENT, max_body_bytes=cap)


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
    with Transport(server.url, BasicCredentials("me", SecretStr("hunter2!")), timeouts=PATIENT) as transport:
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
        transport = Transport(server.url, BearerToken(SecretStr("hunter2")), timeouts=PATIENT)
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
