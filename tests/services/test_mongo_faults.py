"""The server of the store is killed and comes back: nothing acknowledged is lost, and the store goes on by itself."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from protes.store.factory import Stores, create_stores
from protes.store.protocols import StoreUnavailable
from protes.store.records import Phase, TaskRecord, Transition
from protes.tes.states import State
from tests.support import ferretdb
from tests.support.ferretdb import FerretDB
from tests.support.services import missing
from tests.support.task_records import START, a_lease, a_task, an_attempt, at
from tests.support.waiting import at_once, wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

WRITERS = 4
KILLS = 3
PATIENCE = 90.0


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FerretDB]:
    """Run a server of the test's own."""
    program = ferretdb.executable(os.environ)
    if program is None:
        missing(request, ferretdb.ABSENT)
    with ferretdb.running(program, tmp_path) as server:
        yield server


@pytest.fixture
def stores(server: FerretDB) -> Iterator[Stores]:
    stores = create_stores(ferretdb.with_database(server.url, "protes"))
    yield stores
    stores.close()


class Writer:
    """Takes tasks through their life as fast as it can, and remembers what was acknowledged.

    Attributes:
        acknowledged: of each task, the last version that the store returned.
        refused: how often the store was unavailable.
    """

    def __init__(self, stores: Stores, number: int) -> None:
        self._tasks = stores.tasks
        self._number = number
        self.acknowledged: dict[str, TaskRecord] = {}
        self.refused = 0

    def run(self, until: threading.Event) -> None:
        while not until.is_set():
            task_id = f"writer{self._number}-{len(self.acknowledged) + self.refused:06}"
            try:
                self._through(task_id)
            except StoreUnavailable:
                self.refused += 1
                until.wait(0.02)

    def _through(self, task_id: str) -> None:
        token = f"token-{task_id}"
        self._saw(self._tasks.create(a_task(task_id, document=f'{{"of":"{task_id}"}}')))
        self._saw(self._tasks.claim(task_id, a_lease(token), START))
        for phase in (Phase.INTENDED, Phase.ACCEPTED):
            self._saw(self._tasks.save_attempt(task_id, token, an_attempt(phase=phase), at(1)))
        log = {"logs": [{"stdout": task_id * 2000}]}
        (ended,) = self._tasks.transition([Transition(task_id, 1, State.COMPLETE, log=log, finished=True)], at(2))
        self._saw(ended)

    def _saw(self, record: TaskRecord | None) -> None:
        assert record is not None
        self.acknowledged[record.id] = record


def total(writers: Sequence[Writer]) -> tuple[int, int]:
    """Return how much was acknowledged and how often the writers were refused."""
    return sum(len(each.acknowledged) for each in writers), sum(each.refused for each in writers)


def kill_and_restart(server: FerretDB, writers: Sequence[Writer], done: threading.Event) -> None:
    """Kill the server in the middle of work, wait until that is felt, and start it again; a few times."""

    def get_on() -> None:
        before, _ = total(writers)
        wait_until(lambda: total(writers)[0] >= before + 5, "writers get on", PATIENCE)

    def are_refused() -> None:
        _, before = total(writers)
        wait_until(lambda: total(writers)[1] > before, "writers are refused", PATIENCE)

    try:
        get_on()
        for _ in range(KILLS):
            server.kill()
            are_refused()
            server.start()
            get_on()
    finally:
        done.set()


def test_what_was_acknowledged_survives_kills_of_the_server(stores: Stores, server: FerretDB) -> None:
    writers = [Writer(stores, number) for number in range(WRITERS)]
    done = threading.Event()
    calls: list[Callable[[], None]] = [partial(each.run, done) for each in writers]
    calls.append(partial(kill_and_restart, server, writers, done))
    outcomes = at_once(calls, 4 * PATIENCE)
    assert outcomes == [None] * (WRITERS + 1)
    for writer in writers:
        for task_id, seen in writer.acknowledged.items():
            stored = stores.tasks.get(task_id)
            assert stored is not None
            assert stored.version >= seen.version
            if stored.version == seen.version:
                assert stored == seen
    assert total(writers)[1] >= KILLS


def test_a_server_that_is_away_is_said_within_seconds(stores: Stores, server: FerretDB) -> None:
    record = stores.tasks.create(a_task())
    server.kill()
    calls = (partial(stores.tasks.create, a_task()), partial(stores.tasks.get, record.id), stores.tasks.loads)
    for call in calls:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            call()
        assert time.monotonic() - began < 10
    with pytest.raises(StoreUnavailable):
        stores.records.put("kind", "key", {}, START)
    server.start()
    assert stores.tasks.get(record.id) == record
    assert stores.records.put("kind", "key", {}, START) == 1


def test_a_server_that_hangs_is_given_up(server: FerretDB) -> None:
    url = ferretdb.with_database(server.url, "protes") + "?socketTimeoutMS=500"
    stores = create_stores(url)
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        stores.tasks.create(a_task())
    assert time.monotonic() - began < 10
    os.kill(server.pid, signal.SIGCONT)
    stores.tasks.create(a_task("afterwards"))
    assert stores.tasks.get("afterwards") is not None
    stores.close()
