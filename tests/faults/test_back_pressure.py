"""A store that is full, locked or slow: POST is refused with Retry-After, none is lost or pretended, reads go on."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import requests

from protes.app import Gateway, create_gateway
from protes.config.loading import load
from protes.store.factory import Stores
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from tests.api.conftest import problem_of
from tests.support.processes import gateway as gateway_process
from tests.support.servers import serve_wsgi
from tests.support.waiting import at_once, wait_until

TASKS, CREATE, CANCEL = "/ga4gh/tes/v1/tasks", "/protes/v1/tasks:create", "/protes/v1/tasks:cancel"
TASK = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}
PATIENT = 30


@contextmanager
def _serving(path: Path, busy_seconds: float = 1.0, **server: Any) -> Iterator[tuple[str, Gateway, Database]]:
    """Serve a gateway without instances on a SQLite file; its runner is not started."""
    database = Database(path, busy_timeout_seconds=busy_seconds)
    database.open()
    stores = Stores(SQLiteTaskStore(database), SQLiteRecords(database), database.close)
    loaded = load([], {}, {"server": server, "gateway_id": "gateway-under-test"})
    gateway = create_gateway(loaded, stores=stores, environ={})
    try:
        with serve_wsgi(gateway.wsgi) as url:
            yield url, gateway, database
    finally:
        gateway.close()


def _post(url: str, path: str = TASKS, document: Any = TASK, **headers: str) -> requests.Response:
    return requests.post(url + path, json=document, headers=headers, timeout=PATIENT)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as another process would."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=PATIENT)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _fill_up(database: Database) -> None:
    """Let the file have no more pages than it has."""

    def limit(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    database.write(limit)


def test_a_full_store_refuses_what_it_has_no_room_for_and_is_read_on(tmp_path: Path) -> None:
    large = {**TASK, "description": "x" * 20_000}
    with _serving(tmp_path / "protes.db") as (url, gateway, database):
        stored = [_post(url).json()["id"] for _ in range(3)]
        _fill_up(database)
        for path, body in ((TASKS, large), (CREATE, [large, TASK])):
            refused = _post(url, path, body)
            assert "full" in problem_of(refused, 503)["detail"]
            assert int(refused.headers["Retry-After"]) > 0
        listed = requests.get(url + TASKS, timeout=PATIENT).json()["tasks"]
        assert {task["id"] for task in listed} == set(stored)
        assert requests.get(f"{url}{TASKS}/{stored[0]}?view=FULL", timeout=PATIENT).status_code == 200
        assert gateway.stores.tasks.count() == 3

        database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchall())
        assert _post(url, TASKS, large).status_code == 200


def test_a_key_used_on_a_full_store_is_the_same_task_when_there_is_room(tmp_path: Path) -> None:
    large, key = {**TASK, "description": "x" * 20_000}, {"Idempotency-Key": "while-it-is-full"}
    with _serving(tmp_path / "protes.db") as (url, gateway, database):
        _post(url)
        _fill_up(database)
        problem_of(_post(url, TASKS, large, **key), 503)
        database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchall())
        ids = {_post(url, TASKS, large, **key).json()["id"] for _ in range(2)}
        assert len(ids) == 1
        assert gateway.stores.tasks.count() == 2


def test_a_locked_store_refuses_writes_in_time_and_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "protes.db"
    with _serving(path, busy_seconds=0.2) as (url, gateway, _):
        task_id = _post(url).json()["id"]
        with _locked(path):
            for call, body in ((TASKS, TASK), (CREATE, [TASK]), (CANCEL, {"ids": [task_id]})):
                refused = _post(url, call, body)
                problem_of(refused, 503)
                assert refused.headers["Retry-After"]
            problem_of(_post(url, f"{TASKS}/{task_id}:cancel", None), 503)
            assert requests.get(f"{url}{TASKS}/{task_id}", timeout=PATIENT).json()["state"] == "QUEUED"
        assert gateway.stores.tasks.count() == 1
        assert _post(url).status_code == 200


def test_creations_do_not_pile_up_in_front_of_a_store_that_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "protes.db"
    settings = {"writes_at_once": 4, "write_patience_seconds": 0.2}
    with _serving(path, busy_seconds=PATIENT, **settings) as (url, gateway, _):
        task_id = _post(url).json()["id"]
        answers: list[requests.Response] = []
        with _locked(path):
            stuck = [threading.Thread(target=lambda: answers.append(_post(url))) for _ in range(4)]
            for thread in stuck:
                thread.start()
            wait_until(lambda: gateway.services.intake.inside == 4, "all places are taken", PATIENT)
            began = time.monotonic()
            refused = at_once([lambda: _post(url)] * 12)
            assert {problem_of(each, 503)["status"] for each in refused if isinstance(each, requests.Response)} == {503}
            problem_of(_post(url, f"{TASKS}/{task_id}:cancel", None), 503)
            for _ in range(20):
                assert requests.get(f"{url}{TASKS}/{task_id}", timeout=PATIENT).status_code == 200
            assert time.monotonic() - began < PATIENT / 2  # nobody waited for the lock
            assert answers == []
        for thread in stuck:
            thread.join(PATIENT)
        # What had been let in is durable now, and nothing else is.
        assert [answer.status_code for answer in answers] == [200] * 4
        listed = {task["id"] for task in requests.get(url + TASKS, timeout=PATIENT).json()["tasks"]}
        assert listed == {task_id, *(answer.json()["id"] for answer in answers)}
        assert _post(url).status_code == 200


def test_more_clients_than_places_are_all_served_while_the_store_gets_on(tmp_path: Path) -> None:
    with _serving(tmp_path / "protes.db", writes_at_once=2, write_patience_seconds=PATIENT) as (url, gateway, _):
        # Two who write, and the nine who may line up for it whatever the time.
        answers = at_once([lambda: _post(url)] * 11)
        assert [each.status_code for each in answers if isinstance(each, requests.Response)] == [200] * 11
        assert gateway.stores.tasks.count() == 11


def test_a_gateway_process_whose_file_is_locked_answers_readers(tmp_path: Path) -> None:
    """Twice as many creations as there are threads, none of which gets on: polls are answered meanwhile."""
    # Those who are let in wait for the lock for ten seconds: the others must have been refused long before.
    server = {"threads": 8, "write_patience_seconds": 1}
    with gateway_process(tmp_path / "gateway", {"server": server}) as (url, _):
        task_id = _post(url).json()["id"]
        outcomes: list[int] = []
        threads = [threading.Thread(target=lambda: outcomes.append(_post(url).status_code)) for _ in range(16)]
        with _locked(tmp_path / "gateway" / "data" / "protes.db"):
            for thread in threads:
                thread.start()
            wait_until(lambda: outcomes.count(503) == 12, "those beyond half of the threads are refused", PATIENT)
            for _ in range(20):
                assert requests.get(f"{url}{TASKS}/{task_id}", timeout=PATIENT).status_code == 200
        for thread in threads:
            thread.join(PATIENT)
        listed = requests.get(url + TASKS, timeout=PATIENT).json()["tasks"]
        assert len(listed) == 1 + outcomes.count(200)


def _stored(url: str) -> int:
    """Count the tasks of a gateway."""
    return len(requests.get(url + TASKS, params={"page_size": 2000}, timeout=PATIENT).json()["tasks"])


def test_readers_are_answered_while_a_slow_file_gets_on(tmp_path: Path) -> None:
    """More clients create than there are threads, and each write takes a while: none of that delays a poll by much."""
    server = {"threads": 8, "write_patience_seconds": 5}
    with gateway_process(tmp_path / "gateway", {"server": server}) as (url, _):
        task_id = _post(url).json()["id"]
        over = threading.Event()
        outcomes: list[int] = []
        delays: list[float] = []

        def create() -> None:
            while not over.is_set():
                outcomes.append(_post(url).status_code)
                over.wait(0.01)

        def hold_up() -> None:
            while not over.is_set():
                with _locked(tmp_path / "gateway" / "data" / "protes.db"):
                    over.wait(0.3)
                over.wait(0.02)

        threads = [threading.Thread(target=each) for each in [hold_up] + [create] * 48]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: 503 in outcomes, "the first is refused", PATIENT)
            until = time.monotonic() + 2
            while time.monotonic() < until:
                began = time.monotonic()
                assert requests.get(f"{url}{TASKS}/{task_id}", timeout=PATIENT).status_code == 200
                delays.append(time.monotonic() - began)
        finally:
            over.set()
        for thread in threads:
            thread.join(PATIENT)
        assert set(outcomes) == {200, 503}
        # Any one of them may wait for a busy machine; where readers wait for writers, most of them do.
        assert median(delays) < 1.0
        assert _stored(url) == 1 + outcomes.count(200)
