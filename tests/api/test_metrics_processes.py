"""Figures of several processes: worker processes of one server together, a worker at a port of its own."""

import os
import signal
from pathlib import Path

import pytest
import requests

from protes.app import create_worker
from protes.config.loading import ConfigError, load
from protes.store.factory import create_stores
from tests.support.processes import gateway
from tests.support.running import TASK, TES, Samples, logging_kept
from tests.support.waiting import wait_until

PATIENCE = 60.0
SETTINGS = {"server": {"workers": 2}}


def read(url: str) -> Samples:
    answer = requests.get(f"{url}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    return Samples.read(answer.text)


def pids(folder: Path) -> set[int]:
    """The processes that have gauges in the shared folder."""
    return {int(each.stem.rpartition("_")[2]) for each in folder.glob("*/gauge_livesum_*.db")}


def created(url: str) -> float:
    return read(url).get("protes_tasks_created_total") or 0.0


@pytest.mark.timeout(300)
def test_two_worker_processes_count_together_and_one_that_dies_is_not_counted_twice(tmp_path: Path) -> None:
    shared = tmp_path / "figures"
    settings = {**SETTINGS, "metrics": {"directory": str(shared)}}
    with gateway(tmp_path / "g", settings) as (url, _):
        wait_until(lambda: read(url).get("protes_processes") == 2, "both processes are there", PATIENCE)
        for _ in range(6):
            requests.post(f"{url}{TES}/tasks", json=TASK, timeout=60).raise_for_status()
        assert [created(url) for _ in range(4)] == [6.0] * 4  # whichever of them answers
        before = pids(shared)
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        wait_until(lambda: len(pids(shared)) == 2 and pids(shared) != before, "another has taken its place", PATIENCE)
        wait_until(lambda: read(url).get("protes_processes") == 2, "two are counted", PATIENCE)
        assert created(url) == 6.0  # what it has counted stays
        wait_until(lambda: read(url).get("protes_leader") == 1, "one of them leads", PATIENCE)
    assert list(shared.iterdir()) == []
    with gateway(tmp_path / "g", settings) as (url, _):
        assert created(url) == 0.0  # a restart begins anew, as counters may
        assert read(url).get("protes_tasks_unfinished") == 6.0  # and the store remembers


def test_a_worker_serves_its_figures_and_probes_at_a_port_of_its_own() -> None:
    settings = {"metrics": {"worker_port": 0}, "gateway_id": "gateway-under-test"}
    with logging_kept():
        worker = create_worker(load([], {}, settings), stores=create_stores("memory:"), environ={})
    try:
        served = worker.serve_figures()
        assert served is not None
        worker.start()
        url = f"http://127.0.0.1:{served.port}"
        wait_until(lambda: read(url).get("protes_leader") == 1, "it leads", PATIENCE)
        assert requests.get(f"{url}/readyz", timeout=30).status_code == 200
        assert requests.get(f"{url}{TES}/tasks", timeout=30).status_code == 404
        assert requests.get(f"{url}/metrics", headers={"Host": "elsewhere.example.org"}, timeout=30).status_code == 403
        with pytest.raises(ConfigError, match=r"metrics\.worker_port: cannot serve there"):
            _at(served.port)
        served.close()
    finally:
        worker.close()


def _at(port: int) -> None:
    """Serve the figures of another worker at a port."""
    with logging_kept():
        worker = create_worker(load([], {}, {"metrics": {"worker_port": port}}), stores=create_stores("memory:"))
    try:
        worker.serve_figures()
    finally:
        worker.close()


def test_a_worker_serves_nothing_where_nobody_wishes_it() -> None:
    with logging_kept():
        worker = create_worker(load([], {}, {}), stores=create_stores("memory:"), environ={})
    try:
        assert worker.serve_figures() is None
    finally:
        worker.close()
