"""One failed poll ends a Snakemake, Toil, Nextflow or Sprocket run: a restart and a busy store must not show."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.engines.standing import Standing, polled, standing

TASK = {"name": "t", "executors": [{"image": "debian", "command": ["true"]}]}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Standing]:
    with standing(tmp_path / "gateway", {}) as running:
        yield running


def created(gateway: Standing) -> str:
    answer = requests.post(f"{gateway.url}/v1/tasks", json=TASK, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("change", [Standing.restart, Standing.replace])
def test_a_restart_behind_a_passed_socket_shows_nowhere(gateway: Standing, change: Callable[[Standing], None]) -> None:
    task_id = created(gateway)
    with polled(f"{gateway.url}/v1/tasks/{task_id}?view=MINIMAL") as wrong:
        change(gateway)
        created(gateway)
    assert wrong == []


def test_reads_are_answered_while_the_store_is_locked(gateway: Standing) -> None:
    task_id = created(gateway)
    with closing(sqlite3.connect(gateway.database, isolation_level=None)) as other, ThreadPoolExecutor() as pool:
        other.execute("BEGIN EXCLUSIVE")
        for view in ("MINIMAL", "BASIC", "FULL"):
            for base in ("/v1", "/ga4gh/tes/v1"):
                assert requests.get(f"{gateway.url}{base}/tasks/{task_id}?view={view}", timeout=20).status_code == 200
        assert requests.get(f"{gateway.url}/v1/tasks?view=MINIMAL&page_size=2047", timeout=20).status_code == 200
        waiting = pool.submit(created, gateway)  # for the lock
        threading.Event().wait(1.0)
        assert not waiting.done()
        other.execute("ROLLBACK")
        waiting.result()
