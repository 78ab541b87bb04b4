"""Webhooks where jobs go through a broker: each change is told once and in order, whichever worker does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.support.fleet import fleet
from tests.support.gateway_tasks import TES, wait_for_all
from tests.support.processes import in_front_of, node
from tests.support.receiver import KEYS, settings_for, verified
from tests.support.runners import Brokers
from tests.support.scripted_server import ScriptedServer, answer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

COUNT, PATIENCE = 8, 200.0
ORDER = ("QUEUED", "INITIALIZING", "RUNNING", "COMPLETE")


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.on("POST", "/hook", answer(503, b"", Retry_After="1"), then=answer(204, b""))
        yield server


def test_each_change_is_told_once_and_in_order(
    tmp_path: Path, receiver: ScriptedServer, brokers: Brokers, request: pytest.FixtureRequest
) -> None:
    events = settings_for(receiver.port, callback_first_retry_seconds=0.2, callback_seconds=20)
    with ExitStack() as stack:
        at = stack.enter_context(node(tmp_path / "node"))
        settings = {**in_front_of(tmp_path, at), "events": events}
        gateway = stack.enter_context(fleet(tmp_path / "gateway", settings, brokers.url("rabbitmq", request)))
        task = {
            "executors": [{"image": "alpine", "command": ["true"]}],
            "tags": {"protes.callback_url": f"{receiver.url}/hook"},
        }
        posted = [requests.post(f"{gateway.url}{TES}/tasks", json=task, timeout=60) for _ in range(COUNT)]
        ids = [str(each.json()["id"]) for each in posted]
        assert wait_for_all(gateway.url, ids, PATIENCE) == {"COMPLETE": COUNT}

        def told(task_id: str) -> list[tuple[str, str]]:
            found = [(each, each.json()["data"]) for each in receiver.requests("POST", "/hook")]
            return [(each.headers["webhook-id"], data["state"]) for each, data in found if data["id"] == task_id]

        wait_until(lambda: all(told(each)[-1:] and told(each)[-1][1] == "COMPLETE" for each in ids), "all", PATIENCE)
        every = [event for task_id in ids for event in told(task_id)]
        # The first was answered 503, and so told twice; all others once.
        assert len(every) == len(set(every)) + 1
        for task_id in ids:
            states = [state for _, state in dict.fromkeys(told(task_id))]
            assert states == sorted(set(states), key=ORDER.index)
        assert all(verified(each, KEYS[0]) for each in receiver.requests("POST", "/hook"))
        assert "Traceback" not in gateway.logs()
        assert gateway.files_with(KEYS[0]) == {"config.yaml"}
