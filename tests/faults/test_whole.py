"""The whole gateway as processes: a thousand tasks, each exactly once, whatever dies meanwhile."""

import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.bench.load import post_tasks
from tests.support.gateway_tasks import TES, all_tasks, copies_at, wait_for_all
from tests.support.processes import gateway, in_front_of, node

COUNT = 1000
PATIENCE_SECONDS = 240


@pytest.fixture(name="nodes")
def _nodes(tmp_path: Path) -> object:
    with ExitStack() as stack:
        yield [stack.enter_context(node(tmp_path / f"node-{number}")) for number in range(3)]


@pytest.mark.timeout(400)
def test_a_thousand_tasks_run_exactly_once_each(tmp_path: Path, nodes: list[str]) -> None:
    with gateway(tmp_path / "gateway", in_front_of(tmp_path, *nodes)) as (url, _):
        ids = post_tasks(f"{url}{TES}/tasks", COUNT, 16, None).ids
        assert wait_for_all(url, ids, PATIENCE_SECONDS) == {"COMPLETE": COUNT}
        assert copies_at(nodes) == Counter(ids)


@pytest.mark.timeout(400)
def test_kill_9_in_the_middle_loses_nothing_and_runs_nothing_twice(tmp_path: Path, nodes: list[str]) -> None:
    settings = in_front_of(tmp_path, *nodes)
    settings["dispatch"] = {"lease_seconds": 8, "send_within_seconds": 2, "create_seconds": 5}
    with gateway(tmp_path / "gateway", settings) as (url, server):
        ids = post_tasks(f"{url}{TES}/tasks", COUNT // 2, 16, None).ids
        accepted: list[str] = []

        def post_on() -> None:
            with suppress(RuntimeError):  # the gateway dies under it
                while True:
                    accepted.extend(post_tasks(f"{url}{TES}/tasks", 1, 1, None).ids)

        poster = threading.Thread(target=post_on)
        poster.start()
        while len(accepted) < 50:
            time.sleep(0.01)
        os.killpg(server.pid, signal.SIGKILL)
        poster.join()
    with gateway(tmp_path / "gateway", settings) as (url, _):
        every = ids + accepted
        assert wait_for_all(url, every, PATIENCE_SECONDS) == {"COMPLETE": len(every)}
        # What was on disk when the answer to its POST was lost exists too, and has run once.
        known = {str(task["id"]) for task in all_tasks(url)}
        wait_for_all(url, sorted(known), PATIENCE_SECONDS)
        copies = copies_at(nodes)
        assert set(every) <= known == set(copies)
        assert set(copies.values()) == {1}
