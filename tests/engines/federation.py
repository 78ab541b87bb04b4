"""Three unequal nodes and a gateway in front, each a process of its own, and a folder that all of them share."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from protes.demo.federation import NODES, NodeKind
from protes.demo.processes import Server
from tests.engines.install import environment_of
from tests.support import processes

IMAGES = {
    "snakemake/snakemake:v9.27.1": "snakemake9",
    "snakemake/snakemake:v7.32.4": "snakemake7",
    "quay.io/ucsc_cgl/toil:7.0.0-d569ea5711eb310ffd5703803f7250ebf7c19576-py3.11": "toil",
}
"""Images that engines name, and the environments that stand in for them on the nodes."""

_SLOTS = 12  # a task of each engine at once; most of them wait
# As in the demo: floors keep small differences from mattering, and the tasks of these workflows are small.
_RANKER = {"use": "cost_runtime", "options": {"floor_cost": "0.000001", "floor_seconds": 0.001}}


@dataclass(frozen=True, slots=True)
class Federation:
    """What runs.

    Attributes:
        url: the gateway's root.
        folder: of everything.
        shared: the folder that engines and tasks share, at the same path.
        gateway: the gateway's process.
        nodes: the nodes' processes, by name.
        node_urls: the nodes' root URLs, by name.
    """

    url: str
    folder: Path
    shared: Path
    gateway: Server
    nodes: Mapping[str, Server]
    node_urls: Mapping[str, str]

    def task(self, task_id: str, view: str = "FULL") -> dict[str, Any]:
        """Return a task as the gateway shows it."""
        return self.ask(f"/ga4gh/tes/v1/tasks/{task_id}?view={view}")

    def state(self, task_id: str) -> str:
        """Return a task's state."""
        return str(self.task(task_id, "MINIMAL")["state"])

    def ran_at(self, task_id: str) -> str:
        """Return the node that a task was sent to, as its log says."""
        return str(self.task(task_id)["logs"][0]["metadata"]["protes.instance"])

    def routing(self, task_id: str) -> dict[str, Any]:
        """Return the routing explanation of a task."""
        return self.ask(f"/protes/v1/tasks/{task_id}/routing")

    def ask(self, target: str) -> dict[str, Any]:
        """Ask the gateway."""
        answer = requests.get(self.url + target, timeout=30)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = json.loads(answer.content)
        return document


@contextmanager
def federation(folder: Path) -> Iterator[Federation]:
    """Run it all in a folder.

    Raises:
        ServerFailed: a process did not start.
    """
    shared = folder / "shared"
    shared.mkdir(parents=True)
    token = folder / "token"
    token.write_text(processes.TOKEN)
    with ExitStack() as stack:
        nodes = {kind.id: _node(kind, folder, shared, token) for kind in NODES}
        for server in nodes.values():
            stack.callback(server.stop)
        urls = {name: server.url() for name, server in nodes.items()}
        url, gateway = stack.enter_context(processes.gateway(folder / "gateway", settings(urls, shared, token)))
        yield Federation(url, folder, shared, gateway, nodes, urls)


def settings(urls: Mapping[str, str], shared: Path, token: Path) -> dict[str, object]:
    """Make the gateway's settings."""
    credentials = {"type": "bearer", "secret_file": str(token)}
    return {
        "service": {"storage": [f"file://{shared}"]},
        "instances": [
            {
                "id": kind.id,
                "url": urls[kind.id],
                "credentials": credentials,
                "speed": kind.speed,
                "prices": {"currency": "EUR", "cpu_core_hour": kind.price},
            }
            for kind in NODES
        ],
        "chain": [{"use": "submitter"}, {"use": "client_choice"}, {"use": "feasible"}, _RANKER],
        "profiles": {"pulsar": {"queued_as": "INITIALIZING"}},
        "learning": {"enabled": False},  # on a busy machine it would learn that
    }


def _node(kind: NodeKind, folder: Path, shared: Path, token: Path) -> Server:
    arguments = ["protes.node", "--port", "0", "--name", kind.id, "--token-file", str(token)]
    arguments += ["--directory", str(folder / f"node-{kind.id}"), "--shared", str(shared)]
    arguments += ["--slots", str(_SLOTS), "--speed", str(kind.speed)]
    for image, name in IMAGES.items():
        environment = environment_of(name)
        if environment is not None:
            arguments += ["--image", f"{image}={environment}"]
    return Server(kind.id, arguments, folder / f"node-{kind.id}.log", {})
