"""Every fault on every operation: the right error, the right flags, in time, and a POST never twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from protes.clock import SystemClock
from protes.tes.build import build_request
from protes.tes.client import InstanceClient
from protes.tes.dialects import DIALECTS
from protes.tes.errors import (
    BadAnswer,
    ConnectionLost,
    DownstreamError,
    Refused,
    ServerFault,
    TaskMissing,
    Throttled,
    TimedOut,
    Unreachable,
)
from protes.tes.finding import Absent, CannotTell, Found
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport
from tests.support.fake_tes import FakeTask, FakeTes
from tests.support.tes_faults import FAULTS

HASTY = Timeouts(connect_seconds=0.5, read_seconds=0.25, get_seconds=0.3, post_seconds=0.3)
"""For what never answers."""

PATIENT = Timeouts(connect_seconds=5, read_seconds=5, get_seconds=5, post_seconds=5)
"""For what answers, on a machine that may be busy."""

LONGEST_SECONDS = 10.0
"""Above the time-outs and far below "hangs"."""

MAX_BODY_BYTES = 256 * 1024
TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}

Expected = type[DownstreamError] | None
"""None: the operation is content."""

# fault: what create, get, list, service_info and cancel make of it
TABLE: dict[str, tuple[Expected, Expected, Expected, Expected, Expected]] = {
    "reset": (ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost),
    "hang_up": (ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost),
    "stall": (TimedOut, TimedOut, TimedOut, TimedOut, TimedOut),
    "drip": (TimedOut, TimedOut, TimedOut, TimedOut, TimedOut),
    "drip_head": (TimedOut, TimedOut, TimedOut, TimedOut, TimedOut),
    "garbage": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "truncated": (ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost),
    "endless": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "html": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "not_json": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "wrong_json": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "empty": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "redirect": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "missing": (Refused, TaskMissing, Refused, Refused, TaskMissing),
    "unauthorized": (Refused, Refused, Refused, Refused, None),
    "invalid": (Refused, Refused, Refused, Refused, None),
    "conflict": (Refused, Refused, Refused, Refused, None),
    "throttled": (Throttled, Throttled, Throttled, Throttled, None),
    "500": (ServerFault, ServerFault, ServerFault, ServerFault, None),
    "503_html": (ServerFault, ServerFault, ServerFault, ServerFault, None),
    "reset_after_commit": (ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost),
    "hang_up_after_commit": (ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost),
    "stall_after_commit": (TimedOut, TimedOut, TimedOut, TimedOut, TimedOut),
    "500_after_commit": (ServerFault, ServerFault, ServerFault, ServerFault, None),
    "html_after_commit": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
    "truncated_after_commit": (ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost, ConnectionLost),
    "endless_after_commit": (BadAnswer, BadAnswer, BadAnswer, BadAnswer, None),
}

CERTAIN = frozenset({"missing", "unauthorized", "invalid"})
"""Faults of create after which it is certain that nothing was created."""

OPERATIONS: dict[str, Callable[[InstanceClient, str], object]] = {
    "create": lambda client, _: client.create(document("a-1"), SystemClock().monotonic() + 60),
    "get": lambda client, task_id: client.get(task_id, "FULL"),
    "list": lambda client, _: list(client.list_active()),
    "service_info": lambda client, _: client.service_info(),
    "cancel": lambda client, task_id: client.cancel(task_id),
}


def document(marker: str) -> dict[str, Any]:
    return build_request(TASK, DIALECTS["node"], marker=marker, gateways=("gw",))


@pytest.fixture
def fake() -> Iterator[FakeTes]:
    with FakeTes() as running:
        yield running


@pytest.fixture(name="transport")
def _transport(fake: FakeTes) -> Iterator[Transport]:
    with Transport(fake.url, max_body_bytes=MAX_BODY_BYTES) as transport:
        yield transport


@pytest.fixture
def client(transport: Transport) -> InstanceClient:
    return InstanceClient(transport.at(transport.base_url, PATIENT), DIALECTS["node"], SystemClock())


@pytest.fixture
def hasty(transport: Transport) -> InstanceClient:
    """Over the same connections as `client`."""
    return InstanceClient(transport.at(transport.base_url, HASTY), DIALECTS["node"], SystemClock())


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LONGEST_SECONDS


def test_the_table_has_every_fault() -> None:
    assert set(TABLE) == set(FAULTS)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", TABLE)
def test_a_fault_of_an_operation(
    fake: FakeTes, client: InstanceClient, hasty: InstanceClient, fault: str, operation: str
) -> None:
    expected = TABLE[fault][list(OPERATIONS).index(operation)]
    asking = hasty if expected is TimedOut else client
    # Put there by hand: the client's first connection is then the operation's own, and no GET is sent again.
    task_id = "fake-0"
    fake.tasks[task_id] = FakeTask(task_id, document("b-1"))
    fake.fault(operation, fault)
    if expected is None:
        OPERATIONS[operation](asking, task_id)
    else:
        with pytest.raises(expected) as failed:
            OPERATIONS[operation](asking, task_id)
        error = failed.value
        assert type(error) is expected
        assert error.instance == fake.url
        assert error.text
        if operation == "create":
            assert error.ambiguous == (fault not in CERTAIN)
        elif operation != "cancel":
            assert not error.ambiguous
        if isinstance(error, Throttled):
            assert error.retry_after == 7.0
    assert fake.server.count() == 1
    if operation == "create":
        assert fake.creates("a-1") == int("after_commit" in fault)
    # Nothing of it clings to the connections: the next request works.
    assert client.get(task_id).id == task_id


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("pooled", [False, True])
def test_an_instance_that_is_down(fake: FakeTes, client: InstanceClient, operation: str, pooled: bool) -> None:
    if pooled:
        client.service_info()
    fake.refuse()
    with pytest.raises(Unreachable, match="connection refused") as failed:
        OPERATIONS[operation](client, "fake-1")
    assert not failed.value.ambiguous
    assert failed.value.retryable
    fake.resume()
    client.service_info()


@pytest.mark.parametrize("operation", ["create", "cancel"])
@pytest.mark.parametrize("fault", ["stall", "stall_after_commit", "drip_head"])
def test_a_stalled_post_is_one_post(
    fake: FakeTes, client: InstanceClient, hasty: InstanceClient, fault: str, operation: str
) -> None:
    client.service_info()  # so that a connection is in the pool
    task_id = "fake-000001" if operation == "create" else client.create(document("b-1"), SystemClock().monotonic() + 60)
    fake.server.forget()
    fake.fault(operation, fault)
    with pytest.raises(TimedOut):
        OPERATIONS[operation](hasty, task_id)
    assert fake.server.count("POST") == 1


def test_a_forgotten_task_is_missing(fake: FakeTes, client: InstanceClient) -> None:
    task_id = client.create(document("a-1"), SystemClock().monotonic() + 60)
    fake.forget(task_id)
    for operation in ("get", "cancel"):
        with pytest.raises(TaskMissing):
            OPERATIONS[operation](client, task_id)


@pytest.mark.parametrize(
    "fault", ["500_after_commit", "reset_after_commit", "html_after_commit", "truncated_after_commit"]
)
def test_a_task_created_unseen_is_found_again(fake: FakeTes, client: InstanceClient, fault: str) -> None:
    fake.fault("create", fault)
    with pytest.raises(DownstreamError) as failed:
        client.create(document("a-1"), SystemClock().monotonic() + 60)
    assert failed.value.ambiguous
    [task_id] = fake.tasks
    assert client.find("a-1") == Found((task_id,))


def test_a_task_that_appears_late_is_found_late(fake: FakeTes, client: InstanceClient) -> None:
    fake.fault("create", "late_commit")
    with pytest.raises(ServerFault) as failed:
        client.create(document("a-1"), SystemClock().monotonic() + 60)
    assert failed.value.ambiguous
    assert client.find("a-1") == Absent()
    fake.land()
    assert client.find("a-1") == Found(tuple(fake.tasks))


FIND: dict[str, type[DownstreamError] | type[CannotTell]] = {
    fault: CannotTell if kinds[2] in (Refused, BadAnswer) else kinds[2] or CannotTell for fault, kinds in TABLE.items()
}


@pytest.mark.parametrize("fault", FIND)
def test_a_search_in_trouble_never_says_absent(
    fake: FakeTes, client: InstanceClient, hasty: InstanceClient, fault: str
) -> None:
    fake.fault("list", fault)
    expected = FIND[fault]
    if issubclass(expected, DownstreamError):
        with pytest.raises(expected):
            (hasty if expected is TimedOut else client).find("a-1")
    else:
        assert isinstance(client.find("a-1"), CannotTell)


@pytest.mark.parametrize("operation", ["get", "list", "service_info", "create"])
def test_a_body_past_the_cap_is_cut(fake: FakeTes, client: InstanceClient, operation: str) -> None:
    fake.fault(operation, "endless")
    with pytest.raises(BadAnswer, match=f"more than {MAX_BODY_BYTES} bytes") as failed:
        OPERATIONS[operation](client, "fake-1")
    assert failed.value.too_big
