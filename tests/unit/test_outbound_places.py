"""Nothing leaves the gateway but through the modules that are made for it: shown by reading all imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CLIENTS = (
    "requests",
    "urllib3",
    "http.client",
    "urllib.request",
    "socket",
    "ssl",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "opentelemetry.exporter",
    "azure",
)
"""What can open a connection, or says how one is checked."""

MAY = {
    "protes/outbound/addresses.py": "looks hosts up, for the guard",
    "protes/outbound/tls.py": "says how servers are checked",
    "protes/outbound/wire.py": "connections that go where the guard lets them",
    "protes/outbound/web.py": "asks what others than the operator name, behind the guard",
    "protes/tes/sending.py": "makes requests for these connections",
    "protes/tes/transport.py": "asks instances over these connections; guarded where the operator did not name them",
    "protes/tes/error_mapping.py": "names the libraries' errors",
    "service_registry_client/addresses.py": "looks hosts up, for its caller's guard",
    "service_registry_client/client.py": "is handed how servers are checked",
    "service_registry_client/connections.py": "connections that go where its caller's guard lets them",
    "service_registry_client/deadline.py": "closes sockets when time is over",
    "service_registry_client/failures.py": "names the libraries' errors",
    "service_registry_client/paging.py": "reads a header",
    "service_registry_client/transport.py": "asks registries over these connections",
    "protes/auth/fetching.py": "asks issuers for keys, which the operator names; follows no redirect",
    "protes/tracing/exporting.py": "sends traces to the collector, which the operator names; follows no redirect",
    "protes/secrets/key_vault.py": "asks vaults, which the operator names",
    "protes/identity.py": "names this machine",
    "protes/http_server.py": "listens",
    "protes/http_waiting.py": "listens",
    "protes/events/connection.py": "sees whether a client that asked is still there",
    "protes/runner/broker.py": "says how the broker is checked, which the operator names",
    "protes/cli/credentials.py": "shows the user of the command line to the gateway that the user names",
    "protes/cli/doctor/certificate.py": "looks at certificates; guarded where the operator did not name the instance",
    "protes/cli/doctor/gateway.py": "asks the gateway that the user names, or that the configuration is of",
    "protes/cli/provisioner.py": "asks what the operator names on the command line",
    "protes/cli/remote.py": "asks the gateway that the user names on the command line",
    "protes/demo/federation.py": "finds free ports",
    "protes/demo/play.py": "asks the demo's own gateway",
    "protes/node/web.py": "fetches inputs as a TES server, which is what it is for",
}

GUARDED = {
    "protes.outbound.web.Web": {"protes/sources/sources.py", "protes/callbacks/callbacks.py", "protes/outbound/"},
    "service_registry_client.RegistryClient": {
        "protes/federation/strangers.py",
        "protes/federation/registries.py",
        "protes/cli/",
        "protes/demo/",
    },
    "protes.tes.transport.Transport": {
        "protes/federation/strangers.py",
        "protes/federation/clients.py",
        "protes/tes/",
        "protes/cli/",
    },
}
"""Clients, and who makes them."""


def files() -> list[Path]:
    return sorted(
        path
        for package in ("protes", "middleware", "service_registry_client")
        for path in (ROOT / package).rglob("*.py")
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def opens_connections(names: Iterator[str]) -> list[str]:
    return [each for each in names if any(each == client or each.startswith(client + ".") for client in CLIENTS)]


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_connections_are_opened_in_few_places(path: Path) -> None:
    found = opens_connections(imported(path))
    assert not found or name_of(path) in MAY, f"goes around the guard: {found}"


def test_the_places_are_there_and_need_it() -> None:
    assert not [each for each in MAY if not (ROOT / each).exists() or not opens_connections(imported(ROOT / each))]


@pytest.mark.parametrize("client", GUARDED)
def test_clients_are_made_where_a_guard_is_at_hand(client: str) -> None:
    users = {
        name_of(path)
        for path in files()
        if any(each == client or each.startswith(client + ".") for each in imported(path))
    }
    strange = [each for each in users if not any(each.startswith(place) for place in GUARDED[client])]
    makers = [each for each in strange if f"{client.rpartition('.')[2]}(" in (ROOT / each).read_text()]
    assert not makers


@pytest.mark.parametrize("name", ["trust_env = True", "verify=False", "CERT_NONE", "_create_unverified_context"])
def test_nothing_turns_checks_off(name: str) -> None:
    wrong = []
    for path in files():
        code = ast.unparse(ast.parse(path.read_text(encoding="utf-8"))) if name in path.read_text() else ""
        stripped = "\n".join(line for line in code.splitlines() if '"' not in line and "'" not in line)
        if name in stripped:
            wrong.append(name_of(path))
    assert not wrong


def test_the_check_can_fail() -> None:
    assert opens_connections(iter(["requests", "socket.socket", "urllib.request.urlopen"]))
    assert not opens_connections(iter(["urllib.parse.urlsplit", "requestsx", "protes.outbound.web.Web"]))
