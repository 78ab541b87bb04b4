"""Which addresses a client connects to: names are looked up once, judged, and not looked up again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import pytest

from service_registry_client import (
    AddressRefused,
    Limits,
    RegistryClient,
    RegistryTimeout,
    RegistryUnreachable,
)
from service_registry_client.addresses import look_up
from tests.support.fake_registry import service_entry
from tests.support.scripted_server import ScriptedServer, answer_json, redirect

HERE = "127.0.0.1"
# Loopback addresses too, at which nothing listens.
ELSEWHERE, FORBIDDEN = "127.0.0.2", "127.0.0.3"
LIST = answer_json([service_entry("https://tes.example.org")])
LIMITS = Limits(connect_seconds=20, read_seconds=20, total_seconds=30)


class Names:
    """A resolver: what each name resolves to, call after call; the last answer repeats. And what it was asked."""

    def __init__(self, known: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._known = {name: list(answers) for name, answers in known.items()}
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answers = self._known[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class Judge:
    """Refuses one address, and remembers what it was asked."""

    def __init__(self, refused: str = FORBIDDEN) -> None:
        self._refused = refused
        self.asked: list[str] = []

    def __call__(self, address: str) -> bool:
        self.asked.append(address)
        return address != self._refused


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.on("GET", "/services", LIST)
        yield running


def at(name: str, server: ScriptedServer) -> str:
    return f"http://{name}:{server.port}"


def test_an_allowed_address_is_connected_to_under_its_name(server: ScriptedServer) -> None:
    names, judge = Names({"registry.example": [[HERE]]}), Judge()
    with RegistryClient(at("registry.example", server), allow_address=judge, resolver=names) as client:
        assert len(client.services()) == 1
    assert names.asked == [("registry.example", server.port)]
    assert judge.asked == [HERE]
    assert server.requests()[0].headers["Host"] == urlsplit(at("registry.example", server)).netloc


@pytest.mark.parametrize(
    "addresses",
    [[FORBIDDEN], [HERE, FORBIDDEN], [FORBIDDEN, HERE], ["registry.example"], [HERE, "localhost"]],
    ids=str,
)
def test_one_address_that_is_not_allowed_is_enough(server: ScriptedServer, addresses: list[str]) -> None:
    names = Names({"registry.example": [addresses]})
    with RegistryClient(at("registry.example", server), "canary", allow_address=Judge(), resolver=names) as client:
        with pytest.raises(AddressRefused, match="not allowed") as refusal:
            client.services()
    assert not refusal.value.retryable
    assert isinstance(refusal.value, RegistryUnreachable)
    assert not any(address in str(refusal.value) for address in addresses if address != "registry.example")
    assert server.connections == 0


def test_a_name_that_changes_its_mind_leads_nowhere_else(server: ScriptedServer) -> None:
    # The second answer would be refused; a client that looked the name up again to connect would go there.
    names = Names({"registry.example": [[HERE], [FORBIDDEN]]})
    with RegistryClient(at("registry.example", server), allow_address=Judge(), resolver=names) as client:
        assert len(client.services()) == 1
        assert len(names.asked) == 1
        server.refuse()
        server.resume()
        # The connection is gone; the next one is judged anew.
        with pytest.raises(AddressRefused):
            client.services()
    assert len(names.asked) == 2
    assert server.count() == 1


def test_a_connection_that_is_open_is_used_on(server: ScriptedServer) -> None:
    names = Names({"registry.example": [[HERE], [FORBIDDEN]]})
    with RegistryClient(at("registry.example", server), allow_address=Judge(), resolver=names) as client:
        client.services()
        client.services()
    assert server.connections == 1


@pytest.mark.parametrize("target", ["inside.example", FORBIDDEN])
def test_redirects_are_judged_like_the_first_address(server: ScriptedServer, target: str) -> None:
    names = Names({"registry.example": [[HERE]], "inside.example": [[FORBIDDEN]], FORBIDDEN: [[FORBIDDEN]]})
    with ScriptedServer() as inside:
        server.on("GET", "/services", redirect(at(target, inside)))
        with RegistryClient(at("registry.example", server), allow_address=Judge(), resolver=names) as client:
            with pytest.raises(AddressRefused, match=target):
                client.services()
        assert inside.connections == 0


def test_a_redirect_to_an_allowed_address_is_followed(server: ScriptedServer) -> None:
    names = Names({"registry.example": [[HERE]], "moved.example": [[HERE]]})
    judge = Judge()
    with ScriptedServer() as moved:
        moved.on("GET", "/services", LIST)
        server.on("GET", "/services", redirect(at("moved.example", moved) + "/services"))
        with RegistryClient(at("registry.example", server), allow_address=judge, resolver=names) as client:
            assert len(client.services()) == 1
    assert judge.asked == [HERE, HERE]


def test_addresses_and_the_systems_names_are_judged_as_well(server: ScriptedServer) -> None:
    for host in (HERE, "localhost"):
        judge = Judge(refused=HERE)
        with RegistryClient(at(host, server), allow_address=judge) as client, pytest.raises(AddressRefused):
            client.services()
        assert HERE in judge.asked
    assert server.connections == 0


def test_without_a_judge_every_address_will_do(server: ScriptedServer) -> None:
    with RegistryClient(at("localhost", server), limits=LIMITS) as client:
        assert len(client.services()) == 1


def test_an_ipv6_address_is_judged_without_its_brackets() -> None:
    judge = Judge(refused="::1")
    with RegistryClient("http://[::1]:1", allow_address=judge) as client, pytest.raises(AddressRefused):
        client.services()
    assert judge.asked == ["::1"]


def test_the_next_address_is_tried(server: ScriptedServer) -> None:
    names = Names({"registry.example": [[ELSEWHERE, HERE]]})
    judge = Judge()
    with RegistryClient(at("registry.example", server), allow_address=judge, resolver=names) as client:
        assert len(client.services()) == 1
    assert judge.asked == [ELSEWHERE, HERE]


def test_a_name_without_address_is_unreachable(server: ScriptedServer) -> None:
    with RegistryClient(at("registry.example", server), resolver=Names({"registry.example": [[]]})) as client:
        with pytest.raises(RegistryUnreachable, match="no address") as failure:
            client.services()
    assert failure.value.retryable


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_NONAME, "nobody knows"), OSError("nobody knows"), TimeoutError("nobody knows")]
)
def test_a_resolver_that_fails_is_a_registry_that_is_not_reached(server: ScriptedServer, error: OSError) -> None:
    def fail(host: str, port: int) -> Sequence[str]:
        raise error

    with RegistryClient(at("registry.example", server), resolver=fail) as client:
        with pytest.raises(RegistryUnreachable, match="nobody knows") as failure:
            client.services()
    assert failure.value.retryable


def test_a_redirect_to_what_is_no_name_is_not_reached(server: ScriptedServer) -> None:
    server.on("GET", "/services", redirect(f"http://{'a' * 64}.example/"))
    with RegistryClient(server.url) as client, pytest.raises(RegistryUnreachable):
        client.services()


def test_the_deadline_is_for_all_addresses_together() -> None:
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        url = f"http://registry.example:{listener.getsockname()[1]}"
        names = Names({"registry.example": [[HERE] * 50]})
        limits = Limits(connect_seconds=0.2, total_seconds=0.5)
        started = time.monotonic()
        with RegistryClient(url, limits=limits, resolver=names) as client, pytest.raises(RegistryTimeout):
            client.services()
        # Fifty times a fifth of a second would be ten.
        assert time.monotonic() - started < 8
        for each in waiting:
            each.close()


def test_a_judge_and_proxies_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="trust_env"):
        RegistryClient("https://registry.example", allow_address=Judge(), trust_env=True)


def test_clients_of_nested_registries_have_the_same_judge(server: ScriptedServer) -> None:
    names = Names({"nested.example": [[FORBIDDEN]]})
    with RegistryClient(server.url, allow_address=Judge(), resolver=names) as client:
        with client.nested(at("nested.example", server)) as nested, pytest.raises(AddressRefused):
            nested.services()


def test_calls_of_several_threads_are_judged_each(server: ScriptedServer) -> None:
    names = Names({"registry.example": [[HERE]]})
    judge, seen = Judge(), []
    with RegistryClient(at("registry.example", server), allow_address=judge, resolver=names) as client:
        callers = [threading.Thread(target=lambda: seen.append(len(client.services()))) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(10)
    assert seen == [1] * 8
    assert len(judge.asked) == server.connections


def test_the_systems_resolver() -> None:
    assert HERE in look_up("localhost", 80)
    assert look_up("::1", 80) == ("::1",)
    with pytest.raises(UnicodeError):
        look_up(f"{'a' * 64}.example", 80)
