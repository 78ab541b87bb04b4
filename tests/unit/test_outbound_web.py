"""Requests that others than the operator cause, against real servers: where they go, and what goes with them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from protes.clock import SystemClock
from protes.outbound.guard import Guard
from protes.outbound.rules import Rules
from protes.outbound.web import Silent, Trusted, Web, origin_of
from tests.support.scripted_server import Endless, ScriptedServer, Stall, answer_json, redirect

PUBLIC = "93.184.216.34"
NAME = "data.example.org"
REFUSAL = "not a public one"


class Names:
    """A resolver whose answers are scripted; the last one repeats."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        del port
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(name="server")
def _server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.on("*", "/*", answer_json({"n": 1}))
        yield running


def web(names: Names | None = None, *, inside: bool = True, leaves: bool = False) -> Web:
    rules = Rules(allow_private=inside)
    return Web(SystemClock(), Guard(rules, names or Names(["127.0.0.1"]), leaves_server=leaves))


def ask(client: Web, url: str, method: str = "GET", seconds: float = 30.0, **more: Any) -> Any:
    return client.request(method, url, until=time.monotonic() + seconds, **more)


def test_a_name_that_changes_its_mind_between_looks_reaches_nothing(server: ScriptedServer) -> None:
    """DNS rebinding: what is checked is what is connected to, and a later request is checked anew."""
    names = Names([PUBLIC], ["127.0.0.1"])
    client = web(names, inside=False)
    url = f"http://{NAME}:{server.port}/"
    with pytest.raises(Silent):
        ask(client, url, seconds=0.5)  # goes to the public address, which is not here
    with pytest.raises(Silent, match=REFUSAL):
        ask(client, url)
    assert names.asked == [NAME, NAME]
    assert server.connections == 0


def test_the_name_is_looked_up_once_for_a_request(server: ScriptedServer) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    assert ask(web(names), f"http://{NAME}:{server.port}/").json() == {"n": 1}
    assert names.asked == [NAME]
    [request] = server.requests()
    assert request.headers["Host"] == f"{NAME}:{server.port}"


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::1"], ["::ffff:7f00:1"], ["169.254.169.254"]]
)
def test_one_address_inside_is_enough_to_refuse(server: ScriptedServer, found: list[str]) -> None:
    with pytest.raises(Silent, match=REFUSAL):
        ask(web(Names(found), inside=False), f"http://{NAME}:{server.port}/")
    assert server.connections == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "localhost."])
def test_this_machine_is_refused_in_all_spellings(server: ScriptedServer, host: str) -> None:
    with pytest.raises(Silent):
        ask(web(Names([PUBLIC]), inside=False), f"http://{host}:{server.port}/", seconds=2)
    assert server.connections == 0


def test_redirects_stay_on_the_server(server: ScriptedServer) -> None:
    with ScriptedServer() as other:
        other.on("*", "/*", answer_json({"n": 2}))
        server.on("GET", "/here", redirect("/there"))
        server.on("GET", "/away", redirect(f"{other.url}/there"))
        assert ask(web(), f"{server.url}/here").json() == {"n": 1}
        with pytest.raises(Silent, match="another server"):
            ask(web(), f"{server.url}/away")
        assert other.count() == 0
        assert ask(web(leaves=True), f"{server.url}/away", bearer="canary").json() == {"n": 2}
        assert "Authorization" not in other.requests()[0].headers


def test_a_redirect_is_checked_like_the_first_url(server: ScriptedServer) -> None:
    """By name to an address inside, though the first request was allowed."""
    server.on("GET", "/in", redirect(f"http://inside.example.org:{server.port}/secret"))
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    client = Web(SystemClock(), Guard(Loopback(), names, leaves_server=True))
    with pytest.raises(Silent, match=REFUSAL):
        ask(client, f"http://{NAME}:{server.port}/in")
    assert names.asked == [NAME, "inside.example.org"]
    assert not server.requests("GET", "/secret")


class Loopback(Rules):
    """Rules that take this machine for a public one."""

    def allows(self, address: str) -> bool:
        return address == "127.0.0.1"


def test_a_server_that_the_operator_named_cannot_hand_its_trust_on(server: ScriptedServer) -> None:
    with ScriptedServer() as inside:
        server.on("GET", "/in", redirect(f"{inside.url}/x"))
        own = Trusted(origin_of(server.url))
        client = web(inside=False, leaves=True)
        assert ask(client, f"{server.url}/x", trusted=own).json() == {"n": 1}
        with pytest.raises(Silent, match=REFUSAL):
            ask(client, f"{server.url}/in", trusted=own)
        assert inside.connections == 0


def test_a_post_is_sent_once_and_its_redirect_is_the_answer(server: ScriptedServer) -> None:
    server.on("POST", "/hook", redirect("/elsewhere"))
    headers = {"Content-Type": "application/json", "X-Signature": "canary"}
    found = ask(web(), f"{server.url}/hook", "POST", body=b'{"a": 1}', headers=headers)
    assert found.status == 302
    [request] = server.requests()
    assert (request.body, request.headers["X-Signature"]) == (b'{"a": 1}', "canary")


def test_neither_proxies_nor_netrc_nor_cookies_are_used(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.on("GET", "/cookie", answer_json({"n": 1}, Set_Cookie="a=hunter2"))
    client = web()
    ask(client, f"{server.url}/cookie")
    ask(client, f"{server.url}/")
    for request in server.requests():
        assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(request.headers)


def test_what_is_too_long_or_too_slow_is_given_up(server: ScriptedServer) -> None:
    server.on("GET", "/long", Endless())
    with pytest.raises(Silent, match="more than 1000 bytes"):
        ask(web(), f"{server.url}/long", most_bytes=1000)
    stall = Stall(answer_json({}))
    server.on("GET", "/slow", stall)
    began = time.monotonic()
    with pytest.raises(Silent):
        ask(web(), f"{server.url}/slow", seconds=0.3)
    assert time.monotonic() - began < 20
    stall.release()


def test_why_something_is_not_asked_repeats_no_url() -> None:
    for url in ("http://me:hunter2@a.example.org/", "http://10.0.0.1/hunter2", "ftp://hunter2"):
        with pytest.raises(Silent) as refused:
            ask(web(inside=False), url)
        assert "hunter2" not in str(refused.value)
