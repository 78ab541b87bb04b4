"""What is told of Microsoft's two servers, ga4gh-tes and tesazure (DIALECTS.md, rows of these names)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.tes.build import build_request
from protes.tes.cancelled import Cancelled
from protes.tes.client import InstanceClient
from protes.tes.dialects import DIALECTS, Dialect
from protes.tes.errors import DownstreamError, Refused, ServerFault, TaskMissing, TimedOut
from protes.tes.finding import CannotTell, Found
from protes.tes.read import SeenTask
from protes.tes.states import State
from protes.tes.transport import Transport
from tests.support.scripted_server import ScriptedServer, answer_json, problem

NEW, OLD = DIALECTS["ga4gh-tes"], DIALECTS["tesazure"]
CAREFUL = {"ignore_error", "path_prefix", "empty_content", "directory_content"}
GONE = "Task x exists in local cache, but compute backend could not locate it"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def transport(server: ScriptedServer) -> Iterator[Transport]:
    with Transport(server.url) as made:
        yield made


def resources(dialect: Dialect, **given: Any) -> dict[str, Any]:
    document = {"executors": [], **({"resources": given} if given else {})}
    request = build_request(document, dialect, marker="m-1", gateways=("gw",))
    assert isinstance(request["resources"], dict)
    return request["resources"]


@pytest.mark.parametrize("dialect", [NEW, OLD], ids=lambda dialect: dialect.name)
def test_what_both_share(dialect: Dialect) -> None:
    assert not dialect.final_error
    assert not dialect.cancel_stops_work
    assert dialect.limits.unsupported >= CAREFUL | {"volumes"}
    for schemes in (dialect.limits.input_schemes, dialect.limits.output_schemes):
        assert schemes is not None
        assert "file" not in schemes, "bare paths mean storage there, where they mean anything"


# ga4gh-tes


def test_ga4gh_tes_declares() -> None:
    assert NEW.limits.max_executors == 1
    assert NEW.limits.backend_parameters == frozenset(
        {"vm_size", "workflow_execution_identity", "internal_path_prefix"}
    )
    assert NEW.limits.input_schemes == frozenset({"http", "https", "s3", "gs"})
    assert NEW.limits.output_schemes == frozenset({"https"})
    assert (NEW.read_your_writes, NEW.late_commit_seconds) == (True, 600.0)
    assert NEW.listing is not None
    assert NEW.listing.states == ("QUEUED", "INITIALIZING", "RUNNING"), "6.0 answers CANCELING with 400"
    assert NEW.listing.page_size is not None
    assert NEW.listing.page_size < 2048, "which is a 400"


@pytest.mark.parametrize(("given", "sent"), [(None, False), (False, False), (True, True)])
def test_ga4gh_tes_is_told_whether_the_machine_may_go(given: bool | None, sent: bool) -> None:
    assert resources(NEW, cpu_cores=0, ram_gb=-1.0, preemptible=given) == {"preemptible": sent}
    assert resources(NEW) == {"preemptible": False}
    assert "resources" not in build_request({"executors": []}, DIALECTS["unknown"], marker="m-1", gateways=())


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"VmSize": "a"}, {"vm_size": "a"}),
        ({"vmsize": "a"}, {"vm_size": "a"}),
        ({"VM_SIZE": "a"}, {"vm_size": "a"}),
        ({"VmSize": "a", "vm_size": "b"}, {"vm_size": "b"}),
        ({"vm_size": "b", "VmSize": "a"}, {"vm_size": "b"}),
        ({"WorkflowExecutionIdentity": "i", "internal_path_prefix": "p"}, None),
        ({"Other": "1", "other": "2"}, {"other": "2"}),
    ],
)
def test_ga4gh_tes_gets_parameters_as_it_spells_them(given: dict[str, str], sent: dict[str, str] | None) -> None:
    expected = sent or {"workflow_execution_identity": "i", "internal_path_prefix": "p"}
    made = resources(NEW, backend_parameters=given, backend_parameters_strict=True)
    assert made == {"preemptible": False, "backend_parameters": expected, "backend_parameters_strict": True}


def test_ga4gh_tes_gets_neither_empty_paths_nor_the_flag_that_keeps_inputs_away() -> None:
    document = {
        "inputs": [{"url": "https://h/x", "content": "", "path": "/x", "streamable": True}],
        "executors": [{"image": "a", "command": ["b"], "stdin": "", "stdout": "", "stderr": ""}],
    }
    request = build_request(document, NEW, marker="m-1", gateways=("gw",))
    assert request["inputs"] == [{"url": "https://h/x", "path": "/x", "type": "FILE"}]
    assert request["executors"] == [{"image": "a", "command": ["b"]}]


def test_ga4gh_tes_is_searched_by_tag_whether_it_heeds_them_or_not(
    server: ScriptedServer, transport: Transport
) -> None:
    entries = [{"id": str(n), "tags": {"protes_attempt": f"m-{n}"}} for n in range(1, 30)]
    server.on("GET", "/tasks", answer_json({"tasks": entries, "next_page_token": None}))
    assert InstanceClient(transport, NEW, ManualClock()).find("m-2") == Found(("2",))
    [request] = server.requests()
    assert (request.query["tag_key"], request.query["tag_value"]) == (("protes_attempt",), ("m-2",))


def test_ga4gh_tes_answers() -> None:
    assert NEW.is_missing(Refused(400, "Invalid ID"))
    assert not NEW.is_missing(Refused(400, "Invalid view"))
    answer = {
        "id": "0" * 32,
        "state": "COMPLETE",
        "inputs": [{"type": 0, "url": None, "content": None}],
        "logs": [
            {"start_time": "2024-01-01T00:00:00.1234567Z", "logs": [{"exit_code": 1}], "outputs": None},
            {
                "start_time": "2024-01-02T00:00:00.1234567Z",
                "logs": [{"exit_code": 0, "stdout": '["https://a.blob.core.windows.net/c/stdout_1.txt"]'}],
                "metadata": {"vm_size": "D2", "failure_reason": None},
                "outputs": None,
                "system_logs": None,
            },
        ],
    }
    assert NEW.read(answer).log == {
        "start_time": "2024-01-02T00:00:00.123456Z",
        "logs": [{"stdout": '["https://a.blob.core.windows.net/c/stdout_1.txt"]', "exit_code": 0}],
        "outputs": [],
        "metadata": {"vm_size": "D2"},
    }


# tesazure


def test_tesazure_declares() -> None:
    assert OLD.limits.unsupported == CAREFUL | {"volumes", "workdir", "stdin", "fractional_ram"}
    assert OLD.limits.path_root == "/tes-wd"
    assert OLD.limits.own_paths == frozenset({"/tes-wd/shared", "/tes-wd/shared-global"})
    assert OLD.limits.own_paths_rule == "tesazure"
    assert OLD.listing is None, "its list is stale"
    assert OLD.poll_floor_seconds == 30.0
    assert (OLD.timeouts.get_seconds, OLD.timeouts.post_seconds, OLD.timeouts.read_seconds) == (180.0, 180.0, 180.0)
    assert not OLD.read_your_writes
    assert OLD.late_commit_seconds is None
    tags = {"ms-submitter-name": "cromwell", "ms-backend-batch-pool-id": "p", "GROUP_NAME": "g"}
    made = build_request({"executors": [], "tags": tags}, OLD, marker="m-1", gateways=("gw",))
    assert set(made["tags"]) == {"GROUP_NAME", "protes_attempt", "protes_gateway"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {}),
        ({"cpu_cores": 2.7, "ram_gb": 0.5, "disk_gb": 10.1}, {"cpu_cores": 3, "ram_gb": 1, "disk_gb": 11}),
        ({"ram_gb": 8.0}, {"ram_gb": 8}),
        ({"zones": ["westus2", "eastus"]}, {"zones": "westus2"}),
        ({"zones": []}, {}),
        ({"preemptible": False}, {"preemptible": False}),
        ({"preemptible": None, "backend_parameters": {"vm_size": "x"}}, {}),
    ],
)
def test_tesazure_gets_resources_in_integers(given: dict[str, Any], sent: dict[str, Any]) -> None:
    made = resources(OLD, **given)
    assert repr(made) == repr(sent), "8.0 is not an integer to it"


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (ServerFault(500, GONE), True),
        (ServerFault(500, "Internal Server Error"), False),
        (ServerFault(503, GONE), False),
        (Refused(404), False),
        (TimedOut("late"), False),
    ],
)
def test_tesazure_has_lost_what_has_no_job(error: DownstreamError, gone: bool) -> None:
    assert OLD.is_cancelled(error) is gone
    assert OLD.is_missing(error) is (gone or error.args[0].startswith("refused with 404"))
    assert not NEW.is_cancelled(error)


def test_tesazure_answers() -> None:
    answer = {
        "id": "x",
        "state": "EXECUTOR_ERROR",
        "resources": {"cpu_cores": 0, "zones": ""},
        "logs": [
            {
                "logs": [{"end_time": "2019-05-01 01:00:00+00:00", "exit_code": 2, "stdout": "o"}],
                "outputs": [],
                "system_logs": "[]",
            }
        ],
    }
    assert OLD.read(answer).log == {
        "logs": [{"end_time": "2019-05-01T01:00:00.000000Z", "exit_code": 2, "stdout": "o"}],
        "outputs": [],
    }
    assert OLD.read({"id": "x", "state": "PAUSED"}).state is State.PAUSED


def test_tesazure_is_searched_by_looking_through_all(server: ScriptedServer, transport: Transport) -> None:
    entries = [{"id": "a", "tags": {"ms-submitter-name": "x"}}, {"id": "b", "tags": {"protes_attempt": "m-1"}}]
    server.on("GET", "/tasks", answer_json({"tasks": entries, "next_page_token": "N/A"}))
    client = InstanceClient(transport, OLD, ManualClock())
    assert client.find("m-1") == Found(("b",))
    assert isinstance(client.find("m-2"), CannotTell), "a job may run that no list shows"
    assert [dict(request.query) for request in server.requests()] == [{"view": ("BASIC",)}] * 2


def test_a_finished_task_is_not_cancelled_where_that_would_destroy_it(
    server: ScriptedServer, transport: Transport
) -> None:
    server.on("GET", "/tasks/x", answer_json({"id": "x", "state": "COMPLETE"}))
    InstanceClient(transport, OLD, ManualClock()).cancel("x")
    assert server.count("POST") == 0
    server.on("POST", "/tasks/x:cancel", answer_json({}))
    InstanceClient(transport, NEW, ManualClock()).cancel("x")
    assert (server.count("POST"), server.count("GET")) == (1, 1), "others are not looked at first"


def test_a_task_that_is_gone_after_our_cancellation_is_canceled(server: ScriptedServer, transport: Transport) -> None:
    server.on("GET", "/tasks/x", answer_json({"id": "x", "state": "QUEUED"}))
    server.on("POST", "/tasks/x:cancel", answer_json("{}"))
    client = InstanceClient(transport, OLD, ManualClock())
    client.cancel("x")
    assert server.count("POST") == 1
    server.on("GET", "/tasks/x", problem(500, GONE))
    assert client.get("x", "FULL") == SeenTask("x", State.CANCELED)
    client.cancel("x")
    assert server.count("POST") == 1, "it is over"
    server.on("GET", "/tasks/y", problem(500, GONE))
    with pytest.raises(TaskMissing):
        client.get("y")


def test_a_job_that_goes_between_look_and_cancellation_is_no_error(
    server: ScriptedServer, transport: Transport
) -> None:
    server.on("GET", "/tasks/x", answer_json({"id": "x", "state": "RUNNING"}))
    server.on("POST", "/tasks/x:cancel", problem(500, GONE))
    InstanceClient(transport, OLD, ManualClock()).cancel("x")
    assert server.count("POST") == 1


def test_a_look_that_fails_keeps_the_cancellation_back(server: ScriptedServer, transport: Transport) -> None:
    server.on("GET", "/tasks/x", problem(503))
    with pytest.raises(ServerFault):
        InstanceClient(transport, OLD, ManualClock()).cancel("x")
    assert server.count("POST") == 0


def test_only_the_latest_cancellations_are_remembered() -> None:
    cancelled = Cancelled(most=2)
    for task_id in ("a", "b", "a", "c"):
        cancelled.add(task_id)
    assert [each in cancelled for each in "abcd"] == [True, False, True, False]
