"""The API over real HTTP. The runner is not started, so tasks stay QUEUED until a test moves them in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from protes.api.callers import ANONYMOUS
from protes.api.submission import Submission, submit
from protes.app import Gateway, create_gateway
from protes.clock import ManualClock
from protes.config.loading import load
from protes.store.factory import Stores, create_stores
from protes.store.records import TaskQuery, TaskRecord
from tests.support.raw_requests import Place, both
from tests.support.running import logging_kept
from tests.support.servers import serve_wsgi

BASES = ("/ga4gh/tes/v1", "/v1", "/w/0.3/ga4gh/tes/v1", "/w/0.3/v1")
"""Where TES is served; the last two with a weight."""

OPERATOR_TOKEN = "correct-horse-battery-staple"
ORIGIN = "https://dashboard.example.org"
TASK: Mapping[str, Any] = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}


@dataclass(frozen=True)
class Api:
    """A gateway behind HTTP."""

    url: str
    gateway: Gateway
    clock: ManualClock

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request, following no redirect."""
        return requests.request(method, self.url + path, allow_redirects=False, timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Send a GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, document: Any = None, **options: Any) -> requests.Response:
        """Send a POST, with JSON where a document is given."""
        return self.call("POST", path, **({"json": document} if document is not None else {}), **options)

    def create(self, document: Mapping[str, Any] = TASK, base: str = "/ga4gh/tes/v1", **options: Any) -> str:
        """Create a task and return its id."""
        answer = self.post(f"{base}/tasks", dict(document), **options)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def store(self, document: Mapping[str, Any] = TASK) -> str:
        """Create a task without HTTP, where many are needed."""
        return submit(self.gateway.services, ANONYMOUS, Submission(dict(document), "/ga4gh/tes/v1"))

    def task(self, task_id: str, view: str = "FULL", base: str = "/ga4gh/tes/v1") -> dict[str, Any]:
        """Get a task."""
        answer = self.get(f"{base}/tasks/{task_id}", params={"view": view})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def record(self, task_id: str) -> TaskRecord:
        """Return the stored task."""
        record = self.gateway.stores.tasks.get(task_id)
        assert record is not None
        return record

    def clear(self) -> None:
        """Forget all tasks."""
        tasks = self.gateway.stores.tasks
        while page := tasks.list(TaskQuery(heads=True)):
            for record in page:
                tasks.delete(record.id)


@contextmanager
def serving(stores: Stores | None = None, environ: Mapping[str, str] | None = None, **settings: Any) -> Iterator[Api]:
    """Serve a gateway with these settings, without instances unless they say otherwise."""
    clock = ManualClock()
    # Nobody can wait for a turn to write: the clock only moves by hand.
    server = {"writes_at_once": 64, **settings.pop("server", {})}
    merged = {"gateway_id": "gateway-under-test", "server": server, **settings}
    with logging_kept():
        gateway = create_gateway(
            load([], {}, merged), clock=clock, stores=stores or create_stores("memory:"), environ=environ or {}
        )
    try:
        with serve_wsgi(gateway.wsgi) as url:
            yield Api(url, gateway, clock)
    finally:
        gateway.close()


@pytest.fixture(scope="session")
def _plain() -> Iterator[Api]:
    with serving() as api:
        yield api


@pytest.fixture(scope="session")
def _configured() -> Iterator[Api]:
    server = {
        "operator_token": OPERATOR_TOKEN,
        "cors_origins": [ORIGIN],
        "allowed_hosts": ["tes.example.org"],
        "max_body_bytes": 4096,
    }
    with serving(server=server, api={"states": "all", "show_instances": False}) as api:
        yield api


@pytest.fixture
def api(_plain: Api) -> Iterator[Api]:
    """A gateway with no settings of its own, and no tasks yet."""
    yield _plain
    _plain.clear()


@pytest.fixture
def configured(_configured: Api) -> Iterator[Api]:
    """A gateway with an operator, a web origin, a name, small bodies, TES 1.1 states and hidden instances."""
    yield _configured
    _configured.clear()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Place]]:
    """A gateway and a node as they are really served, to send raw requests to."""
    with both(tmp_path_factory.mktemp("origins")) as made:
        yield made


@pytest.fixture(params=["gateway", "node"])
def place(places: dict[str, Place], request: pytest.FixtureRequest) -> Place:
    """One of them after the other."""
    return places[request.param]


def problem_of(answer: requests.Response, status: int) -> dict[str, Any]:
    """Return the problem details of an answer after checking their shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert set(document) - {"errors"} == {"type", "title", "status", "detail"}
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["detail"]
    for error in document.get("errors", ()):
        assert set(error) == {"field", "detail"}
        assert f"{error['field']}: {error['detail']}" in document["detail"]
    return document
