"""`Prefer: wait` on gateways whose tasks change elsewhere, and with more waiters than there is room for."""

import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from protes.app import Gateway, create_gateway
from protes.clock import SystemClock
from protes.config.loading import load
from protes.relay.interest import Interest
from protes.store.factory import create_stores
from protes.store.protocols import TaskStore
from protes.store.records import Transition
from protes.tes.states import State
from tests.support.processes import gateway as gateway_process
from tests.support.servers import serve_wsgi
from tests.support.task_records import START, a_lease, a_task, an_attempt, forwarded
from tests.support.waiting import at_once, wait_until

TASKS = "/ga4gh/tes/v1/tasks"
HASTY, PATIENT = 1, 30


@contextmanager
def _serving(folder: Path, threads: int = 16) -> Iterator[tuple[str, Gateway]]:
    """Serve a gateway without instances on a store in the folder; its runner is not started."""
    settings = {"server": {"threads": threads}, "gateway_id": "gateway-under-test"}
    gateway = create_gateway(load([], {}, settings), stores=create_stores(str(folder)), environ={})
    try:
        with serve_wsgi(gateway.wsgi) as url:
            yield url + TASKS, gateway
    finally:
        gateway.close()


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[tuple[str, Gateway]]:
    with _serving(folder) as found:
        yield found


@pytest.fixture
def elsewhere(folder: Path, served: object) -> Iterator[TaskStore]:
    """The same store as another process opens it."""
    stores = create_stores(str(folder))
    yield stores.tasks
    stores.close()


def _wait(url: str, seconds: int = PATIENT, tag: str | None = None) -> requests.Response:
    headers = {"Prefer": f"wait={seconds}", **({"If-None-Match": tag} if tag is not None else {})}
    return requests.get(url, headers=headers, timeout=60)


class Waiter:
    """A request that waits in a thread of its own."""

    def __init__(self, gateway: Gateway, url: str, tag: str | None = None) -> None:
        room = gateway.services.waiting
        seats = len(room._seats)
        self._answers: list[requests.Response] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(_wait(url, PATIENT, tag)))
        self._thread.start()
        wait_until(lambda: len(room._seats) > seats, "the request has looked, and waits", 25)

    @property
    def waits(self) -> bool:
        return not self._answers

    def answer(self) -> requests.Response:
        self._thread.join(20)
        [answer] = self._answers
        return answer


def test_a_state_that_changes_in_another_process_ends_the_wait(
    served: tuple[str, Gateway], elsewhere: TaskStore
) -> None:
    url, gateway = served
    for view in ("MINIMAL", "FULL"):
        record = forwarded(elsewhere, a_task())
        waiter = Waiter(gateway, f"{url}/{record.id}?view={view}")
        elsewhere.claim(record.id, a_lease(), START)  # a change, but none of its state
        elsewhere.transition([Transition(record.id, 1, State.RUNNING)], START)
        answer = waiter.answer()
        assert (answer.status_code, answer.json()["state"]) == (200, "RUNNING")
        assert answer.headers["Preference-Applied"] == f"wait={PATIENT}"


def test_with_a_tag_whatever_would_be_shown_ends_the_wait(served: tuple[str, Gateway], elsewhere: TaskStore) -> None:
    url, gateway = served
    record = forwarded(elsewhere, a_task())
    full = f"{url}/{record.id}?view=FULL"
    tag = requests.get(full, timeout=30).headers["ETag"]
    waiter = Waiter(gateway, full, tag)
    elsewhere.transition([Transition(record.id, 1, State.UNKNOWN, system_logs=("a line",))], START)
    answer = waiter.answer()
    assert answer.status_code == 200
    assert answer.json()["logs"][0]["system_logs"] == ["a line"]
    assert answer.headers["ETag"] != tag
    assert _wait(full, PATIENT, tag).status_code == 200  # it differs already


def test_a_cancellation_in_this_process_ends_the_wait(served: tuple[str, Gateway]) -> None:
    url, gateway = served
    task_id = requests.post(url, json={"executors": [{"image": "i", "command": ["c"]}]}, timeout=30).json()["id"]
    waiter = Waiter(gateway, f"{url}/{task_id}")
    requests.post(f"{url}/{task_id}:cancel", timeout=30)
    assert waiter.answer().json()["state"] == "CANCELED"


