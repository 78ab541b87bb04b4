"""Backup and restore of the embedded store, with the command of the run-book, while the gateway serves."""

import re
import shlex
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from protes.store.sqlite import Database, SQLiteTaskStore
from tests.support.processes import TOKEN, gateway, in_front_of, node
from tests.support.task_records import a_task
from tests.support.waiting import wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
TES = "/ga4gh/tes/v1"
_PATIENT = 60.0


def back_up(store: Path, copy: Path) -> None:
    """Do what the run-book says."""
    [line] = re.findall(r"^python -c .*VACUUM INTO.*$", PAGE, re.MULTILINE)
    words = [sys.executable, *shlex.split(line)[1:]]
    command = [each.replace("/data/protes.db", str(store)).replace("/data/backup.db", str(copy)) for each in words]
    assert command != words
    subprocess.run(command, check=True, timeout=_PATIENT)


def test_a_backup_is_whole_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    database = Database(tmp_path / "protes.db")
    database.open()
    store, acknowledged, enough = SQLiteTaskStore(database), list[str](), threading.Event()

    def write() -> None:
        while not enough.is_set():
            acknowledged.append(store.create(a_task()).id)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        wait_until(lambda: len(acknowledged) > 20, "some tasks are there", _PATIENT)
        before = list(acknowledged)
        back_up(tmp_path / "protes.db", tmp_path / "copy.db")
        behind = len(acknowledged)
        wait_until(lambda: len(acknowledged) > behind, "writing goes on", _PATIENT)
    finally:
        enough.set()
        for writer in writers:
            writer.join()
        database.close()
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = {each for (each,) in copy.execute("SELECT id FROM tasks")}
    assert set(before) <= kept <= set(acknowledged)
    with pytest.raises(subprocess.CalledProcessError):  # never over another one
        back_up(tmp_path / "protes.db", tmp_path / "copy.db")


def _task(seconds: float) -> dict[str, Any]:
    return {"executors": [{"image": "alpine", "command": ["sleep", str(seconds)]}], "resources": {"cpu_cores": 1}}


def _post(url: str, seconds: float) -> str:
    return str(requests.post(f"{url}{TES}/tasks", json=_task(seconds), timeout=_PATIENT).json()["id"])


def _state(url: str, task_id: str) -> str:
    answer = requests.get(f"{url}{TES}/tasks/{task_id}", timeout=_PATIENT)
    return str(answer.json().get("state", answer.status_code))


def _copies(url: str) -> Counter[str]:
    """Count, at the node, the copies of each task."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    tasks = requests.get(f"{url}{TES}/tasks", params={"view": "BASIC"}, headers=headers, timeout=_PATIENT).json()
    return Counter(each["tags"]["protes_attempt"].rpartition("-")[0] for each in tasks["tasks"])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_restored_gateway_goes_on(tmp_path: Path) -> None:
    with node(tmp_path / "node") as node_url:
        settings = in_front_of(tmp_path, node_url)
        with gateway(tmp_path / "lost", settings) as (url, _):
            finished, running = _post(url, 0), _post(url, 4)
            wait_until(lambda: _state(url, finished) == "COMPLETE", "a task ends", _PATIENT)
            wait_until(lambda: _state(url, running) == "RUNNING", "a task runs", _PATIENT)
            gateway_id = requests.get(url, timeout=_PATIENT).headers["X-Protes-Gateway"]
            back_up(tmp_path / "lost" / "data" / "protes.db", tmp_path / "backup.db")
            later = _post(url, 0)
            wait_until(lambda: _state(url, later) == "COMPLETE", "a later task ends", _PATIENT)
        data = tmp_path / "restored" / "data"
        data.mkdir(parents=True)
        (tmp_path / "backup.db").rename(data / "protes.db")
        with gateway(tmp_path / "restored", settings) as (url, _):
            assert requests.get(url, timeout=_PATIENT).headers["X-Protes-Gateway"] == gateway_id
            assert _state(url, finished) == "COMPLETE"
            assert _state(url, later) == "404"
            wait_until(lambda: _state(url, running) == "COMPLETE", "the running task ends", _PATIENT)
            new = _post(url, 0)
            wait_until(lambda: _state(url, new) == "COMPLETE", "a new task ends", _PATIENT)
        assert _copies(node_url) == dict.fromkeys((finished, running, later, new), 1)
