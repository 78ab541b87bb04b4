"""What is told of Funnel, version by version (DIALECTS.md, rows "Funnel")."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.tes.build import build_request
from protes.tes.client import InstanceClient
from protes.tes.dialects import DIALECTS, Dialect, Listing, fingerprint
from protes.tes.errors import DownstreamError, Refused, ServerFault, TimedOut
from protes.tes.finding import Absent, Found
from protes.tes.read import Page
from protes.tes.states import State
from protes.tes.transport import Transport
from tests.support.scripted_server import ScriptedServer, answer_json, problem

NEW, OLD, OLDEST = DIALECTS["funnel"], DIALECTS["funnel-0.11"], DIALECTS["funnel-0.10"]
FAMILY = pytest.mark.parametrize("dialect", [NEW, OLD, OLDEST], ids=lambda dialect: dialect.name)
BAD_TASK = ServerFault(500, "invalid task message: Task.Executors: at least one executor is required", ambiguous=True)


@FAMILY
def test_what_all_versions_share(dialect: Dialect) -> None:
    assert dialect.read_your_writes
    assert dialect.late_commit_seconds == 5.0
    assert not dialect.final_error, "an error may go back to QUEUED"
    assert not dialect.cancel_stops_work, "a failing backend works on"
    assert dialect.strip_tags == ("_WORKER_SA",)
    assert dialect.integer_cpu
    assert dialect.limits.input_schemes == frozenset({"file", "s3", "gs", "swift", "ftp", "sftp", "http", "https"})
    assert dialect.limits.output_schemes == frozenset({"file", "s3", "gs", "swift", "ftp", "sftp"})
    assert dialect.limits.backend_parameters == frozenset()
    assert "empty_content" in dialect.limits.unsupported


@pytest.mark.parametrize(
    ("error", "oldest", "old", "new"),
    [
        (BAD_TASK, True, True, False),
        (ServerFault(500, "Invalid Task Message: x"), True, True, False),
        (ServerFault(500, "boom: invalid task message"), False, False, False),
        (ServerFault(500, "boom"), False, False, False),
        (ServerFault(503, "invalid task message: x"), False, False, False),
        (TimedOut("late"), False, False, False),
    ],
)
def test_which_500_created_nothing(error: DownstreamError, oldest: bool, old: bool, new: bool) -> None:
    assert [each.created_nothing(error) for each in (OLDEST, OLD, NEW)] == [oldest, old, new]


@FAMILY
def test_somebody_elses_task_is_a_500_that_means_403(dialect: Dialect) -> None:
    assert dialect.is_forbidden(ServerFault(500, "permission denied"))
    assert not dialect.is_forbidden(ServerFault(503, "permission denied"))
    assert not dialect.is_forbidden(ServerFault(500, "boom"))
    assert not dialect.is_forbidden(Refused(400, "permission denied"))
    assert dialect.is_missing(ServerFault(500, "task not found"))
    assert not DIALECTS["unknown"].is_forbidden(ServerFault(500, "permission denied"))


def test_the_client_tells_of_a_task_that_is_somebody_elses() -> None:
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "*", problem(500, "permission denied"))
        with pytest.raises(Refused) as refused:
            InstanceClient(transport, NEW, ManualClock()).get("x")
    assert (refused.value.status, refused.value.detail, refused.value.instance) == (
        403,
        "permission denied",
        server.url,
    )
    assert not refused.value.retryable


@pytest.mark.parametrize(
    ("ids", "token", "oldest", "old", "new"),
    [
        ("ab", "", None, "b", None),
        ("a", "", None, None, None),
        ("", "", None, None, None),
        ("ab", "t", "t", "t", "t"),
        ("a", "t", "t", "t", "t"),
    ],
)
def test_a_lost_token_is_made_of_the_last_id_while_pages_are_full(
    ids: str, token: str, oldest: str | None, old: str | None, new: str | None
) -> None:
    page = Page(tuple((each, {"id": each}) for each in ids), token)
    assert [each.next_token(page, 2) for each in (OLDEST, OLD, NEW)] == [oldest, old, new]
    assert OLD.next_token(Page((("a", {"id": "a"}),), ""), None) is None, "without a size no page is full"


def test_0_11_lists_what_is_behind_a_lost_token() -> None:
    def page(request: Any) -> Any:
        after = int(request.query.get("page_token", ("5",))[0])
        return answer_json({"tasks": [{"id": str(n)} for n in range(after, max(0, after - 2), -1) if n < after]})

    short = replace(OLD, listing=Listing(page_size=1))
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "/tasks", page)
        pages = list(InstanceClient(transport, short, ManualClock()).list_active())
        assert [[task.id for task in tasks] for tasks in pages] == [["4"], ["3"], ["2"], ["1"]]
        assert server.count() == 5
        once = replace(NEW, listing=Listing(page_size=1))
        assert len(list(InstanceClient(transport, once, ManualClock()).list_active())) == 1


def test_0_10_is_searched_by_looking_through_its_newest_tasks() -> None:
    tasks = [{"id": "b", "tags": {"protes_attempt": "m-2"}}, {"id": "a", "tags": {"protes_attempt": "m-1"}}]
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "/tasks", answer_json({"tasks": tasks}))
        client = InstanceClient(transport, OLDEST, ManualClock())
        assert client.find("m-1") == Found(("a",))
        assert client.find("m-3") == Absent()
        assert {name for request in server.requests() for name in request.query} == {"view", "page_size"}
        assert server.requests()[0].query["view"] == ("BASIC",)


def test_0_10_speaks_camel_case_and_leaves_out_zeros() -> None:
    answer = {
        "id": "x",
        "state": "COMPLETE",
        "logs": [
            {
                "startTime": "2019-01-01T01:00:00.123456789+01:00",
                "logs": [{"endTime": "2019-01-01T00:00:01Z", "stdout": "o"}],
                "outputs": [{"url": "s3://b/k", "path": "/o", "sizeBytes": "7"}],
                "systemLogs": ["level='info'"],
            }
        ],
    }
    seen = OLDEST.read(answer)
    assert (seen.id, seen.state) == ("x", State.COMPLETE)
    assert seen.log == {
        "start_time": "2019-01-01T00:00:00.123456Z",
        "logs": [{"end_time": "2019-01-01T00:00:01.000000Z", "stdout": "o", "exit_code": 0}],
        "outputs": [{"url": "s3://b/k", "path": "/o", "size_bytes": "7"}],
        "system_logs": ["level='info'"],
    }
    failed = {**answer, "state": "EXECUTOR_ERROR"}
    assert (OLDEST.read(failed).log or {})["logs"][0]["exit_code"] == 0
    assert (NEW.read(failed).log or {})["logs"] == [], "a newer one does not leave it out"
    assert OLDEST.read({"id": "x"}).state is State.UNKNOWN


@pytest.mark.parametrize(("dialect", "kept"), [(OLDEST, False), (OLD, True), (NEW, True)])
def test_fields_of_1_1(dialect: Dialect, kept: bool) -> None:
    document = {
        "inputs": [{"url": "s3://b/k", "path": "/i", "streamable": True}],
        "outputs": [{"url": "s3://b/o", "path": "/o/*", "path_prefix": "/o"}],
        "executors": [{"image": "a", "command": ["b"], "ignore_error": True}],
        "resources": {"backend_parameters": {"x": "y"}, "backend_parameters_strict": False},
        "tags": {"_WORKER_SA": "root", "GROUP_NAME": "g"},
    }
    request = build_request(document, dialect, marker="m-1", gateways=("gw",))
    text = json.dumps(request)
    assert all((f'"{field}"' in text) is kept for field in ("streamable", "path_prefix"))
    assert "ignore_error" not in text
    assert {"blanks", "ignore_error"} <= dialect.limits.unsupported
    assert "backend_parameters" not in text
    assert set(request["tags"]) == {"GROUP_NAME", "protes_attempt", "protes_gateway"}
    assert ("path_prefix" in dialect.limits.unsupported) is not kept


@pytest.mark.parametrize("dialect", [OLDEST, OLD, NEW])
def test_the_executor_that_a_cancellation_ended_has_no_exit_code(dialect: Dialect) -> None:
    first, killed = {"exit_code": 0, "end_time": "2024-05-01T10:00:00Z"}, {"exit_code": 0, "stdout": "begun\n"}
    answer = {"id": "x", "state": "CANCELED", "logs": [{"logs": [first, killed]}]}
    log = dialect.read(answer).log or {}
    assert [each["exit_code"] for each in log["logs"]] == [0]
    assert log["system_logs"] == ["executor 2 left no exit code; its stdout: begun\n"]
    failed = {**answer, "logs": [{"logs": [first, {**killed, "exit_code": 137}]}]}
    assert [each["exit_code"] for each in (dialect.read(failed).log or {})["logs"]] == [0, 137]
    assert len((dialect.read({**answer, "state": "COMPLETE"}).log or {})["logs"]) == 2


def test_executors_that_ended_before_a_cancellation_keep_a_zero_that_was_left_out() -> None:
    first, killed = {"end_time": "2024-05-01T10:00:00Z", "stdout": "all\n"}, {"stdout": "begun\n"}
    answer = {"id": "x", "state": "CANCELED", "logs": [{"logs": [first, {"exitCode": 3}, killed]}]}
    log = OLDEST.read(answer).log or {}
    assert [each["exit_code"] for each in log["logs"]] == [0, 3]
    assert log["logs"][0]["stdout"] == "all\n"
    assert log["system_logs"] == ["executor 3 left no exit code; its stdout: begun\n"]
    assert (OLDEST.read({**answer, "logs": [{}]}).log or {})["logs"] == []


def test_a_build_that_does_not_say_its_version_gets_the_careful_treatment() -> None:
    info = {"id": "org.ga4gh.funnel", "name": "Funnel", "type": {"artifact": "tes", "version": "unknown"}}
    assert fingerprint(info, {}).name == "funnel-0.11"
