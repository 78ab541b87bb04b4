"""An API that only serves, two workers, RabbitMQ and a store that they share: each task exactly once."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.bench.load import TASK, post_tasks
from tests.support.fleet import fleet
from tests.support.gateway_tasks import TES, copies_at, wait_for_all
from tests.support.processes import in_front_of, node
from tests.support.runners import Brokers
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

COUNT = 50
PATIENCE = 200.0
SLEEPING = {"name": "sleeps", "executors": [{"image": "alpine", "command": ["sleep", "300"]}]}
# Shorter than a claim lasts by default: what a dead worker leaves behind is taken over soon.
SHORT = {"lease_seconds": 8, "send_within_seconds": 2, "create_seconds": 5}


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[str]]:
    """Run two nodes."""
    with ExitStack() as stack:
        yield [stack.enter_context(node(tmp_path / f"node-{number}")) for number in range(2)]


@pytest.mark.parametrize("kind", ["rabbitmq", "redis"])
def test_each_task_runs_exactly_once_though_a_worker_is_killed(
    tmp_path: Path, nodes: list[str], brokers: Brokers, kind: str, request: pytest.FixtureRequest
) -> None:
    settings = {**in_front_of(tmp_path, *nodes), "dispatch": SHORT}
    broker_url = brokers.url(kind, request)
    with fleet(tmp_path / "gateway", settings, broker_url) as gateway:
        ids = post_tasks(f"{gateway.url}{TES}/tasks", COUNT // 2, 8, None).ids
        wait_until(lambda: copies_at(nodes).total() >= 5, "tasks run", PATIENCE)
        gateway.workers[0].kill()
        ids += post_tasks(f"{gateway.url}{TES}/tasks", COUNT - COUNT // 2, 8, None).ids
        assert wait_for_all(gateway.url, ids, PATIENCE) == {"COMPLETE": COUNT}
        assert copies_at(nodes) == Counter(ids)
        assert gateway.workers[1].terminate(30) == 0
        assert "Traceback" not in gateway.logs()
        secret = broker_url.rpartition("@")[0].rpartition(":")[2]
        if secret:
            assert gateway.files_with(secret) == {"broker-url"}


def test_a_cancelled_task_ends_at_the_node_too(
    tmp_path: Path, nodes: list[str], brokers: Brokers, request: pytest.FixtureRequest
) -> None:
    with fleet(tmp_path / "gateway", in_front_of(tmp_path, *nodes), brokers.url("rabbitmq", request), 1) as gateway:
        tasks = f"{gateway.url}{TES}/tasks"
        task_id = post_tasks(tasks, 1, 1, None, SLEEPING).ids[0]

        def state() -> str:
            return str(requests.get(f"{tasks}/{task_id}", timeout=30).json()["state"])

        wait_until(lambda: state() == "RUNNING", "it runs", PATIENCE)
        assert requests.post(f"{tasks}/{task_id}:cancel", timeout=30).json() == {}
        wait_until(lambda: state() == "CANCELED", "it is cancelled", PATIENCE)


def test_a_worker_that_is_told_to_stop_hands_over(
    tmp_path: Path, nodes: list[str], brokers: Brokers, request: pytest.FixtureRequest
) -> None:
    with fleet(tmp_path / "gateway", in_front_of(tmp_path, *nodes), brokers.url("rabbitmq", request)) as gateway:
        ids = post_tasks(f"{gateway.url}{TES}/tasks", 20, 8, None).ids
        began = time.monotonic()
        assert gateway.workers[0].terminate(30) == 0
        assert time.monotonic() - began < 20
        ids += post_tasks(f"{gateway.url}{TES}/tasks", 20, 8, None, TASK).ids
        assert wait_for_all(gateway.url, ids, PATIENCE) == {"COMPLETE": 40}
        assert copies_at(nodes) == Counter(ids)
