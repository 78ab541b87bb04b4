"""What is offered beyond TES: instances, dry runs, explanations; and tasks that no instance can ever run."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

import openapi
from tests.api.conftest import TASK, Api, problem_of, serving
from tests.support.fake_tes import FakeTes
from tests.support.task_records import a_task

BIG = {**TASK, "resources": {"cpu_cores": 4}}


def assert_fits(schema: str, answer: Any) -> None:
    """Assert that an answer fits a schema of our own document."""
    document = yaml.safe_load(openapi.path("protes.yaml").read_text(encoding="utf-8"))
    validator = Draft4Validator({"$ref": f"#/components/schemas/{schema}", "components": document["components"]})
    assert not [error.message for error in validator.iter_errors(answer)]


@pytest.fixture
def two() -> Iterator[tuple[Api, FakeTes, FakeTes]]:
    """A cheap instance for small tasks and a dear one for somewhat larger ones; nothing is known of either yet."""
    with FakeTes() as cheap, FakeTes() as dear:
        instances = [
            {"id": "cheap", "url": cheap.url, "prices": {"cpu_core_hour": "0.01"}, "limits": {"max_cpu_cores": 1}},
            {"id": "dear", "url": dear.url, "prices": {"cpu_core_hour": "1"}, "limits": {"max_cpu_cores": 2}},
        ]
        with serving(instances=instances) as api:
            yield api, cheap, dear


def probe(api: Api) -> None:
    """Have every instance probed that is due."""
    api.clock.advance(3600)
    for key in api.gateway.services.federation.due_probes():
        api.gateway.services.federation.probe(key)


def test_instances_are_listed_before_and_after_they_were_asked(two: tuple[Api, FakeTes, FakeTes]) -> None:
    api, _, dear = two
    listed = api.get("/protes/v1/instances").json()
    assert [(each["id"], each["state"]) for each in listed["instances"]] == [
        ("cheap", "unprobed"),
        ("dear", "unprobed"),
    ]
    dear.refuse()
    probe(api)
    after = api.get("/protes/v1/instances").json()
    assert [(each["id"], each["state"]) for each in after["instances"]] == [("cheap", "ok"), ("dear", "unreachable")]
    for answer in (listed, after):
        assert_fits("Instances", answer)
    dear.resume()


def test_a_task_that_can_never_run_is_refused_with_every_reason(two: tuple[Api, FakeTes, FakeTes]) -> None:
    api, _, _ = two
    probe(api)
    detail = problem_of(api.post("/v1/tasks", BIG), 400)["detail"]
    assert detail.startswith("no instance can ever run this task: ")
    assert "cheap: " in detail
    assert "dear: " in detail
    assert api.get("/v1/tasks").json() == {"tasks": []}
    dry_run = api.post("/protes/v1/offers", BIG).json()["offers"]
    assert [each["outcome"] for each in dry_run] == ["rejected", "rejected"]
    assert api.create({**TASK, "resources": {"cpu_cores": 2}})


def test_as_long_as_an_instance_is_not_known_a_task_is_taken(two: tuple[Api, FakeTes, FakeTes]) -> None:
    api, _, _ = two
    assert api.create(BIG)


def test_what_is_only_away_refuses_nothing(two: tuple[Api, FakeTes, FakeTes]) -> None:
    api, cheap, dear = two
    for fake in (cheap, dear):
        fake.refuse()
    probe(api)
    assert api.create(TASK)
    for fake in (cheap, dear):
        fake.resume()


@pytest.mark.parametrize(("root", "best"), [("/w/0", "cheap"), ("", None), ("/w/cost", "cheap")])
def test_a_dry_run_offers_what_each_instance_would_and_stores_nothing(
    two: tuple[Api, FakeTes, FakeTes], root: str, best: str | None
) -> None:
    api, cheap, dear = two
    probe(api)
    answer = api.post(f"{root}/protes/v1/offers", dict(TASK)).json()
    assert_fits("Offers", answer)
    assert answer["carrier"] == ("url" if root else "default")
    assert {offer["instance"] for offer in answer["offers"]} == {"cheap", "dear"}
    assert best in (None, answer["offers"][0]["instance"])
    assert api.gateway.stores.tasks.count() == 0
    assert cheap.posts == dear.posts == 0


def test_a_dry_run_checks_as_a_submission_does(api: Api) -> None:
    problem = problem_of(api.post("/protes/v1/offers", {"executors": [], "tags": {"protes.weight": "9"}}), 400)
    assert [error["field"] for error in problem["errors"]] == ["tags.protes.weight", "executors"]
    problem_of(api.post("/protes/v1/offers", data=b"{", headers={"Content-Type": "application/json"}), 400)
    assert api.post("/protes/v1/offers", {**TASK, "id": None, "unknown": 1}).status_code == 200


def test_a_task_that_is_not_planned_yet_is_explained_as_such(api: Api) -> None:
    task_id = api.create(headers={"X-Protes-Weight": "0.7"})
    routing = api.get(f"/protes/v1/tasks/{task_id}/routing").json()
    assert_fits("Routing", routing)
    assert (routing["task_id"], routing["weight"], routing["carrier"]) == (task_id, "0.7", "header")
    assert routing["attempts"] == []
    problem_of(api.get("/protes/v1/tasks/nope/routing"), 404)


def test_the_chain_is_shown_without_its_options() -> None:
    chain = [{"use": "feasible", "options": {"unknown_zone": "exclude"}}, {"use": "random", "on_error": "skip"}]
    with serving(chain=chain) as api:
        answer = api.get("/protes/v1/middleware")
    assert_fits("Middleware", answer.json())
    assert [step["use"] for step in answer.json()["steps"]] == ["feasible", "random"]
    assert "exclude" not in answer.text


def test_a_task_of_somebody_else_does_not_exist(api: Api) -> None:
    other = api.gateway.stores.tasks.create(a_task(owner="alice", audience="user:alice"))
    for answer in (
        api.get(f"/v1/tasks/{other.id}"),
        api.post(f"/v1/tasks/{other.id}:cancel"),
        api.get(f"/protes/v1/tasks/{other.id}/routing"),
    ):
        assert problem_of(answer, 404)["detail"] == "id: there is no task with this id"
    assert api.get("/v1/tasks").json() == {"tasks": []}
    assert api.record(other.id).cancel_requested_at is None
    api.gateway.stores.tasks.delete(other.id)
