"""What the controllers answer is what the documents say, down to fields that nobody wrote of."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft4Validator
from werkzeug.test import Client, TestResponse

import openapi
from middleware.candidate import Basis
from middleware.chain import OnError
from middleware.types import Kind, Outcome
from protes.app import Gateway, create_gateway
from protes.clock import ManualClock
from protes.config.instances import Limits, Prices
from protes.config.loading import load
from protes.federation.codec import probed_to_json
from protes.federation.known import Probed, Status
from protes.store.factory import create_stores
from protes.store.records import Phase, Transition
from protes.tes.states import State
from tests.support.task_records import a_lease, an_attempt

TES_BASES = ("/ga4gh/tes/v1", "/v1")
TOKEN = "correct-horse-battery-staple"
ONE = "https://one.example.org"
TASK: Mapping[str, Any] = {
    "name": "t",
    "inputs": [{"path": "/in", "url": "https://example.org/in"}, {"path": "/script", "content": "true\n"}],
    "outputs": [{"path": "/out/*.txt", "path_prefix": "/out", "url": "s3://bucket/out"}],
    "resources": {"cpu_cores": 0.5, "ram_gb": 2.5, "backend_parameters": {"VmSize": "large"}},
    "executors": [{"image": "alpine", "command": ["true"], "env": {"A": "b"}}],
    "tags": {"WORKFLOW_ID": "w", "protes.weight": "0.4"},
}
LOG: Mapping[str, Any] = {
    "start_time": "2030-01-01T00:00:01Z",
    "end_time": "2030-01-01T00:00:02Z",
    "logs": [{"start_time": "2030-01-01T00:00:01Z", "stdout": "a", "stderr": "b", "exit_code": 0}],
    "outputs": [{"url": "s3://bucket/out/a.txt", "path": "/out/a.txt", "size_bytes": "1"}],
    "system_logs": ["done"],
}
INSTANCES = (
    {
        "id": "one",
        "url": ONE,
        "speed": 2.0,
        "zone": "DE",
        "limits": {"max_cpu_cores": 8, "input_schemes": ["https"], "output_schemes": ["s3"], "max_in_flight": 9},
        "prices": {"cpu_core_hour": "0.05", "per_task": "0.001"},
    },
    {"id": "narrow", "url": "https://narrow.example.org", "limits": {"input_schemes": ["ftp"]}},
    {"id": "silent", "url": "https://silent.example.org"},
    {"id": "unasked", "url": "https://unasked.example.org"},
)


@dataclass(frozen=True)
class Running:
    """A gateway in this process; its runner is not started, so nobody asks an instance."""

    gateway: Gateway
    clock: ManualClock

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        return Client(self.gateway.wsgi).open(path, method=method, base_url="http://localhost", **options)

    def create(self, base: str) -> str:
        return str(_fits("tes", "tesCreateTaskResponse", self.call("POST", f"{base}/tasks", json=TASK))["id"])

    def run(self, task_id: str) -> None:
        """Place a task, and finish it, as dispatch and relay would."""
        tasks, now = self.gateway.stores.tasks, self.clock.now()
        record = tasks.claim(task_id, replace(a_lease(), until=now + timedelta(seconds=60)), now)
        assert record is not None
        planner = self.gateway.services.planner
        plan = planner.plan(record)
        planner.keep(record, plan)
        metadata = planner.metadata(record, plan, plan.offers[0])
        attempt = an_attempt(intended_at=now, deadline=now, metadata=metadata, message="a remark")
        tasks.save_attempt(task_id, "token", attempt, now)
        tasks.save_attempt(task_id, "token", replace(attempt, phase=Phase.ACCEPTED, instance_task_id="r"), now)
        tasks.release(task_id, "token", None)
        seen = Transition(task_id, 1, State.COMPLETE, log=dict(LOG), system_logs=("one line",), finished=True)
        assert tasks.transition([seen], now)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    clock, stores = ManualClock(), create_stores("memory:")
    now = clock.now()
    later = now + timedelta(hours=1)
    found = Probed(True, now, later, heard_at=now, dialect="funnel", version="1.1.0")
    for url, probed in (
        (ONE, replace(found, base_url=f"{ONE}/ga4gh/tes/v1", storage=("s3://bucket",))),
        ("https://narrow.example.org", replace(found, base_url="https://narrow.example.org/ga4gh/tes/v1")),
        ("https://silent.example.org", Probed(False, now, later, failures=1, error="no answer")),
    ):
        stores.records.put("probe", url, probed_to_json(probed), now)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    settings = {"instances": list(INSTANCES), "server": {"operator_token": TOKEN}}
    gateway = create_gateway(load([], {}, settings), clock=clock, stores=stores, environ={})
    root.handlers[:], root.level = handlers, level  # FOCA configures the root logger, which is pytest's
    yield Running(gateway, clock)
    gateway.close()


def _schemas(name: str) -> dict[str, Any]:
    document = yaml.safe_load(openapi.path(f"{name}.yaml").read_text(encoding="utf-8"))
    schemas: dict[str, Any] = document["components"]["schemas"]
    return schemas


def _closed(name: str) -> dict[str, Any]:
    """The schemas of a document, with nothing allowed that is not written: engines crash on more (ENGINES.md 7)."""
    schemas = _schemas(name)
    if name == "tes":
        service, own = schemas["Service"], schemas["tesServiceInfo"]["allOf"][1]
        properties = {**service["properties"], **own["properties"], "type": schemas["ServiceType"]}
        schemas["tesServiceInfo"] = {**service, "properties": properties}
        # MINIMAL is exactly these two, so without what `tesTask` requires.
        schemas["minimal"] = {
            "type": "object",
            "required": ["id", "state"],
            "properties": {field: schemas["tesTask"]["properties"][field] for field in ("id", "state")},
        }
        tasks = {"type": "array", "items": {"$ref": "#/components/schemas/minimal"}}
        listed = schemas["tesListTasksResponse"]
        schemas["minimalList"] = {**listed, "properties": {**listed["properties"], "tasks": tasks}}
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return schemas


@cache
def _validator(name: str, schema: str) -> Draft4Validator:
    return Draft4Validator({"$ref": f"#/components/schemas/{schema}", "components": {"schemas": _closed(name)}})


def _faults(name: str, schema: str, answer: Any) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message}" for error in _validator(name, schema).iter_errors(answer)]


def _fits(name: str, schema: str, response: TestResponse) -> dict[str, Any]:
    """Return the document of a 200 answer that fits the schema."""
    assert (response.status_code, response.mimetype) == (200, "application/json"), response.text
    answer = response.json
    assert _faults(name, schema, answer) == []
    assert isinstance(answer, dict)
    return answer


def _refused(response: TestResponse, status: int) -> dict[str, Any]:
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
    answer = response.json
    assert isinstance(answer, dict)
    for name in ("tes", "protes"):
        assert _faults(name, "Problem", answer) == []
    return answer


@pytest.mark.parametrize("base", TES_BASES)
def test_service_info(running: Running, base: str) -> None:
    _fits("tes", "tesServiceInfo", running.call("GET", f"{base}/service-info"))


def test_legacy_service_info(running: Running) -> None:
    answer = _fits("tes-compat", "tesLegacyServiceInfo", running.call("GET", "/v1/tasks/service-info"))
    assert set(answer) == {"name", "doc", "storage"}


@pytest.mark.parametrize("base", TES_BASES)
def test_a_task_in_every_view(running: Running, base: str) -> None:
    task_id = running.create(base)
    for ran in (False, True):
        if ran:
            running.run(task_id)
        path = f"{base}/tasks/{task_id}"
        for query, schema in (("", "minimal"), ("?view=MINIMAL", "minimal"), ("?view=BASIC", "tesTask")):
            _fits("tes", schema, running.call("GET", path + query))
        shown = _fits("tes", "tesTask", running.call("GET", path + "?view=FULL"))
        assert bool(shown.get("logs")) == ran
    assert shown["logs"][0]["logs"] == LOG["logs"]


@pytest.mark.parametrize("base", TES_BASES)
def test_pages_of_tasks(running: Running, base: str) -> None:
    for _ in range(2):
        running.create(base)
    page = _fits("tes", "minimalList", running.call("GET", f"{base}/tasks?page_size=1"))
    assert page["next_page_token"]
    rest = f"{base}/tasks?view=FULL&page_token={page['next_page_token']}"
    assert _fits("tes", "tesListTasksResponse", running.call("GET", rest))["tasks"]


@pytest.mark.parametrize("base", TES_BASES)
def test_a_cancellation(running: Running, base: str) -> None:
    task_id = running.create(base)
    for _ in range(2):
        cancelled = running.call("POST", f"{base}/tasks/{task_id}:cancel")
        assert _fits("tes", "tesCancelTaskResponse", cancelled) == {}


def test_instances(running: Running) -> None:
    found = _fits("protes", "Instances", running.call("GET", "/protes/v1/instances"))["instances"]
    states = {each["id"]: each["state"] for each in found}
    assert states == {"one": "ok", "narrow": "ok", "silent": "unreachable", "unasked": "unprobed"}
    whole = next(each for each in found if each["id"] == "one")
    assert {"limits", "prices", "speed", "zone", "version", "url", "last_probe"} <= set(whole)


def test_instances_looked_for_again(running: Running) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    _fits("protes", "Instances", running.call("POST", "/protes/v1/instances:refresh", headers=headers))
    _refused(running.call("POST", "/protes/v1/instances:refresh"), 403)


def test_routing(running: Running) -> None:
    task_id = running.create("/v1")
    path = f"/protes/v1/tasks/{task_id}/routing"
    unplanned = _fits("protes", "Routing", running.call("GET", path))
    # Before its first choice a task is explained by how things stand now.
    assert {each["outcome"] for each in unplanned["candidates"]} == {"offer", "rejected"}
    assert unplanned["attempts"] == []
    running.run(task_id)
    planned = _fits("protes", "Routing", running.call("GET", path))
    assert planned["chosen"] == "one"
    assert {each["outcome"] for each in planned["candidates"]} == {"offer", "rejected"}
    assert planned["trace"]
    assert [set(each) >= {"message", "instance_url", "instance_task_id"} for each in planned["attempts"]] == [True]


def test_offers(running: Running) -> None:
    answer = _fits("protes", "Offers", running.call("POST", "/protes/v1/offers", json=TASK))
    assert (answer["weight"], answer["carrier"]) == ("0.4", "tag")
    assert {each["instance"]: each["outcome"] for each in answer["offers"]} == {
        "one": "offer",
        "narrow": "rejected",
        "silent": "rejected",
        "unasked": "rejected",
    }


def test_the_steps_of_the_chain(running: Running) -> None:
    assert _fits("protes", "Middleware", running.call("GET", "/protes/v1/middleware"))["steps"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"executors": None}, 400),
        ({"executors": [{"image": 3}]}, 400),
        ({"executors": []}, 400),
        ({"inputs": [{"path": "relative", "url": "u", "type": "SOCKET"}]}, 400),
        ({"outputs": [{"path": "/o"}]}, 400),
        ({"resources": {"cpu_cores": "four", "backend_parameters": {"a": 1}}}, 400),
        ({"tags": {"a": 1}, "volumes": "v"}, 400),
        ({"tags": {"protes.weight": "2"}}, 400),
        ({"unknown": {"any": 1}, "id": 3, "logs": 3}, 200),
    ],
)
def test_offers_are_asked_for_with_what_is_a_task(running: Running, fields: Mapping[str, Any], status: int) -> None:
    """One source of the schema: a body is right, or wrong in the same words, for both."""
    body = {**TASK, **fields}
    created = running.call("POST", "/ga4gh/tes/v1/tasks", json=body)
    offered = running.call("POST", "/protes/v1/offers", json=body)
    assert (created.status_code, offered.status_code) == (status, status), (created.text, offered.text)
    if status != 200:
        assert _refused(offered, status) == _refused(created, status)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/v1/tasks?view=SMALL", {}, 400),
        ("GET", "/v1/tasks", {"headers": {"Origin": "https://page.example.org"}}, 403),
        ("GET", "/ga4gh/tes/v1/tasks/none", {}, 404),
        ("POST", "/ga4gh/tes/v1/tasks/none:cancel", {}, 404),
        ("GET", "/protes/v1/tasks/none/routing", {}, 404),
        ("DELETE", "/v1/tasks", {}, 405),
        ("POST", "/v1/tasks", {"data": b"x" * (16 * 2**20 + 1), "content_type": "application/json"}, 413),
        ("POST", "/protes/v1/offers", {"data": b"{}", "content_type": "text/plain"}, 415),
        ("POST", "/v1/tasks", {"json": TASK, "headers": {"Idempotency-Key": "short"}}, 400),
    ],
)
def test_refusals_are_problems(running: Running, method: str, path: str, options: dict[str, Any], status: int) -> None:
    _refused(running.call(method, path, **options), status)


def test_a_reused_key_and_a_ring_of_gateways_are_problems(running: Running) -> None:
    key = {"Idempotency-Key": "0123456789abcdef"}
    assert running.call("POST", "/v1/tasks", json=TASK, headers=key).status_code == 200
    _refused(running.call("POST", "/v1/tasks", json={**TASK, "name": "other"}, headers=key), 422)
    via = {"Via": f"1.1 {running.gateway.services.gateway_id}"}
    _refused(running.call("POST", "/v1/tasks", json=TASK, headers=via), 508)


def test_a_schema_can_refuse_an_answer() -> None:
    minimal = {"id": "a", "state": "QUEUED"}
    assert _faults("tes", "minimal", minimal) == []
    assert _faults("tes", "minimal", {**minimal, "extra": 1})
    assert _faults("tes", "minimal", {**minimal, "state": "LOST"})
    assert _faults("tes", "tesTask", minimal)
    assert _faults("tes", "tesServiceInfo", {"id": "a"})
    assert _faults("protes", "Offers", {"weight": "0", "carrier": "wind", "offers": []})


def test_enums_and_fields_of_our_own_document_are_those_of_the_code() -> None:
    schemas = _schemas("protes")

    def enum(schema: str, field: str) -> set[str]:
        return set(schemas[schema]["properties"][field]["enum"])

    assert enum("Instance", "state") == set(get_args(Status))
    assert set(schemas["Basis"]["enum"]) == set(get_args(Basis))
    assert enum("TraceEntry", "kind") == set(get_args(Kind))
    assert enum("TraceEntry", "outcome") == set(get_args(Outcome))
    assert enum("Attempt", "phase") == {str(phase) for phase in Phase}
    step = schemas["Middleware"]["properties"]["steps"]["items"]["properties"]
    assert set(step["on_error"]["enum"]) == set(get_args(OnError))
    assert set(schemas["Limits"]["properties"]) == set(Limits.model_fields)
    assert set(schemas["Prices"]["properties"]) == set(Prices.model_fields)
    assert schemas["Problem"].keys() == _schemas("tes")["Problem"].keys()
    assert schemas["Problem"]["properties"].keys() == _schemas("tes")["Problem"]["properties"].keys()
