"""A whole gateway on MongoDB: several processes, real tasks, and a database that goes away and comes back."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.bench.load import TASK, post_tasks
from tests.support import ferretdb
from tests.support.ferretdb import FerretDB
from tests.support.gateway_tasks import TES, copies_at, wait_for_all
from tests.support.processes import gateway, in_front_of, node
from tests.support.services import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

COUNT = 20
PATIENCE = 200.0


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[str]]:
    """Run two nodes."""
    with ExitStack() as stack:
        yield [stack.enter_context(node(tmp_path / f"node-{number}")) for number in range(2)]


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FerretDB]:
    """Run a server of the test's own."""
    program = ferretdb.executable(os.environ)
    if program is None:
        missing(request, ferretdb.ABSENT)
    with ferretdb.running(program, tmp_path) as server:
        yield server


def settings_of(tmp_path: Path, nodes: list[str], server: FerretDB) -> dict[str, object]:
    """Name the store in a file, as one with a password would be."""
    file = tmp_path / "store-url"
    file.write_text(ferretdb.with_database(server.url, "whole") + "?appname=canary-of-the-url\n")
    return {
        **in_front_of(tmp_path, *nodes),
        "store": {"url_file": str(file)},
        "server": {"workers": 2},
        "dispatch": {"lease_seconds": 8, "send_within_seconds": 2, "create_seconds": 5},
    }


def test_tasks_run_exactly_once_though_the_database_goes_away(
    tmp_path: Path, nodes: list[str], server: FerretDB
) -> None:
    with gateway(tmp_path / "gateway", settings_of(tmp_path, nodes, server)) as (url, _):
        ids = post_tasks(f"{url}{TES}/tasks", COUNT // 2, 4, None).ids
        wait_until(lambda: copies_at(nodes).total() >= 3, "tasks run", PATIENCE)
        server.kill()
        began = time.monotonic()
        refused = requests.post(f"{url}{TES}/tasks", json=TASK, timeout=60)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
        assert time.monotonic() - began < 20
        server.start()
        wait_until(lambda: requests.get(f"{url}{TES}/tasks", timeout=60).status_code == 200, "it answers", PATIENCE)
        ids += post_tasks(f"{url}{TES}/tasks", COUNT - COUNT // 2, 4, None).ids
        assert wait_for_all(url, ids, PATIENCE) == {"COMPLETE": COUNT}
        assert copies_at(nodes) == Counter(ids)
    log = (tmp_path / "gateway" / "log").read_text(encoding="utf-8")
    assert "canary-of-the-url" not in log
