"""What is told of TESK, TESP-API, proTES of 2023 and mock-TES (DIALECTS.md, rows of these names)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.tes.build import build_request
from protes.tes.client import InstanceClient
from protes.tes.dialects import DIALECTS, Dialect
from protes.tes.errors import Refused
from protes.tes.finding import Absent, CannotTell, Found
from protes.tes.read import Page
from protes.tes.states import State
from protes.tes.transport import Transport
from tests.support.scripted_server import ScriptedServer, answer, answer_json

TESK, TESP, PROTES_2023, MOCK = (DIALECTS[name] for name in ("tesk", "tesp", "protes-2023", "mock-tes"))
CAREFUL = {"ignore_error", "path_prefix", "empty_content", "directory_content"}
FULL: dict[str, Any] = {
    "inputs": [{"url": "s3://b/k", "path": "/i", "streamable": True}],
    "outputs": [{"url": "s3://b/o", "path": "/o", "path_prefix": "/"}],
    "executors": [{"image": "a", "command": ["b"], "stdin": "", "ignore_error": True}],
    "resources": {"cpu_cores": 1.5, "backend_parameters": {"x": "y"}, "backend_parameters_strict": True},
    "tags": {"GROUP_NAME": "g", "_WORKER_SA": "s", "mine": "x"},
}


def build(dialect: Dialect) -> dict[str, Any]:
    return build_request(FULL, dialect, marker="m-1", gateways=("gw",))


@pytest.mark.parametrize("dialect", [TESK, TESP, PROTES_2023, MOCK], ids=lambda dialect: dialect.name)
def test_servers_of_1_0_are_sent_1_0_and_believed_little(dialect: Dialect) -> None:
    request = build(dialect)
    for name in ("streamable", "path_prefix", "ignore_error", "backend_parameters", "stdin"):
        assert f'"{name}' not in json.dumps(request)
    assert request["resources"] == {"cpu_cores": 2}
    assert [each["type"] for each in (*request["inputs"], *request["outputs"])] == ["FILE", "FILE"]
    assert dialect.limits.unsupported >= CAREFUL
    assert dialect.limits.backend_parameters == frozenset()
    assert dialect.late_commit_seconds is None
    assert not dialect.final_error
    assert not dialect.cancel_stops_work


# TESK


def test_tesk_declares() -> None:
    assert TESK.limits.max_document_bytes is not None
    assert 200 * 1024 < TESK.limits.max_document_bytes < 256 * 1024, "annotations of all kinds have 256 KiB together"
    assert TESK.limits.input_schemes == TESK.limits.output_schemes == frozenset({"http", "https", "ftp", "s3"})
    assert TESK.poll_floor_seconds == 10.0
    assert set(build(TESK)["tags"]) == {"_WORKER_SA", "mine", "protes_attempt", "protes_gateway"}


def test_tesk_is_listed_and_searched_in_one_request_without_a_page_size() -> None:
    tasks = [{"id": "task-0a", "state": "RUNNING", "tags": {"protes_attempt": "m-1"}}, {"id": "task-0b"}]
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "/tasks", answer_json({"tasks": tasks}))
        client = InstanceClient(transport, TESK, ManualClock())
        assert [[task.id for task in page] for page in client.list_active()] == [["task-0a", "task-0b"]]
        assert client.find("m-1") == Found(("task-0a",))
        assert client.find("m-2") == Absent()
        queries = [dict(request.query) for request in server.requests()]
    assert queries == [{"view": ("MINIMAL",)}, {"view": ("BASIC",)}, {"view": ("BASIC",)}]


def test_tesk_answers() -> None:
    assert TESK.is_missing(Refused(404, "Job with ID=task-1 not found."))
    assert not TESK.is_missing(Refused(400, "Job with ID=task-1 has no pods in RUNNING status"))
    log = (
        TESK.read(
            {
                "id": "task-1",
                "state": "COMPLETE",
                "logs": [
                    {
                        "logs": [{"start_time": "2024-01-01T10:00:00.000Z", "stdout": "o", "exit_code": 0}],
                        "metadata": {"USER_ID": "u"},
                        "system_logs": "one line\nanother",
                    }
                ],
            }
        ).log
        or {}
    )
    assert log["logs"] == [{"start_time": "2024-01-01T10:00:00.000000Z", "stdout": "o", "exit_code": 0}]
    assert (log["outputs"], log["system_logs"]) == ([], ["one line\nanother"])


def test_a_cancellation_may_be_answered_with_nothing() -> None:
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("POST", "/tasks/task-1:cancel", answer(200, ""))
        InstanceClient(transport, TESK, ManualClock()).cancel("task-1")
        assert server.count("POST") == 1


# TESP


def test_tesp_declares() -> None:
    assert TESP.limits.unsupported == CAREFUL | {"path_like_arguments", "stdin", "stdout", "stderr"}
    assert TESP.limits.max_runtime_seconds == 400 * 4
    assert TESP.limits.input_schemes == frozenset({"http", "https", "ftp"}), "s3 is accepted and then fetched with curl"
    assert TESP.limits.output_schemes == frozenset({"http", "https"})
    assert {"GROUP_NAME", "_WORKER_SA"} <= set(build(TESP)["tags"]), "no tag controls it"
    assert build(TESP)["name"] == "m-1", "it is searched by name"


@pytest.mark.parametrize(
    ("count", "token", "following"), [(2, "b", "b"), (1, "b", None), (0, "None", None), (2, "None", None)]
)
def test_tesp_never_ends_a_list_itself(count: int, token: str, following: str | None) -> None:
    page = Page(tuple((str(n), {"id": str(n)}) for n in range(count)), token)
    assert TESP.next_token(page, 2) == following


@pytest.mark.parametrize(
    ("oldest", "token"),
    [
        ("65e000400123456789abcdef", "65e000040000000000000000"),
        ("65E000400123456789ABCDEF", "65e000040000000000000000"),
        ("000000010000000000000000", "000000000000000000000000"),
        ("task-1", None),
        ("65e000400123456789abcde", None),
        (None, None),
    ],
)
def test_tesp_is_listed_from_just_below_the_oldest_id(oldest: str | None, token: str | None) -> None:
    assert TESP.first_token(oldest) == token
    assert oldest is None or token is None or token < oldest.lower()
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "/tasks", answer_json({"tasks": [], "next_page_token": "None"}))
        assert list(InstanceClient(transport, TESP, ManualClock()).list_active(oldest)) == []
        [request] = server.requests()
    assert request.query.get("page_token") == (None if token is None else (token,))


def test_tesp_is_searched_by_name_and_shows_its_tags() -> None:
    entries = [
        {"id": "a" * 24, "name": "m-1 sum", "tags": {"protes_attempt": "m-1"}, "author": None, "logs": None},
        {"id": "b" * 24, "name": "m-10 sum", "tags": {"protes_attempt": "m-10"}},
    ]
    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "/tasks", answer_json({"tasks": entries, "next_page_token": "b" * 24}))
        assert InstanceClient(transport, TESP, ManualClock()).find("m-1") == Found(("a" * 24,))
        [request] = server.requests()
    assert request.query == {"name_prefix": ("m-1",), "view": ("BASIC",), "page_size": ("256",)}


def test_tesp_answers() -> None:
    assert TESP.is_missing(Refused(400, "'x' is not a valid ObjectId, it must be a 12-byte input"))
    assert TESP.is_missing(Refused(404))
    seen = TESP.read({"id": "a", "state": "SYSTEM_ERROR", "logs": [{"metadata": None, "outputs": [], "logs": None}]})
    assert (seen.state, seen.log) == (State.SYSTEM_ERROR, {"logs": [], "outputs": []})


# proTES of 2023, mock-TES


def test_protes_of_2023_takes_one_filter_and_proves_nothing() -> None:
    def page(request: Any) -> Any:
        if set(request.query) - {"view", "page_size", "page_token", "name_prefix"}:
            return answer_json({"title": "Bad Request"}, status=400)
        tasks = [] if "page_token" in request.query else [{"id": "A", "name": "m-1"}]
        return answer_json({"tasks": tasks, **({"next_page_token": "1"} if tasks else {})})

    with ScriptedServer() as server, Transport(server.url) as transport:
        server.on("GET", "/tasks", page)
        client = InstanceClient(transport, PROTES_2023, ManualClock())
        assert client.find("m-1") == Found(("A",))
        assert isinstance(client.find("m-2"), CannotTell)
        assert [[task.id for task in tasks] for tasks in client.list_active()] == [["A"]]
    assert set(build(PROTES_2023)["tags"]) == {"mine", "protes_attempt", "protes_gateway"}


def test_mock_tes_is_not_searched_and_its_tasks_have_no_state() -> None:
    with ScriptedServer() as server, Transport(server.url) as transport:
        assert isinstance(InstanceClient(transport, MOCK, ManualClock()).find("m-1"), CannotTell)
        assert server.count() == 0
    assert MOCK.listing is None
    assert MOCK.service_info_path == "/tasks/service-info"
    assert MOCK.read({"executors": []}).state is State.UNKNOWN
