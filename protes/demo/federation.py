"""The demo's federation: three unequal nodes, a registry that lists them, and the gateway in front."""

import os
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from protes.demo.processes import Server
from protes.demo.registry import BASE_PATH, create_registry_app

_HOST = "127.0.0.1"
_LAST_PORT = 65535


class _QuietHandler(WSGIRequestHandler):
    """No line per request between the demo's own."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """One of the demo's nodes.

    Attributes:
        id: its name.
        speed: against the reference, 1.0.
        price: EUR per core and hour.
        slots: cores.
    """

    id: str
    speed: float
    price: str
    slots: int


# Such that a task is cheapest on the first, fastest on the last, and best for weight 0.5 on the second: a task of T
# seconds takes 2T, T and T/2 and costs 4, 6 and 16 units of money.
NODES = (
    NodeKind("budget", 0.5, "0.02", 4),
    NodeKind("standard", 1.0, "0.06", 4),
    NodeKind("express", 2.0, "0.32", 4),
)


class PortTaken(Exception):
    """The gateway's port is taken, or none."""


class DemoFederation:
    """All servers of the demo, in one folder; a context manager that starts and stops them."""

    def __init__(self, folder: Path, port: int) -> None:
        """Prepare in `folder`, with the gateway at `port` (0: any)."""
        self.folder = folder
        self.storage = folder / "storage"
        self.gateway_url = ""
        self.registry_url = ""
        self._port = port
        self._servers: list[Server] = []
        self._registry: BaseWSGIServer | None = None

    def __enter__(self) -> Self:
        """Start everything.

        Raises:
            PortTaken: the gateway's port is taken.
            ServerFailed: a server did not start.
        """
        _check_free(self._port)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything, the gateway first."""
        self._stop()

    def _start(self) -> None:
        self.storage.mkdir(parents=True)
        token_file = self._write_token()
        nodes = [self._start_node(kind, token_file) for kind in NODES]
        urls = {kind.id: node.url() for kind, node in zip(NODES, nodes, strict=True)}
        self.registry_url = self._start_registry(urls)
        config = self.folder / "gateway.yaml"
        config.write_text(yaml.safe_dump(gateway_config(urls, self.registry_url, token_file)), encoding="utf-8")
        arguments = ["protes", "serve", "--port", str(self._port), "--data", str(self.folder / "data")]
        self.gateway_url = self._start_server("gateway", [*arguments, "--config", str(config)]).url()

    def _write_token(self) -> Path:
        """Make the token that only the demo's gateway has: nobody else may run commands on the nodes."""
        path = self.folder / "node-token"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32))
        return path

    def _start_node(self, kind: NodeKind, token_file: Path) -> Server:
        arguments = ["protes.node", "--port", "0", "--name", kind.id, "--token-file", str(token_file)]
        arguments += ["--directory", str(self.folder / f"node-{kind.id}"), "--root", str(self.storage)]
        arguments += ["--slots", str(kind.slots), "--speed", str(kind.speed)]
        return self._start_server(kind.id, arguments)

    def _start_server(self, name: str, arguments: Sequence[str]) -> Server:
        server = Server(name, arguments, self.folder / f"{name}.log", {})
        self._servers.append(server)
        return server

    def _start_registry(self, urls: Mapping[str, str]) -> str:
        app = create_registry_app(registry_entries(urls))
        self._registry = make_server(_HOST, 0, app, threaded=True, request_handler=_QuietHandler)
        threading.Thread(target=self._registry.serve_forever, daemon=True).start()
        return f"http://{_HOST}:{self._registry.server_port}{BASE_PATH}"

    def _stop(self) -> None:
        for server in reversed(self._servers):
            server.stop()
        if self._registry is not None:
            self._registry.shutdown()
            self._registry.server_close()


def registry_entries(urls: Mapping[str, str]) -> list[dict[str, Any]]:
    """List the nodes as a GA4GH Service Registry does, prices and speeds in the extension field `protes`."""
    return [
        {
            "id": f"org.example.{kind.id}",
            "name": kind.id,
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
            "organization": {"name": "protes demo", "url": "https://example.org"},
            "version": "1.0.0",
            "url": f"{urls[kind.id]}/ga4gh/tes/v1",
            "protes": {"speed": kind.speed, "prices": {"currency": "EUR", "cpu_core_hour": kind.price}},
        }
        for kind in NODES
    ]


def gateway_config(urls: Mapping[str, str], registry_url: str, token_file: Path) -> dict[str, Any]:
    """Make the gateway's configuration: the registry, and the credentials of the nodes, which no registry has."""
    credentials = {"type": "bearer", "secret_file": str(token_file)}
    # Floors keep small differences from mattering (ESTIMATES.md); the demo's tasks are small, so they are taken away.
    ranker = {"use": "cost_runtime", "options": {"floor_cost": "0.000001", "floor_seconds": 0.001}}
    return {
        "custom": {
            "registries": [{"url": registry_url}],
            "instances": [{"id": kind.id, "url": urls[kind.id], "credentials": credentials} for kind in NODES],
            "chain": [{"use": "feasible"}, ranker],
        }
    }


def _check_free(port: int) -> None:
    if port == 0:
        return
    if not 0 < port <= _LAST_PORT:
        raise PortTaken(f"{port} is no port; choose one from 1 to {_LAST_PORT}, or 0 for any")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            raise PortTaken(f"port {port} is taken; choose another one, for example PORT={port + 1} make run") from None
