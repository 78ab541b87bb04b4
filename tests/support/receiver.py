"""A gateway by hand whose tasks call a receiver of webhooks, a real HTTP server; and the receiver's side of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

from protes.clock import ManualClock
from protes.store.factory import Stores
from protes.store.records import Lease, Phase, Transition
from protes.tes.states import State
from tests.support.harness import TASK, Harness
from tests.support.http_messages import Request
from tests.support.scripted_server import ScriptedServer
from tests.support.task_records import an_attempt

KEYS = tuple(base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
"""Of the gateway, the newer first."""


def verified(request: Request, key: str) -> bool:
    """Tell whether a webhook was signed with a key, as Standard Webhooks has it."""
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    digest = base64.b64encode(hmac.digest(base64.b64decode(key), signed, hashlib.sha256)).decode()
    return f"v1,{digest}" in request.headers["webhook-signature"].split(" ")


def settings_for(port: int, **events: Any) -> dict[str, Any]:
    """Return settings that let webhooks go to a receiver of this machine."""
    return {
        "callback_hosts": [f"127.0.0.1:{port}"],
        "callback_http": True,
        "callback_private": True,
        "callback_keys": list(KEYS),
        "callback_seconds": 20,
        **events,
    }


class HasPort(Protocol):
    """A server of this machine."""

    port: int


class Hooked(Harness):
    """A gateway whose tasks call a receiver; the test moves the tasks."""

    def __init__(
        self, receiver: HasPort, stores: Stores | None = None, clock: ManualClock | None = None, **events: Any
    ) -> None:
        self.receiver = receiver
        super().__init__(stores=stores, clock=clock, events=settings_for(receiver.port, **events))

    def submitted(self, path: str = "/hook") -> str:
        """Submit a task that calls the receiver."""
        url = f"http://127.0.0.1:{self.receiver.port}{path}"
        return self.post({**TASK, "tags": {"protes.callback_url": url, "run": "42"}})

    def accepted(self, path: str = "/hook") -> str:
        """Submit a task, and note that an instance has accepted it."""
        task_id, tasks, now = self.submitted(path), self.stores.tasks, self.clock.now()
        assert tasks.claim(task_id, Lease("worker", "token", now + timedelta(seconds=60)), now) is not None
        attempt = an_attempt(intended_at=now, deadline=now + timedelta(seconds=9))
        tasks.save_attempt(task_id, "token", attempt, now)
        tasks.save_attempt(task_id, "token", replace(attempt, phase=Phase.ACCEPTED, instance_task_id="x"), now)
        tasks.release(task_id, "token", None)
        return task_id

    def move(self, task_id: str, state: State) -> None:
        """Have the instance report a state."""
        self.stores.tasks.transition([Transition(task_id, 1, state, finished=state.finished)], self.clock.now())

    def turn(self, seconds: float = 3.0) -> None:
        """Let time pass, and the gateway tell what has changed."""
        self.clock.advance(seconds)
        self.runner.run("tick")
        self.send()

    def send(self) -> None:
        """Run the jobs that send webhooks, and no others."""
        while jobs := [each for each in self.runner.waiting if each[0] == "callback"]:
            del self.runner.waiting[jobs[0]]
            self.runner.run(*jobs[0])

    def said(self, task_id: str) -> Mapping[str, Any]:
        """Return what the routing explanation says of the task's webhooks."""
        return self.services.callbacks.document(self.record(task_id)) or {}


def told(receiver: ScriptedServer, path: str = "/hook") -> list[str]:
    """Return the states that the receiver was told, answered or not."""
    return [each.json()["data"]["state"] for each in receiver.requests() if each.path == path]


def ids(receiver: ScriptedServer) -> list[str]:
    """Return the ids of the events that the receiver was told."""
    return [each.headers["webhook-id"] for each in receiver.requests()]
