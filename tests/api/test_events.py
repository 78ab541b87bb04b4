"""The event stream over real HTTP, with the machine's clock and a leader that announces."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from protes.app import Gateway, create_gateway
from protes.clock import SystemClock
from protes.config.loading import load
from protes.events.removals import Removals
from protes.store.factory import Stores, create_stores
from protes.store.records import Transition
from protes.tes.states import State
from tests.api.conftest import OPERATOR_TOKEN, TASK, problem_of
from tests.support.event_stream import EventStream, Told, ask, following
from tests.support.fake_tes import FakeTes
from tests.support.running import logging_kept
from tests.support.servers import serve_wsgi
from tests.support.task_records import a_task, forwarded
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Live:
    """A gateway behind HTTP that works."""

    url: str
    gateway: Gateway

    def create(self, **document: Any) -> str:
        """Create a task."""
        answer = requests.post(f"{self.url}/ga4gh/tes/v1/tasks", json={**TASK, **document}, timeout=30)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def forwarded(self, **values: Any) -> str:
        """Store a task that an instance has accepted, so to speak."""
        return forwarded(self.gateway.stores.tasks, a_task(**values)).id

    def move(self, task_id: str, state: State) -> None:
        """Have the instance report a state."""
        now = self.gateway.services.clock.now()
        self.gateway.stores.tasks.transition([Transition(task_id, 1, state, finished=state.finished)], now)


@contextmanager
def live(stores: Stores | None = None, **settings: Any) -> Iterator[Live]:
    server = {"operator_token": OPERATOR_TOKEN, **settings.pop("server", {})}
    merged = {"gateway_id": "gateway-under-test", "runner": {"tick_seconds": 0.05}, "server": server, **settings}
    with logging_kept():
        opened = stores or create_stores("memory:")
        gateway = create_gateway(load([], {}, merged), clock=SystemClock(), stores=opened, environ={})
    gateway.start()
    try:
        with serve_wsgi(gateway.wsgi) as url:
            yield Live(url, gateway)
            gateway.hurry()
    finally:
        gateway.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Live]:
    with live() as gateway:
        yield gateway


def of_task(task_id: str, state: str | None = None) -> Any:
    return lambda told: told.data.get("id") == task_id and state in (None, told.data.get("state"))


def begun(stream: EventStream) -> Told:
    first = stream.next()
    assert first is not None
    return first


def test_a_task_is_followed_from_its_creation_to_its_end(shared: Live) -> None:
    with following(shared.url) as stream:
        ready = begun(stream)
        assert (ready.name, ready.data["id"]) == ("ready", ready.id)
        headers = stream.headers
        assert headers["Content-Type"].startswith("text/event-stream")
        assert (headers["X-Accel-Buffering"], headers["Cache-Control"]) == ("no", "no-store, no-transform")
        assert "Content-Encoding" not in headers
        task_id = shared.create(name="align", tags={"run": "42"})
        created = stream.until(of_task(task_id))[-1]
        assert created.name == "task"
        assert created.data["state"] == "QUEUED"
        assert (created.data["name"], created.data["tags"]) == ("align", {"run": "42"})
        requests.post(f"{shared.url}/ga4gh/tes/v1/tasks/{task_id}:cancel", timeout=30)
        ended = stream.until(of_task(task_id))[-1]
        assert (ended.data["state"], ended.data["finished"]) == ("CANCELED", True)
        assert ended.data["version"] > created.data["version"]
        assert int(ended.id or 0) > int(created.id or 0)
        shown = requests.get(f"{shared.url}/ga4gh/tes/v1/tasks/{task_id}", timeout=30).json()
        assert ended.data["state"] == shown["state"]


def test_states_are_those_that_clients_are_shown(shared: Live) -> None:
    task_id = shared.forwarded()
    with following(shared.url, params={"id": task_id}) as stream:
        begun(stream)
        shared.move(task_id, State.RUNNING)
        stream.until(of_task(task_id, "RUNNING"))
        shared.move(task_id, State.PAUSED)
        assert stream.until(of_task(task_id))[-1].data["state"] == "RUNNING"
        shared.move(task_id, State.COMPLETE)
        assert stream.until(of_task(task_id))[-1].data["state"] == "COMPLETE"


def test_a_client_resumes_where_it_was(shared: Live) -> None:
    with following(shared.url) as stream:
        begun(stream)
        first = shared.create()
        stream.until(of_task(first))
        last_id = stream.last_id
    missed = [shared.create() for _ in range(3)]
    for resume in ({"last_id": last_id}, {"params": {"last_event_id": last_id}}):
        with following(shared.url, **resume) as stream:
            assert begun(stream).name == "ready"
            found = stream.until(of_task(missed[-1]))
            assert [told.data["id"] for told in found if told.data["id"] in (first, *missed)] == missed


def test_a_client_that_has_nothing_yet_resumes_from_ready(shared: Live) -> None:
    with following(shared.url) as stream:
        ready = begun(stream)
    task_id = shared.create()
    with following(shared.url, ready.id) as stream:
        stream.until(of_task(task_id))


@pytest.mark.parametrize("last_id", ["999999999", "x", "-1", "1" * 40])
def test_an_id_that_is_not_known_is_told(shared: Live, last_id: str) -> None:
    with following(shared.url, last_id) as stream:
        reset = begun(stream)
        assert reset.name == "reset"
        assert "list" in reset.data["reason"]
        task_id = shared.create()
        stream.until(of_task(task_id))


def test_filters(shared: Live) -> None:
    wanted = shared.create(name="align-1", tags={"run": "a,b", "x": "1"})
    other = shared.create(name="other", tags={"run": "7"})
    start = {"last_event_id": "0"}
    for query in (
        {"id": [wanted, "x"]},
        {"tag_key": "run", "tag_value": "a,b"},
        {"tag_key": ["x", "run"], "tag_value": ["1", "a,b"]},
        {"tag_key": "x"},
        {"name_prefix": "align"},
        {"state": ["QUEUED", "RUNNING"], "id": [wanted]},
    ):
        with following(shared.url, params={**start, **query}) as stream:
            begun(stream)
            found = stream.until(of_task(wanted))
            assert other not in {told.data["id"] for told in found}
    with following(shared.url, params={"state": "CANCELED", "id": [wanted, other]}) as stream:
        begun(stream)
        requests.post(f"{shared.url}/ga4gh/tes/v1/tasks/{other}:cancel", timeout=30)
        assert [told.data["id"] for told in stream.until(of_task(other))] == [other]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"state": "RUNING"}, "query parameter state"),
        ({"tag_value": "x"}, "query parameter tag_value"),
        ({"instances": "maybe"}, "query parameter instances"),
        ({"id": ["x"] * 65}, "query parameter id"),
    ],
)
def test_bad_parameters_are_refused(shared: Live, query: dict[str, Any], field: str) -> None:
    answer = requests.get(f"{shared.url}/protes/v1/events", params=query, timeout=30)
    assert field in problem_of(answer, 400)["detail"]


def test_a_removed_task_is_told(shared: Live) -> None:
    task_id = shared.create()
    with following(shared.url) as stream:
        begun(stream)
        parts = shared.gateway.services
        Removals(parts.tasks, parts.records, parts.clock).remove([task_id])
        gone = stream.until(lambda told: told.name == "deleted")[-1]
        assert gone.data["id"] == task_id
        assert set(gone.data) == {"id", "time"}


def test_nobody_is_told_of_tasks_that_they_may_not_see(shared: Live) -> None:
    token = f"Bearer {OPERATOR_TOKEN}"
    with following(shared.url) as stream, following(shared.url, Authorization=token) as all_of_them:
        begun(stream), begun(all_of_them)
        secret = shared.forwarded(owner="ann", audience="user:ann")
        shared.move(secret, State.COMPLETE)
        seen = shared.create()
        assert secret not in {told.data["id"] for told in stream.until(of_task(seen))}
        all_of_them.until(of_task(secret, "COMPLETE"))


def test_only_so_many_may_listen() -> None:
    with live(server={"threads": 8}) as gateway, ExitStack() as held:
        streams = [held.enter_context(following(gateway.url)) for _ in range(2)]
        for each in streams:
            begun(each)
        refused = requests.get(f"{gateway.url}/protes/v1/events", timeout=30)
        problem_of(refused, 503)
        assert int(refused.headers["Retry-After"]) > 0
        streams[0].close()

        def let_in() -> bool:
            sock, answer = ask(gateway.url)
            held.callback(sock.close)
            held.callback(answer.close)
            return answer.status == 200

        wait_until(let_in, "the place of the one who left is free")


def test_a_stream_ends_in_time_and_at_a_reload_and_goes_on() -> None:
    with live(events={"connection_seconds": 0.3}) as gateway, following(gateway.url) as stream:
        begun(stream)
        assert stream.next() is None
    with live() as gateway:
        with following(gateway.url) as stream:
            begun(stream)
            gateway.gateway.services.feed.dismiss()
            assert stream.next() is None
        task_id = gateway.create()
        with following(gateway.url, stream.last_id) as stream:
            stream.until(of_task(task_id))
            gateway.gateway.hurry()
            assert stream.next() is None


def test_a_client_that_reads_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protes.events.connection._STALLED_SECONDS", 1.0)
    with live(server={"threads": 4}) as gateway:
        parts = urlsplit(gateway.url)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((str(parts.hostname), int(parts.port or 0)))
        client.sendall(b"GET /protes/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: gateway.gateway.services.waiting.taken == 1, "it listens")
        tags = {"large": "x" * 15_000}
        document = {**TASK, "tags": tags}
        for _ in range(40):
            requests.post(f"{gateway.url}/protes/v1/tasks:create", json={"tasks": [document] * 20}, timeout=30)
            if gateway.gateway.services.waiting.taken == 0:
                break
        wait_until(lambda: gateway.gateway.services.waiting.taken == 0, "it is dropped")
        client.close()


def test_instances_are_told_of() -> None:
    with ExitStack() as stack:
        fake = FakeTes()
        instance = stack.enter_context(ExitStack())
        instance.enter_context(fake)
        settings: dict[str, Any] = {
            "instances": [{"id": "site-a", "url": fake.url}],
            "health": {"probe_seconds": 0.2},
        }
        gateway = stack.enter_context(live(**settings))
        stream = stack.enter_context(following(gateway.url, params={"instances": "true"}))
        begun(stream)
        instance.close()  # only now: what happened before somebody listened is not told
        # Which of the two depends on whether it had been probed by then.
        gone = ("unreachable", "ejected")
        told = stream.until(lambda told: told.name == "instance" and told.data["state"] in gone)[-1]
    assert told.data["id"] == "site-a"
    assert told.id is None


def test_two_processes_on_one_file_tell_the_same(tmp_path: Path) -> None:
    """Two gateways on one store, one of which leads; clients of either see all, and resume at the other."""
    first, second = create_stores(str(tmp_path)), create_stores(str(tmp_path))
    with live(first) as one, live(second) as other, following(one.url) as here, following(other.url) as there:
        begun(here), begun(there)
        ids = [(one if number % 2 else other).create() for number in range(6)]
        told = []
        for stream in (here, there):
            seen: dict[str, Told] = {}
            while set(ids) - set(seen):
                event = stream.next()
                assert event is not None
                seen[event.data["id"]] = event
            told.append({task_id: (event.id, event.data["version"]) for task_id, event in seen.items()})
        assert told[0] == told[1]
        resumed = str(sorted(int(event_id or 0) for event_id, _ in told[0].values())[0])
        with following(other.url, resumed) as stream:
            begun(stream)
            left = {task_id for task_id, (event_id, _) in told[0].items() if int(event_id or 0) > int(resumed)}
            while left:
                event = stream.next()
                assert event is not None
                left.discard(event.data["id"])


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    with live(create_stores(str(tmp_path))) as gateway, following(gateway.url) as stream:
        last_id = begun(stream).id
        task_id = gateway.create()
        gateway.gateway.services.runner.stop(5)
        late = gateway.create()
    with live(create_stores(str(tmp_path))) as gateway, following(gateway.url, last_id) as stream:
        assert begun(stream).name == "ready"
        seen: set[str] = set()
        while not {task_id, late} <= seen:
            event = stream.next()
            assert event is not None
            seen.add(event.data["id"])


def test_no_thread_is_left_when_nobody_listens() -> None:
    with live() as gateway:
        with following(gateway.url) as stream:
            begun(stream)
        wait_until(lambda: "protes-events" not in {each.name for each in threading.enumerate()}, "the reader has ended")
