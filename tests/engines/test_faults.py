"""What goes wrong while all engines run: a store that is locked, a gateway that is restarted, an instance that is out.

None of them fails: the gateway answers from its own store, its socket stays open, and what an instance runs goes on.
"""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

from protes.demo.processes import Server
from tests.engines.cases import CASES, started
from tests.engines.federation import Federation, settings
from tests.engines.install import environment_of
from tests.engines.standing import Standing, polled, standing
from tests.support.services import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

_LOCK_SECONDS = 5.0
_OUTAGE_SECONDS = 8.0


@pytest.fixture
def gateway(over: Federation, tmp_path: Path) -> Iterator[Standing]:
    """Another gateway in front of the same nodes, behind a socket that stays open."""
    configured = settings(over.node_urls, over.shared, over.folder / "token")
    with standing(tmp_path / "gateway", configured) as running:
        yield running


def test_no_engine_notices_a_locked_store_a_restart_or_an_outage(
    request: pytest.FixtureRequest, over: Federation, gateway: Standing
) -> None:
    here = [case for case in CASES.values() if environment_of(case.environment) is not None]
    if len(here) < len(CASES):
        missing(request, "not all engines are installed; make engines-install does it")
    folders = {case: over.shared / f"faults-{case.label or case.name}" for case in here}
    with ExitStack() as stack:
        runs = {
            case: stack.enter_context(started(request, case, folder, "steady", gateway.url))
            for case, folder in folders.items()
        }
        wait_until(lambda: len(running_tasks(gateway)) == len(here), "every engine has a task that runs", 110)
        [task_id, *_] = running_tasks(gateway)
        with polled(f"{gateway.url}/v1/tasks/{task_id}?view=FULL") as wrong:
            with locked(gateway.database):
                pause(_LOCK_SECONDS)
            gateway.replace()  # with a gap it depends on how fast this machine starts one: py-tes waits for 10 s
            with stopped(over.nodes["budget"]):
                pause(_OUTAGE_SECONDS)
        assert wrong == []
        for run in runs.values():
            run.succeed()
    expected = "".join(sorted((Path(__file__).parent / "workflows/words.txt").read_text().splitlines(keepends=True)))
    assert {case.result(folder, "steady").decode() for case, folder in folders.items()} == {expected}


def running_tasks(gateway: Standing) -> list[str]:
    """Return the ids of the tasks that run."""
    answer = requests.get(f"{gateway.url}/ga4gh/tes/v1/tasks?state=RUNNING&page_size=100", timeout=30)
    return [task["id"] for task in answer.json()["tasks"]]


def pause(seconds: float) -> None:
    """Let a fault last."""
    threading.Event().wait(seconds)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep the store's file locked by another connection, as a backup or a stuck process may."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def stopped(node: Server) -> Iterator[None]:
    """Have a node answer nothing; what it runs goes on."""
    os.killpg(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(node.pid, signal.SIGCONT)
