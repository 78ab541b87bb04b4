"""Whole conversations of engines that no package index has: request by request, as their sources make them."""

from typing import Any

import pytest

from protes.tes.states import State
from tests.api.conftest import Api
from tests.api.test_bodies import CROMWELL, NEXTFLOW
from tests.api.test_engine_reading import SPROCKET, log_of
from tests.api.test_operations import move
from tests.engines import decoders

JSON = {"Content-Type": "application/json"}


def preference(api: Api, task_id: str) -> tuple[str, str]:
    stored = api.record(task_id).preference
    return str(stored["weight"]), str(stored["carrier"])


@pytest.mark.parametrize(
    ("root", "headers", "tags", "expected"),
    [
        ("", {}, {}, ("0.5", "default")),
        ("", {"X-Protes-Weight": "0.3"}, {}, ("0.3", "header")),
        ("", {}, {"protes.weight": "0.3"}, ("0.3", "tag")),
        ("/w/0.3", {}, {}, ("0.3", "url")),
    ],
)
def test_nextflow(
    api: Api, root: str, headers: dict[str, str], tags: dict[str, str], expected: tuple[str, str]
) -> None:
    """`endpoint` with a slash at its end makes `//v1`; it polls without a view, and reads FULL once at the end."""
    base = f"{root}//v1/tasks"
    client = {"headers": {**headers, "User-Agent": "Swagger-Codegen/1.0.0/java"}}
    created = api.post(base, {**NEXTFLOW, "tags": {**NEXTFLOW["tags"], **tags}}, **client)
    assert set(created.json()) == {"id"}
    task_id = created.json()["id"]
    assert preference(api, task_id) == expected
    decoders.nextflow(api.get(f"{base}/{task_id}", **client).json())
    move(api, task_id, State.EXECUTOR_ERROR, log_of(NEXTFLOW, 3))
    decoders.minimal(api.get(f"{base}/{task_id}", **client).json())
    full = api.get(f"{base}/{task_id}?view=FULL", **client).json()
    decoders.nextflow(full)
    assert full["logs"][0]["logs"][0]["exit_code"] == 3


def test_nextflow_kills_a_task_with_an_empty_json_body(api: Api) -> None:
    task_id = api.create(NEXTFLOW, "/v1")
    answer = api.call("POST", f"//v1/tasks/{task_id}:cancel", headers=JSON, data=b"")
    assert (answer.status_code, answer.json()) == (200, {})
    decoders.nextflow(api.get(f"//v1/tasks/{task_id}").json())  # CANCELED, which ends its waiting


@pytest.mark.parametrize(
    ("root", "labels", "parameters", "expected"),
    [
        ("/w/0.3", {}, {}, ("0.3", "url")),
        ("", {"protes.weight": "0.3"}, {}, ("0.3", "tag")),
        ("", {}, {"protes_weight": "0.3"}, ("0.3", "backend_parameter")),
    ],
)
def test_cromwell(
    api: Api, root: str, labels: dict[str, str], parameters: dict[str, str], expected: tuple[str, str]
) -> None:
    """`endpoint` is the collection; FULL until there are a start time and a price, then MINIMAL, FULL at the end."""
    endpoint = f"{root}/v1/tasks"
    resources = {**CROMWELL["resources"], "backend_parameters": {**CROMWELL["resources"]["backend_parameters"]}}
    resources["backend_parameters"] |= parameters
    sent = {**CROMWELL, "resources": resources, "tags": {**CROMWELL["tags"], **labels}}
    created = api.post(endpoint, sent, headers={"Authorization": "Bearer t"})
    task_id = created.json()["id"]
    assert preference(api, task_id) == expected
    decoders.cromwell(api.get(f"{endpoint}/{task_id}?view=FULL").json())
    priced = {**log_of(CROMWELL), "metadata": {"vm_price_per_hour_usd": "0.12"}}
    move(api, task_id, State.COMPLETE, priced)
    decoders.minimal(api.get(f"{endpoint}/{task_id}?view=MINIMAL").json())
    full = api.get(f"{endpoint}/{task_id}?view=FULL").json()
    decoders.cromwell(full)
    assert full["logs"][0]["start_time"]
    assert full["logs"][0]["metadata"]["vm_price_per_hour_usd"] == "0.12"
    assert full["tags"]["workflow_id"] == "w"


def test_cromwell_aborts_and_reads_json(api: Api) -> None:
    task_id = api.create(CROMWELL, "/v1")
    answer = api.call("POST", f"/v1/tasks/{task_id}:cancel")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {}


@pytest.mark.parametrize("root", ["", "/w/0.3"])
def test_sprocket(api: Api, root: str) -> None:
    """One list a second for all tasks of a run, by its tag, 2047 at a time; FULL once for each that has ended."""
    base = f"{root}/ga4gh/tes/v1/tasks"
    ids = {api.create(SPROCKET, f"{root}/ga4gh/tes/v1") for _ in range(3)}
    api.create({**SPROCKET, "tags": {"crankshaft-task-group": "another"}})
    move(api, min(ids), State.COMPLETE, log_of(SPROCKET))
    query = {
        "tag_key": "crankshaft-task-group",
        "tag_value": "group-9",
        "page_size": "2047",
        "view": "MINIMAL",
    }
    listed: dict[str, Any] = api.get(base, params=query).json()
    assert not listed.get("next_page_token")
    assert {task["id"]: task["state"] for task in listed["tasks"]} == {
        **dict.fromkeys(ids, "QUEUED"),
        min(ids): "COMPLETE",
    }
    for task in listed["tasks"]:
        decoders.minimal(task)
    decoders.sprocket(api.get(f"{base}/{min(ids)}?view=FULL").json())
    for _ in range(3):  # it takes `{}` for an error and sends it again, as often as `retries` says
        cancelled = api.call("POST", f"{base}/{max(ids)}:cancel", headers=JSON, data=b"null")
        assert cancelled.status_code == 200
    decoders.sprocket(api.get(f"{base}/{max(ids)}?view=FULL").json())


def test_sprocket_reads_a_list_page_by_page(api: Api) -> None:
    ids = {api.create(SPROCKET) for _ in range(5)}
    seen: set[str] = set()
    token = ""
    for _ in range(3):
        query = {"tag_key": "crankshaft-task-group", "tag_value": "group-9", "page_size": "2", "page_token": token}
        page = api.get("/ga4gh/tes/v1/tasks", params={key: value for key, value in query.items() if value}).json()
        seen |= {task["id"] for task in page["tasks"]}
        token = page.get("next_page_token") or ""
    assert seen == ids
    assert token == ""