def test_without_a_change_it_is_answered_in_the_end(served: tuple[str, Gateway], elsewhere: TaskStore) -> None:
    url, gateway = served
    path = f"{url}/{forwarded(elsewhere, a_task()).id}"
    began = time.monotonic()
    plain = _wait(path, HASTY)
    assert time.monotonic() - began >= HASTY
    assert (plain.status_code, plain.json()["state"]) == (200, "QUEUED")
    same = _wait(path, HASTY, plain.headers["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["Preference-Applied"] == f"wait={HASTY}"
    assert gateway.services.waiting.taken == 0


def _read_at(gateway: Gateway) -> frozenset[str]:
    """Return the instances of tasks that are read, as another process sees them."""
    return Interest(gateway.stores.records, SystemClock(), "another process").shown().instances


def test_the_instance_of_who_only_waits_is_looked_at_sooner(tmp_path: Path) -> None:
    with _serving(tmp_path) as (url, gateway):
        record = forwarded(gateway.stores.tasks, a_task())
        waiter = Waiter(gateway, f"{url}/{record.id}")
        wait_until(lambda: _read_at(gateway) == {record.attempts[-1].instance_url}, "it is known where the task is")
        gateway.services.waiting.close()
        waiter.answer()


def test_an_answer_without_a_body_leaves_the_instance_looked_at(tmp_path: Path) -> None:
    with _serving(tmp_path) as (url, gateway):
        record = forwarded(gateway.stores.tasks, a_task())
        full = f"{url}/{record.id}?view=FULL"
        tag = requests.get(full, timeout=30).headers["ETag"]
        wait_until(lambda: bool(_read_at(gateway)), "the mark is written")

        def written_again() -> bool:
            assert requests.get(full, headers={"If-None-Match": tag}, timeout=30).status_code == 304
            [written] = gateway.stores.records.scan("interest", "", SystemClock().now())
            return written.version > 1

        wait_until(written_again, "it is written again")
        assert _read_at(gateway) == {record.attempts[-1].instance_url}


def test_nobody_waits_for_what_cannot_change(served: tuple[str, Gateway], elsewhere: TaskStore) -> None:
    url, _ = served
    record = elsewhere.create(a_task())
    elsewhere.request_cancel(record.id, START)
    path = f"{url}/{record.id}"
    began = time.monotonic()
    ended = _wait(path)
    assert ended.json()["state"] == "CANCELED"
    assert _wait(path, PATIENT, ended.headers["ETag"]).status_code == 304
    assert _wait(path, PATIENT, "*").status_code == 304
    assert _wait(f"{url}/none").status_code == 404
    assert time.monotonic() - began < PATIENT / 2


def test_a_task_that_goes_away_ends_the_wait(served: tuple[str, Gateway], elsewhere: TaskStore) -> None:
    url, gateway = served
    record = elsewhere.create(a_task())
    waiter = Waiter(gateway, f"{url}/{record.id}")
    elsewhere.delete(record.id)
    assert waiter.answer().status_code == 404


@pytest.mark.parametrize("with_tag", [False, True])
def test_a_page_is_waited_for(served: tuple[str, Gateway], elsewhere: TaskStore, with_tag: bool) -> None:
    url, gateway = served
    other = elsewhere.create(a_task(tags=("run=other",))).id
    page = f"{url}?tag_key=run&tag_value={with_tag}"

    def waiter() -> Waiter:
        tag = requests.get(page, timeout=30).headers["ETag"] if with_tag else None
        return Waiter(gateway, page, tag)

    for_the_first = waiter()
    elsewhere.request_cancel(other, START)  # not on this page
    record = forwarded(elsewhere, a_task(tags=(f"run={with_tag}",)))
    assert [task["id"] for task in for_the_first.answer().json()["tasks"]] == [record.id]
    for_the_state = waiter()
    elsewhere.transition([Transition(record.id, 1, State.RUNNING)], START)
    assert for_the_state.answer().json()["tasks"] == [{"id": record.id, "state": "RUNNING"}]


def test_a_gateway_that_closes_sends_its_waiters_away(tmp_path: Path) -> None:
    with _serving(tmp_path) as (url, gateway):
        record = gateway.stores.tasks.create(a_task())
        waiter = Waiter(gateway, f"{url}/{record.id}")
        gateway.services.waiting.close()
        assert waiter.answer().json()["state"] == "QUEUED"
        assert "Preference-Applied" not in _wait(f"{url}/{record.id}").headers


def test_a_store_without_room_for_waiters_answers_at_once(tmp_path: Path) -> None:
    with _serving(tmp_path, threads=3) as (url, gateway):
        record = gateway.stores.tasks.create(a_task())
        began = time.monotonic()
        answer = _wait(f"{url}/{record.id}")
        assert time.monotonic() - began < PATIENT / 2
        assert answer.status_code == 200
        assert "Preference-Applied" not in answer.headers


def _connect(url: str, task_id: str) -> http.client.HTTPConnection:
    """Send a request that prefers to wait, and read no answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=200)
    connection.request("GET", f"{TASKS}/{task_id}", headers={"Prefer": "wait=200"})
    return connection


@pytest.mark.timeout(300)
def test_two_hundred_waiters_delay_nobody(tmp_path: Path) -> None:
    """A quarter of the threads waits, the others are answered at once, and polling and posting go on meanwhile."""
    server = {"threads": 16, "longest_wait_seconds": 150}  # on a busy machine all of this takes a while
    with gateway_process(tmp_path / "gateway", {"server": server}) as (url, _):
        task = {"executors": [{"image": "i", "command": ["c"]}]}
        ids = [requests.post(url + TASKS, json=task, timeout=PATIENT).json()["id"] for _ in range(10)]
        waiters = [_connect(url, ids[number % 10]) for number in range(200)]
        answered: list[http.client.HTTPResponse] = []
        lock = threading.Lock()

        def read(connection: http.client.HTTPConnection) -> None:
            with closing(connection):
                answer = connection.getresponse()
                answer.read()
            with lock:
                answered.append(answer)

        readers = [threading.Thread(target=read, args=(each,)) for each in waiters]
        for reader in readers:
            reader.start()
        wait_until(lambda: len(answered) == 196, "all but a quarter of the threads are answered", 60)
        assert not any(answer.headers["Preference-Applied"] for answer in answered)

        began = time.monotonic()
        with requests.Session() as session:
            for number in range(50):
                assert session.get(f"{url}{TASKS}/{ids[number % 10]}", timeout=PATIENT).status_code == 200
            assert session.post(url + TASKS, json=task, timeout=PATIENT).status_code == 200
        assert time.monotonic() - began < 40  # a single one behind a waiter would take two minutes
        assert len(answered) == 196

        for task_id in ids:
            assert requests.post(f"{url}{TASKS}/{task_id}:cancel", timeout=PATIENT).status_code == 200
        for reader in readers:
            reader.join(PATIENT)
        assert [answer.headers["Preference-Applied"] for answer in answered[196:]] == ["wait=150"] * 4


def test_a_client_that_vanished_holds_its_place_no_longer_than_it_wished(served: tuple[str, Gateway]) -> None:
    url, gateway = served
    record = gateway.stores.tasks.create(a_task(attempts=(an_attempt(),)))
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", f"{TASKS}/{record.id}", headers={"Prefer": "wait=1"})
    wait_until(lambda: gateway.services.waiting.taken == 1, "it waits")
    connection.close()
    wait_until(lambda: gateway.services.waiting.taken == 0, "its place is free", PATIENT)


def test_many_waiters_for_one_task_are_all_answered(tmp_path: Path) -> None:
    with _serving(tmp_path, threads=64) as (url, gateway):
        record = gateway.stores.tasks.create(a_task())
        calls = [lambda: json.loads(_wait(f"{url}/{record.id}").text)["state"]] * 16

        def cancel() -> str:
            wait_until(lambda: gateway.services.waiting.taken == 16, "all wait", PATIENT)
            cancelled = gateway.stores.tasks.request_cancel(record.id, START)
            assert cancelled is not None
            return str(cancelled.state)

        assert at_once([*calls, cancel]) == ["CANCELED"] * 17


def test_a_server_that_is_told_to_stop_answers_its_waiters_first(tmp_path: Path) -> None:
    with gateway_process(tmp_path / "gateway", {"server": {"threads": 8}}) as (url, server):
        task = {"executors": [{"image": "i", "command": ["c"]}]}
        task_id = requests.post(url + TASKS, json=task, timeout=PATIENT).json()["id"]
        with closing(_connect(url, task_id)) as waiter:
            _wait(f"{url}{TASKS}/{task_id}", HASTY)  # sent later, and answered after its second: the other one waits
            began = time.monotonic()
            os.kill(server.pid, signal.SIGTERM)
            answer = waiter.getresponse()
            assert (answer.status, json.loads(answer.read())["state"]) == (200, "QUEUED")
            assert time.monotonic() - began < 8  # the server would cut it off after ten


def test_the_client_of_the_docs_follows_a_task(served: tuple[str, Gateway], elsewhere: TaskStore) -> None:
    url, gateway = served
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(import time.*?)```", page, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(code, "docs/api.md", "exec"), namespace)
    record = forwarded(elsewhere, a_task())
    seen: list[str] = []

    def follow() -> None:
        for task in namespace["wait_for"](f"{url}/{record.id}"):
            seen.append(task["state"])
            if task["state"] == "CANCELED":
                return

    thread = threading.Thread(target=follow)
    thread.start()
    wait_until(lambda: gateway.services.waiting.taken == 1, "it waits", PATIENT)
    elsewhere.transition([Transition(record.id, 1, State.RUNNING)], START)
    wait_until(lambda: len(seen) == 2 and gateway.services.waiting.taken == 1, "it waits again", PATIENT)
    elsewhere.close_cancel(elsewhere.request_cancel(record.id, START).id, "over", START)  # type: ignore[union-attr]
    thread.join(PATIENT)
    assert seen == ["QUEUED", "RUNNING", "CANCELED"]
