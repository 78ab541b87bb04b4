"""Nodes in this process, served over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from protes.clock import Clock, SystemClock
from protes.node.app import create_node_app
from protes.node.settings import NodeSettings
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

BASE = "/ga4gh/tes/v1"


def sh(script: str, **fields: Any) -> dict[str, Any]:
    """Make a task of one shell command."""
    return {"executors": [{"image": "debian", "command": ["sh", "-c", script]}], **fields}


class NodeClient:
    """A plain TES client: what it sends is what a test says, nothing more."""

    def __init__(self, root: str, headers: dict[str, str] | None = None) -> None:
        """Talk to the node at this root URL."""
        self.root = root
        self.base = root + BASE
        self.headers = headers or {}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request."""
        headers = {**self.headers, **options.pop("headers", {})}
        return requests.request(method, self.base + path, headers=headers, timeout=60, **options)

    def create(self, document: Any) -> str:
        """Create a task and return its id."""
        answer = self.call("POST", "/tasks", json=document)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def get(self, task_id: str, view: str = "FULL") -> dict[str, Any]:
        """Return a task."""
        answer = self.call("GET", f"/tasks/{task_id}", params={"view": view})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def state(self, task_id: str) -> str:
        """Return a task's state."""
        return str(self.get(task_id, "MINIMAL")["state"])

    def cancel(self, task_id: str) -> None:
        """Cancel a task."""
        answer = self.call("POST", f"/tasks/{task_id}:cancel")
        assert (answer.status_code, answer.json()) == (200, {})

    def wait(self, task_id: str, *states: str) -> dict[str, Any]:
        """Wait until a task is in one of the states and return it in full."""
        wait_until(lambda: self.state(task_id) in states, f"{task_id} in {states}")
        return self.get(task_id)


@contextmanager
def running_node(directory: Path, clock: Clock | None = None, **settings: Any) -> Iterator[NodeClient]:
    """Run a node in a directory."""
    node = create_node_app(NodeSettings(name="test", directory=directory, **settings), clock or SystemClock())
    try:
        with serve_wsgi(node.wsgi) as root:
            yield NodeClient(root)
    finally:
        node.close()


def problem(answer: requests.Response, status: int) -> str:
    """Check that an answer is a problem document with this status and return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    return str(document["detail"])
