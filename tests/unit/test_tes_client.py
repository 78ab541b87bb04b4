"""The client of one instance against a fake that behaves; its faults are in tests/faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.tes.build import build_request
from protes.tes.client import InstanceClient
from protes.tes.dialects import DIALECTS, Dialect
from protes.tes.errors import BadAnswer, NotSent, Refused, TaskMissing
from protes.tes.finding import Found
from protes.tes.read import SeenTask
from protes.tes.states import State
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import HangUp, answer_json, problem

NODE, FUNNEL, UNKNOWN = DIALECTS["node"], DIALECTS["funnel"], DIALECTS["unknown"]
PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)
TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}


@pytest.fixture
def fake() -> Iterator[FakeTes]:
    with FakeTes() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def transport(fake: FakeTes) -> Iterator[Transport]:
    with Transport(fake.url, timeouts=PATIENT) as made:
        yield made


@pytest.fixture
def client(transport: Transport, clock: ManualClock) -> InstanceClient:
    return InstanceClient(transport, NODE, clock)


def document(marker: str, dialect: Dialect = NODE) -> dict[str, Any]:
    return build_request(TASK, dialect, marker=marker, gateways=("gw",))


def ids(client: InstanceClient, **options: Any) -> list[str]:
    return [task.id for page in client.list_active(**options) for task in page]


# create


def test_create_returns_the_instances_id(fake: FakeTes, client: InstanceClient) -> None:
    task_id = client.create(document("a-1"), deadline_monotonic=1.0, via=("first-gw", "our-gw"))
    assert list(fake.tasks) == [task_id]
    assert fake.tasks[task_id].document == document("a-1")
    [request] = fake.server.requests("POST")
    assert request.headers["Via"] == "1.1 first-gw, 1.1 our-gw"


def test_create_sends_nothing_after_its_deadline(fake: FakeTes, client: InstanceClient, clock: ManualClock) -> None:
    clock.advance(1.0)
    with pytest.raises(NotSent) as late:
        client.create(document("a-1"), deadline_monotonic=1.0)
    assert not late.value.ambiguous
    assert fake.server.connections == 0


def test_create_looks_at_its_deadline_again_when_the_connection_stands(fake: FakeTes, transport: Transport) -> None:
    class Late(ManualClock):
        looks = 0

        def monotonic(self) -> float:
            self.looks += 1
            return float(self.looks > 1)

    with pytest.raises(NotSent):
        InstanceClient(transport, NODE, Late()).create(document("a-1"), deadline_monotonic=1.0)
    transport.get("/service-info")
    assert fake.server.connections == 2, "the first was made for the POST"
    assert fake.posts == 0


def test_create_sends_nothing_when_the_machine_was_suspended_meanwhile(fake: FakeTes, transport: Transport) -> None:
    class Suspended(ManualClock):
        looks = 0

        def now(self) -> datetime:
            self.looks += 1
            return super().now() + timedelta(hours=self.looks - 1)

    clock = Suspended()
    deadline = ManualClock().now() + timedelta(seconds=20)
    with pytest.raises(NotSent) as late:
        InstanceClient(transport, NODE, clock).create(document("a-1"), clock.monotonic() + 20, (), deadline)
    assert not late.value.ambiguous
    transport.get("/service-info")
    assert fake.server.connections == 2, "it was suspended while it connected"
    assert fake.posts == 0


@pytest.mark.parametrize("answer", [{}, {"id": ""}, {"id": None}, {"id": ".."}, [], "x", None, {"id": "a\nb"}])
def test_create_without_a_usable_id_is_ambiguous(fake: FakeTes, client: InstanceClient, answer: object) -> None:
    fake.fault("create", answer_json(answer))
    with pytest.raises(BadAnswer, match="without a usable id") as bad:
        client.create(document("a-1"), 1.0)
    assert bad.value.ambiguous
    assert bad.value.instance == fake.url


def test_a_dialect_may_know_that_nothing_was_created(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    class Old(Dialect):
        def created_nothing(self, error: Exception) -> bool:
            return "invalid task message" in str(error)

    client = InstanceClient(transport, Old(name="old"), clock)
    fake.fault("create", problem(500, "invalid task message: no image"))
    fake.fault("create", problem(500, "boom"))
    seen = []
    for _ in range(2):
        with pytest.raises(Exception, match="failed with 500") as error:
            client.create(document("a-1"), 1.0)
        seen.append(getattr(error.value, "ambiguous"))  # noqa: B009 - of a DownstreamError
    assert sorted(seen) == [False, True]


# get


def test_get_takes_state_and_log(fake: FakeTes, client: InstanceClient) -> None:
    task_id = client.create(document("a-1"), 1.0)
    assert client.get(task_id) == SeenTask(task_id, State.QUEUED)
    fake.finish(task_id, exit_code=3, stdout="out", stderr="err")
    assert client.get(task_id) == SeenTask(task_id, State.EXECUTOR_ERROR)
    seen = client.get(task_id, "FULL")
    assert seen.log is not None
    assert seen.log["logs"][0]["exit_code"] == 3
    assert seen.log["logs"][0]["stdout"] == "out"
    assert seen.log["system_logs"] == ["finished"]
    assert [request.query["view"] for request in fake.server.requests("GET")] == [("MINIMAL",), ("MINIMAL",), ("FULL",)]


def test_get_cuts_long_output(fake: FakeTes, transport: Transport, clock: ManualClock) -> None:
    client = InstanceClient(transport, NODE, clock, tail_bytes=5)
    task_id = client.create(document("a-1"), 1.0)
    fake.finish(task_id, stdout="0123456789")
    log = client.get(task_id, "FULL").log
    assert log is not None
    assert log["logs"][0]["stdout"].endswith("\n56789")


@pytest.mark.parametrize(
    "fault", [problem(404), problem(410), problem(400, "Invalid ID"), problem(500, "task not found")]
)
def test_get_of_a_missing_task(fake: FakeTes, client: InstanceClient, fault: Any) -> None:
    fake.fault("get", fault)
    with pytest.raises(TaskMissing) as missing:
        client.get("gone")
    assert missing.value.instance == fake.url


def test_get_believes_no_answer_about_another_task(fake: FakeTes, client: InstanceClient) -> None:
    fake.fault("get", answer_json({"id": "other", "state": "COMPLETE"}))
    with pytest.raises(BadAnswer, match="another task"):
        client.get("mine")


def test_get_of_an_answer_that_says_nothing_is_unknown(fake: FakeTes, client: InstanceClient) -> None:
    fake.fault("get", answer_json({"executors": []}))
    assert client.get("mine") == SeenTask("mine", State.UNKNOWN)


def test_odd_ids_reach_their_task(fake: FakeTes, client: InstanceClient) -> None:
    fake.server.on("GET", "/ga4gh/tes/v1/tasks/{id}", lambda request: answer_json({"id": request.params["id"]}))
    for task_id in ("a/../../service-info?x=", "a:cancel", "ä%2F"):
        assert client.get(task_id).id == task_id


# Another view where a server closes the connection over one


def test_the_other_view_is_asked_for_where_the_dialect_says_so(
    fake: FakeTes, transport: Transport, clock: ManualClock
) -> None:
    client = InstanceClient(transport, FUNNEL, clock)
    mine = client.create(document("a-1"), 1.0)
    fake.server.forget()
    for operation in ("list", "get"):
        fake.fault(operation, HangUp(), times=2)  # the pooled connection, and the new one
    assert client.find("a-1") == Found((mine,))
    assert client.get(mine, "FULL").state is State.QUEUED
    views = [request.query["view"][0] for request in fake.server.requests("GET")]
    assert views == ["MINIMAL", "MINIMAL", "BASIC", "FULL", "FULL", "MINIMAL"]


# cancel and service-info


def test_cancel_asks_and_returns_nothing(fake: FakeTes, client: InstanceClient) -> None:
    task_id = client.create(document("a-1"), 1.0)
    client.cancel(task_id)
    client.cancel(task_id)
    assert fake.tasks[task_id].cancels == 2
    assert client.get(task_id).state is State.CANCELED
    assert fake.server.requests("POST")[1].target == f"/ga4gh/tes/v1/tasks/{task_id}:cancel"


def test_cancel_of_a_missing_task(client: InstanceClient) -> None:
    with pytest.raises(TaskMissing):
        client.cancel("gone")


@pytest.mark.parametrize(
    "fault",
    ["invalid", "unauthorized", "conflict", "throttled", "500", "500_after_commit", "html", "empty", "wrong_json"],
)
def test_the_reply_to_a_cancel_decides_nothing(fake: FakeTes, client: InstanceClient, fault: str) -> None:
    task_id = client.create(document("a-1"), 1.0)
    fake.fault("cancel", fault)
    client.cancel(task_id)
    client.get(task_id)


def test_service_info(fake: FakeTes, client: InstanceClient) -> None:
    assert client.service_info()["id"] == "org.ga4gh.protes.node"
    fake.fault("service_info", answer_json(["x"]))
    with pytest.raises(BadAnswer):
        client.service_info()
    fake.fault("service_info", problem(404))
    with pytest.raises(Refused):
        client.service_info()
