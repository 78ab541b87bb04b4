"""Gateways to be fuzzed: in this process, with a store in memory and instances that are real servers and run tasks."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.test import Client, TestResponse

from protes.api.ingress import WsgiApp
from protes.app import Gateway, create_gateway
from protes.auth.passwords import hash_password
from protes.config.loading import load
from protes.store.factory import create_stores
from protes.store.records import TaskQuery
from tests.support.fake_tes import FakeTes
from tests.support.waiting import wait_until

OPERATOR_TOKEN = "correct-horse-battery-staple"
PASSWORD = "swordfish"
ROLES = ("anonymous", "user", "reader", "operator")
TASK: Mapping[str, Any] = {
    "name": "known",
    "tags": {"project": "x"},
    "executors": [{"image": "alpine", "command": ["true"]}],
}


@dataclass(frozen=True)
class Fuzzed:
    """A gateway, and who calls it.

    Attributes:
        app: what is called.
        role: of the caller.
        headers: by which the caller says who they are.
        ids: of tasks that the caller has.
    """

    app: WsgiApp
    role: str
    headers: Mapping[str, str]
    ids: tuple[str, ...]

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request; the body of the answer is read when it is asked for."""
        options["headers"] = {**self.headers, **options.get("headers", {})}
        return Client(self.app).open(path, method=method, **options)


@contextmanager
def fuzzed(role: str, folder: Path) -> Iterator[Fuzzed]:
    """Start a gateway on which somebody in a role has tasks, some of which have run."""
    with ExitStack() as stack:
        fakes = [stack.enter_context(FakeTes()) for _ in range(2)]
        for fake in fakes:
            fake.auto(1, stdout="done")
        gateway = _gateway(role, folder, fakes)
        stack.callback(gateway.close)
        gateway.start()
        one = Fuzzed(gateway.wsgi, role, _headers(role), ())
        owner = one if role != "reader" else Fuzzed(gateway.wsgi, "user", _headers("user"), ())
        ids = tuple(_created(owner) for _ in range(3))
        wait_until(lambda: _all_ended(gateway), "the known tasks have ended", 30)
        yield Fuzzed(one.app, role, one.headers, ids)


def _gateway(role: str, folder: Path, fakes: list[FakeTes]) -> Gateway:
    users = folder / "users"
    auth: dict[str, Any] = {"mode": "none"}
    if role != "anonymous":
        digest = hash_password(PASSWORD)
        users.write_text(f"user:{digest}\nreader:{digest}:::reader\nroot:{digest}:::operator\n")
        auth = {"mode": "basic", "users_file": str(users)}
    settings = {
        "gateway_id": "gateway-under-test",
        "instances": [{"id": f"fake-{number}", "url": fake.url} for number, fake in enumerate(fakes)],
        "auth": auth,
        "server": {"operator_token": OPERATOR_TOKEN, "longest_wait_seconds": 1},
        "events": {"connection_seconds": 1},
        "runner": {"threads": 2},
        "profiles": {"thrifty": {"weight": "0"}},
    }
    return create_gateway(load([], {}, settings), stores=create_stores("memory:"), environ={})


def _headers(role: str) -> dict[str, str]:
    if role == "anonymous":
        return {"X-Forwarded-For": "192.0.2.1"}
    name = "root" if role == "operator" else role
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()}


def _created(owner: Fuzzed) -> str:
    answer = owner.call("POST", "/ga4gh/tes/v1/tasks", json=dict(TASK))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    document = answer.get_json()
    return str(document["id"])


def _all_ended(gateway: Gateway) -> bool:
    return all(record.state.finished for record in gateway.stores.tasks.list(TaskQuery(heads=True)))
