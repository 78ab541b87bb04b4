"""TEStribute's `tasks/task-info` over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from protes.store.records import TaskQuery
from tests.api.conftest import Api, problem_of
from tests.support.offering import offering

BASES = ("/ga4gh/tes/v1", "/v1")
BODY = {"cpu_cores": 4, "ram_gb": 8.0, "disk_gb": 10.0, "execution_time_sec": 3600, "preemptible": True, "zones": []}


@pytest.fixture(scope="module", name="served")
def _served() -> Iterator[Api]:
    with offering() as api:
        yield api


def ask(api: Api, body: Any, root: str = "/ga4gh/tes/v1", **options: Any) -> dict[str, Any]:
    answer = api.call("POST", f"{root}/tasks/task-info", json=body, **options)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("base", BASES)
def test_it_answers_the_figures_of_the_best_offer(served: Api, base: str) -> None:
    answer = ask(served, BODY, "/w/0" + base)
    assert answer == {
        "estimated_compute_costs": {"amount": 0.04, "currency": "EUR"},
        "estimated_storage_costs": {"amount": 0.01, "currency": "EUR"},
        "estimated_queue_time_sec": 1800.0,
        "unit_costs_data_transfer": {"amount": 0.09, "currency": "EUR"},
    }


def test_the_weight_comes_by_url_header_or_parameter(served: Api) -> None:
    assert ask(served, BODY, "/w/1/ga4gh/tes/v1")["estimated_queue_time_sec"] == 10
    assert ask(served, BODY, headers={"X-Protes-Weight": "1"})["estimated_queue_time_sec"] == 10
    assert ask(served, {**BODY, "backend_parameters": {"protes_weight": "1"}})["estimated_queue_time_sec"] == 10
    problem_of(served.post("/v1/tasks/task-info", BODY, headers={"X-Protes-Weight": "2"}), 400)


@pytest.mark.parametrize(
    "body", [{}, {"cpu_cores": 1}, {"execution_time_sec": 0.5, "zones": None}, {"other": {"a": 1}}]
)
def test_nothing_is_required(served: Api, body: dict[str, Any]) -> None:
    assert ask(served, body)["estimated_queue_time_sec"] >= 0


def test_nothing_is_stored(served: Api) -> None:
    ask(served, BODY)
    assert served.gateway.stores.tasks.list(TaskQuery()) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({"cpu_cores": "four"}, "cpu_cores"),
        ({"cpu_cores": -1}, "cpu_cores"),
        ({"zones": [1]}, "zones[0]"),
        ({"execution_time_sec": "PT1H"}, "execution_time_sec"),
        ({"execution_time_sec": 0}, "execution_time_sec"),
        ({"execution_time_sec": True}, "execution_time_sec"),
        ({"execution_time_sec": 1e12}, "execution_time_sec"),
        ({"backend_parameters": {"protes_weight": "2"}}, "backend_parameters.protes_weight"),
    ],
)
def test_the_field_at_fault_is_named(served: Api, body: Any, field: str) -> None:
    problem = problem_of(served.call("POST", "/v1/tasks/task-info", json=body), 400)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_task_that_nobody_runs_is_422_with_reasons(served: Api) -> None:
    problem = problem_of(served.post("/v1/tasks/task-info", {"cpu_cores": 512}), 422)
    assert "cheap: needs 512 cpu_cores, declares 8; fast: needs" in problem["detail"]


def test_without_instances_it_is_422(api: Api) -> None:
    problem_of(api.post("/ga4gh/tes/v1/tasks/task-info", BODY), 422)


@pytest.mark.parametrize("text", ["{", "[" * 5000, "NaN"])
def test_bad_bodies_are_400(served: Api, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    problem_of(served.call("POST", "/v1/tasks/task-info", data=text, headers=headers), 400)
    problem_of(served.call("POST", "/v1/tasks/task-info", data=text, headers={"Content-Type": "text/plain"}), 415)


def test_a_ring_of_gateways_is_refused(served: Api) -> None:
    via = {"Via": f"1.1 {served.gateway.services.gateway_id}"}
    problem_of(served.post("/v1/tasks/task-info", BODY, headers=via), 508)


def test_it_is_not_taken_for_a_task(served: Api) -> None:
    problem_of(served.get("/v1/tasks/task-info"), 404)
