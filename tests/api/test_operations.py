"""The operations of TES 1.1.0, wherever they are served."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from protes.store.records import Phase, Transition
from protes.tes.states import State
from tests.api.conftest import BASES, OPERATOR_TOKEN, TASK, Api, problem_of, serving
from tests.support.task_records import a_lease, an_attempt
from tests.support.tes_document import assert_fits, service_info_fields

RICH: dict[str, Any] = {
    "name": "rich",
    "description": "every field that a client sets",
    "inputs": [
        {
            "name": "i",
            "description": "d",
            "url": "s3://bucket/in",
            "path": "/in",
            "type": "DIRECTORY",
            "streamable": True,
        },
        {"path": "/script", "content": "echo ä\n", "type": "FILE"},
    ],
    "outputs": [
        {
            "name": "o",
            "description": "d",
            "url": "s3://bucket/out",
            "path": "/out/*.txt",
            "path_prefix": "/out",
            "type": "FILE",
        }
    ],
    "resources": {
        "cpu_cores": 4,
        "preemptible": False,
        "ram_gb": 2.5,
        "disk_gb": 10,
        "zones": ["eu-1"],
        "backend_parameters": {"VmSize": "large", "Protes_Weight": "0.4"},
        "backend_parameters_strict": False,
    },
    "executors": [
        {
            "image": "alpine",
            "command": ["sh", "-c", "true"],
            "workdir": "/w",
            "stdin": "/in",
            "stdout": "/o",
            "stderr": "/e",
            "env": {"A": "b"},
            "ignore_error": True,
        },
        {"image": "alpine", "command": ["true"]},
    ],
    "volumes": ["/vol"],
    "tags": {"a": "b", "dotted.key": "=", "empty": "", "protes.weight": "0.4"},
}

LOG: dict[str, Any] = {
    "logs": [
        {
            "start_time": "2030-01-01T00:00:00Z",
            "end_time": "2030-01-01T00:00:01Z",
            "stdout": "out",
            "stderr": "err",
            "exit_code": 0,
        }
    ],
    "outputs": [{"url": "s3://bucket/out/a.txt", "path": "/out/a.txt", "size_bytes": "3"}],
    "metadata": {"host": "worker-1"},
    "start_time": "2030-01-01T00:00:00Z",
    "end_time": "2030-01-01T00:00:01Z",
    "system_logs": ["from the instance"],
}


def move(api: Api, task_id: str, state: State, log: dict[str, Any] | None = None) -> None:
    """Take a task to an instance and into a state, as dispatch and relay would."""
    tasks, now = api.gateway.stores.tasks, api.clock.now()
    assert tasks.claim(task_id, replace(a_lease(), until=now + timedelta(seconds=60)), now)
    metadata = {"protes.instance": "one", "protes.instance_url": "https://one.example"}
    attempt = an_attempt(intended_at=now, deadline=now, metadata=metadata)
    tasks.save_attempt(task_id, "token", attempt, now)
    tasks.save_attempt(task_id, "token", replace(attempt, phase=Phase.ACCEPTED, instance_task_id="remote-1"), now)
    tasks.release(task_id, "token", None)
    transition = Transition(task_id, 1, state, log=log, finished=state.finished)
    assert tasks.transition([transition], now)


@pytest.mark.parametrize("base", BASES)
def test_a_task_is_created_and_shown_in_every_view(api: Api, base: str) -> None:
    created = api.post(f"{base}/tasks", RICH)
    assert created.status_code == 200
    assert set(created.json()) == {"id"}
    task_id = created.json()["id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", task_id)
    unasked = api.get(f"{base}/tasks/{task_id}")
    assert unasked.headers["Content-Type"] == "application/json"
    assert unasked.json() == {"id": task_id, "state": "QUEUED"} == api.task(task_id, "MINIMAL", base)
    full = api.task(task_id, "FULL", base)
    assert full == {**RICH, "id": task_id, "state": "QUEUED", "creation_time": full["creation_time"]}
    basic = api.task(task_id, "BASIC", base)
    assert basic["inputs"] == [RICH["inputs"][0], {"path": "/script", "type": "FILE"}]
    assert {**basic, "inputs": full["inputs"]} == full
    for shown in (full, basic):
        assert_fits("tesTask", shown)


@pytest.mark.parametrize("base", BASES)
def test_a_finished_task_is_shown_with_its_log(api: Api, base: str) -> None:
    task_id = api.create(RICH, base)
    move(api, task_id, State.COMPLETE, LOG)
    full, basic = api.task(task_id, "FULL", base), api.task(task_id, "BASIC", base)
    for shown in (full, basic):
        assert_fits("tesTask", shown)
        assert shown["state"] == "COMPLETE"
    [log] = full["logs"]
    ours = {"protes.instance": "one", "protes.instance_url": "https://one.example"}
    assert log["metadata"] == {"host": "worker-1", **ours, "protes.instance_task_id": "remote-1"}
    assert {**log, "metadata": LOG["metadata"]} == LOG
    [less] = basic["logs"]
    assert "system_logs" not in less
    assert set(less["logs"][0]) == {"start_time", "end_time", "exit_code"}


@pytest.mark.parametrize("base", BASES)
def test_the_weight_of_the_root_counts(api: Api, base: str) -> None:
    preference = api.record(api.create(base=base)).preference
    expected = ("0.3", "url") if base.startswith("/w/") else ("0.5", "default")
    assert (preference["weight"], preference["carrier"]) == expected
    header = {"X-Protes-Weight": "0.7"}
    assert api.record(api.create(base=base, headers=header)).preference["weight"] == "0.7"


@pytest.mark.parametrize("base", BASES)
def test_all_roots_show_the_same_tasks(api: Api, base: str) -> None:
    ids = [api.create(base=each) for each in BASES]
    listed = api.get(f"{base}/tasks").json()
    assert [each["id"] for each in listed["tasks"]] == ids[::-1]
    assert api.post(f"{base}/tasks/{ids[0]}:cancel").json() == {}
    assert api.task(ids[0], "MINIMAL")["state"] == "CANCELED"


@pytest.mark.parametrize("base", BASES)
def test_service_info_is_that_of_1_1_and_nothing_more(api: Api, base: str) -> None:
    info = api.get(f"{base}/service-info").json()
    assert_fits("tesServiceInfo", info)
    assert set(info) <= service_info_fields()
    assert info["type"] == {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"}
    assert {"protes_weight", "protes_runtime_seconds"} <= set(info["tesResources_backend_parameters"])


@pytest.mark.parametrize("root", ["", "/w/0.3"])
def test_the_compatibility_dialect_has_service_info_as_toil_needs_it(api: Api, root: str) -> None:
    answer = api.get(f"{root}/v1/tasks/service-info")
    assert set(answer.json()) == {"name", "doc", "storage"}
    problem_of(api.get(f"{root}/ga4gh/tes/v1/tasks/service-info"), 404)


def test_storage_is_the_operators() -> None:
    with serving(service={"storage": ["file:///shared", "s3://bucket"]}) as api:
        for path in ("/ga4gh/tes/v1/service-info", "/v1/service-info", "/v1/tasks/service-info"):
            assert api.get(path).json()["storage"] == ["file:///shared", "s3://bucket"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "//v1//tasks"),
        ("GET", "/v1/tasks/"),
        ("GET", "//v1/tasks//"),
        ("GET", "/ga4gh//tes/v1/tasks"),
        ("GET", "/w/0.3//v1/tasks"),
        ("GET", "//w//0.3//v1//tasks//"),
        ("GET", "/v1/service-info/"),
        ("GET", "//v1/tasks/service-info"),
        ("POST", "//v1/tasks"),
        ("POST", "/v1/tasks/"),
        ("POST", "/w/0.3//ga4gh/tes/v1//tasks"),
    ],
)
def test_slashes_too_many_change_nothing(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path, json=dict(TASK) if method == "POST" else None)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/ga4gh/tes/v1",
        "/ga4gh/tes/v1/",
        "/ga4gh",
        "/w/0.3",
        "/w/0.3/",
        "/v1/ui",
        "/ga4gh/tes/v1/ui",
        "/protes/v1/ui",
        "/w/0.3/v1/ui",
        "/v1/tasks/x/",
        "/v1/./tasks",
        "/v1/../v1/tasks/x",
        "//evil.example/v1/tasks",
        "/v1/tasks/%2F%2Fevil.example",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_nothing_redirects(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)
    assert not 300 <= answer.status_code < 400
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "shown", "shown_compatible"), [(4.0, 4, 4), (4, 4, 4), (0.5, 0.5, 1), (1.5, 1.5, 2), (0, 0, 0)]
)
def test_cores_are_whole_where_they_were_and_under_v1(
    api: Api, sent: float, shown: float, shown_compatible: int
) -> None:
    task_id = api.create({**TASK, "resources": {"cpu_cores": sent}})
    for base, expected in (("/ga4gh/tes/v1", shown), ("/w/0.3/ga4gh/tes/v1", shown), ("/v1", shown_compatible)):
        cores = api.task(task_id, "FULL", base)["resources"]["cpu_cores"]
        assert (cores, type(cores)) == (expected, type(expected))
        [listed] = api.get(f"{base}/tasks?view=BASIC").json()["tasks"]
        assert listed["resources"]["cpu_cores"] == expected


@pytest.mark.parametrize(
    ("seen", "cancelled", "compatible", "full"),
    [
        (State.INITIALIZING, False, "INITIALIZING", "INITIALIZING"),
        (State.PAUSED, False, "QUEUED", "PAUSED"),
        (State.RUNNING, True, "RUNNING", "CANCELING"),
        # Nobody asked for these ends, so they are failures of the system everywhere.
        (State.PREEMPTED, False, "SYSTEM_ERROR", "SYSTEM_ERROR"),
        (State.CANCELED, False, "SYSTEM_ERROR", "SYSTEM_ERROR"),
    ],
)
def test_states_of_1_1_are_shown_where_they_are_wanted_and_never_under_v1(
    api: Api, configured: Api, seen: State, cancelled: bool, compatible: str, full: str
) -> None:
    for each, wanted in ((api, compatible), (configured, full)):
        task_id = each.create()
        move(each, task_id, seen)
        if cancelled:
            assert each.post(f"/v1/tasks/{task_id}:cancel").json() == {}
        for base, shown in (("/v1", compatible), ("/w/0.3/v1", compatible), ("/ga4gh/tes/v1", wanted)):
            assert each.task(task_id, "MINIMAL", base) == {"id": task_id, "state": shown}
            assert each.get(f"{base}/tasks?state={shown}").json() == {"tasks": [{"id": task_id, "state": shown}]}


def test_where_instances_are_hidden_only_the_operator_sees_them(configured: Api) -> None:
    task_id = configured.create()
    move(configured, task_id, State.RUNNING)
    [log] = configured.task(task_id)["logs"]
    assert log["metadata"] == {"protes.instance": "one"}
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    [log] = configured.get(f"/v1/tasks/{task_id}?view=FULL", headers=operator).json()["logs"]
    assert log["metadata"]["protes.instance_url"] == "https://one.example"
    assert log["metadata"]["protes.instance_task_id"] == "remote-1"


def test_what_an_instance_logged_never_makes_a_get_fail(api: Api) -> None:
    task_id = api.create()
    nasty: dict[str, Any] = {"logs": [{"exit_code": 1, "stdout": "\ud800 \0 \u2028 \x1b"}], "outputs": []}
    move(api, task_id, State.EXECUTOR_ERROR, nasty)
    assert api.task(task_id)["logs"][0]["logs"][0] == nasty["logs"][0]


def test_answers_say_which_gateway_made_them(api: Api) -> None:
    assert api.get("/v1/service-info").headers["X-Protes-Gateway"] == "gateway-under-test"
