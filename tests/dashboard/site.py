"""A gateway with the dashboard and three unequal instances, served over HTTP for a browser."""

from __future__ import annotations

import json
import logging
import queue
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from protes.api.ingress import Environ, StartResponse, WsgiApp
from protes.app import Gateway, create_gateway
from protes.config.loading import load
from protes.store.factory import create_stores
from protes.store.ids import TaskIds
from protes.store.records import TaskRecord
from protes.tes.states import State
from tests.support.fake_tes import FakeTes
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

PATIENCE = 30.0
"""Seconds that what should come at once may take on a busy machine."""

TASK: Mapping[str, Any] = {
    "name": "align",
    "resources": {"cpu_cores": 1},
    "executors": [{"image": "alpine", "command": ["true"]}],
    "tags": {"protes.runtime_seconds": "3600"},
}
# Such that a task is cheapest on the first, fastest on the last, and best for weight 0.5 on the second.
KINDS = (("budget", 0.5, "0.02"), ("standard", 1.0, "0.06"), ("express", 2.0, "0.32"))
_TES = "/ga4gh/tes/v1"
_IDS = TaskIds()
_BY_DEFAULT = {"weight": "0.5", "carrier": "default"}


@dataclass
class Front:
    """What stands between browser and gateway, as proxies do; scripted by tests.

    Attributes:
        app: the gateway.
        token: the bearer token that the API wants; None wants none.
        events: texts that the stream of events consists of; None ends it. Where it is None there is no stream.
        scripted_events: whether the stream is scripted, or the gateway's own.
    """

    app: WsgiApp
    token: str | None = None
    events: queue.Queue[str | None] | None = None
    scripted_events: bool = True

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        api = path.startswith((_TES, "/protes/v1"))
        if api and self.token is not None and environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.token}":
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Bearer realm="test"'), ("Content-Length", "0")])
            return [b""]
        if path == "/protes/v1/events" and self.scripted_events:
            return self._stream(start_response)
        return self.app(environ, start_response)

    def _stream(self, start_response: StartResponse) -> Iterable[bytes]:
        if self.events is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return self._chunks(self.events)

    def _chunks(self, events: queue.Queue[str | None]) -> Iterator[bytes]:
        while (text := events.get(timeout=60)) is not None:
            yield text.encode()


@dataclass
class Site:
    """See the module's text.

    Attributes:
        url: the root.
        gateway: the gateway behind it.
        fakes: the instances, by id.
        front: what stands in front of the gateway.
    """

    url: str
    gateway: Gateway
    fakes: Mapping[str, FakeTes]
    front: Front
    _created: list[str] = field(default_factory=list)

    def create(self, **changes: Any) -> str:
        """Create a task and return its id."""
        document = {**TASK, **changes}
        answer = requests.post(f"{self.url}{_TES}/tasks", json=document, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        self._created.append(answer.json()["id"])
        return str(answer.json()["id"])

    def create_quickly(self, name: str) -> str:
        """Create a task without HTTP, where many are needed; no instance ever gets it."""
        now, document = self.gateway.services.clock.now(), json.dumps({**TASK, "name": name})
        ended: dict[str, Any] = {"state": State.COMPLETE, "finished_at": now, "preference": _BY_DEFAULT}
        record = TaskRecord(id=_IDS.new(now), owner="", created_at=now, document=document, name=name, **ended)
        return self.gateway.services.tasks.create(record).id

    def get(self, path: str) -> dict[str, Any]:
        """Return the document at a path of the API."""
        answer = requests.get(self.url + path, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def task(self, task_id: str) -> dict[str, Any]:
        """Return a task in full."""
        return self.get(f"{_TES}/tasks/{task_id}?view=FULL")

    def placed(self, task_id: str) -> tuple[FakeTes, str]:
        """Wait until an instance has a task; return the instance, and the task's id there."""
        found: list[tuple[FakeTes, str]] = []

        def there() -> bool:
            attempts = self.get(f"/protes/v1/tasks/{task_id}/routing")["attempts"]
            if attempts and attempts[-1].get("instance_task_id"):
                found.append((self.fakes[attempts[-1]["instance"]], attempts[-1]["instance_task_id"]))
            return bool(found)

        wait_until(there, "the task is at an instance", PATIENCE)
        return found[0]

    def finish(self, task_id: str, **log: Any) -> None:
        """Have a task end where it runs, and wait until the gateway knows."""
        fake, there = self.placed(task_id)
        fake.finish(there, **log)
        wait_until(lambda: self.task(task_id)["state"] in ("COMPLETE", "EXECUTOR_ERROR"), "it has ended", PATIENCE)


@contextmanager
def serving(**settings: Any) -> Iterator[Site]:
    """Serve a gateway that works by itself, in front of three instances."""
    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeTes()) for name, _, _ in KINDS}
        instances = [
            {"id": name, "url": fakes[name].url, "speed": speed, "prices": {"cpu_core_hour": price}}
            for name, speed, price in KINDS
        ]
        stack.enter_context(logging_kept())
        # Whether somebody reads its tasks or not, an instance is looked at each second.
        relay = {"last_poll_seconds": 1.0}
        fixed = {"gateway_id": "gateway-under-test", "instances": instances, "relay": relay}
        loaded = load([], {}, {**fixed, **settings})
        gateway = create_gateway(loaded, stores=create_stores("memory:"), environ={})
        stack.callback(gateway.close)
        gateway.start()
        front = Front(gateway.wsgi)
        site = Site(stack.enter_context(serve_wsgi(front)), gateway, fakes, front)
        wait_until(lambda: _healthy(site), "all instances are probed", PATIENCE)
        yield site


def _healthy(site: Site) -> bool:
    return all(each["state"] == "ok" for each in site.get("/protes/v1/instances")["instances"])


@contextmanager
def logging_kept() -> Iterator[None]:
    """Leave the root logger, which FOCA configures, as pytest wants it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
