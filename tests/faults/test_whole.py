"""The whole gateway as processes: a thousand tasks, each exactly once, whatever dies meanwhile."""

import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from tests.bench.load import post_tasks
from tests.support.processes import TOKEN, gateway, in_front_of, node

TES = "/ga4gh/tes/v1"
COUNT = 1000
PATIENCE_SECONDS = 240


def _all_tasks(url: str, token: str | None = None) -> list[dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    tasks: list[dict[str, object]] = []
    query = {"page_size": "1000", "view": "BASIC"}
    while True:
        page = requests.get(f"{url}{TES}/tasks", params=query, headers=headers, timeout=60).json()
        tasks += page["tasks"]
        if not page.get("next_page_token"):
            return tasks
        query["page_token"] = page["next_page_token"]


def _wait_for_all(url: str, ids: list[str]) -> Counter[str]:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        states = {str(task["id"]): str(task["state"]) for task in _all_tasks(url)}
        counts = Counter(states[each] for each in ids)
        if counts["QUEUED"] + counts["INITIALIZING"] + counts["RUNNING"] == 0 or time.monotonic() > until:
            return counts
        time.sleep(0.5)


def _runs(node_urls: list[str]) -> Counter[str]:
    """Count, at the nodes, how many copies each task of the gateway has."""
    copies: Counter[str] = Counter()
    for url in node_urls:
        for task in _all_tasks(url, TOKEN):
            tags = task["tags"]
            assert isinstance(tags, dict)
            copies[str(tags["protes_attempt"]).rpartition("-")[0]] += 1
    return copies


@pytest.fixture(name="nodes")
def _nodes(tmp_path: Path) -> object:
    with ExitStack() as stack:
        yield [stack.enter_context(node(tmp_path / f"node-{number}")) for number in range(3)]


@pytest.mark.timeout(400)
def test_a_thousand_tasks_run_exactly_once_each(tmp_path: Path, nodes: list[str]) -> None:
    with gateway(tmp_path / "gateway", in_front_of(tmp_path, *nodes)) as (url, _):
        ids = post_tasks(f"{url}{TES}/tasks", COUNT, 16, None).ids
        assert _wait_for_all(url, ids) == {"COMPLETE": COUNT}
        assert _runs(nodes) == Counter(ids)


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
        assert _wait_for_all(url, every) == {"COMPLETE": len(every)}
        # What was on disk when the answer to its POST was lost exists too, and has run once.
        known = {str(task["id"]) for task in _all_tasks(url)}
        _wait_for_all(url, sorted(known))
        copies = _runs(nodes)
        assert set(every) <= known == set(copies)
        assert set(copies.values()) == {1}
