"""The Execution Broker over HTTP: requests, offer sets, sessions."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import yaml

from protes.federation.codec import probed_to_json
from protes.federation.known import Probed
from protes.store.records import TaskQuery
from tests.api.conftest import Api, problem_of
from tests.support.offering import BROKER, REQUEST, TASK, Broker, faults, offering

DOCKER = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds/executable/docker-container.yaml"
COMPUTE = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds/compute/simple-compute-resource.yaml"
MONETARY = "urn:ivoa:calycopis:cost:monetary"
DIGEST = "sha256:" + "6e49" * 16


@pytest.fixture(scope="module", name="served")
def _served() -> Iterator[Api]:
    with offering(planning={"offers_valid_seconds": 300}) as api:
        yield api


@pytest.fixture(name="broker")
def _broker(served: Api) -> Iterator[Broker]:
    yield Broker(served)
    served.clear()


@pytest.fixture(name="aging")
def _aging() -> Iterator[Broker]:
    """Whose clock may be moved: the others share theirs."""
    with offering(planning={"offers_valid_seconds": 300}) as api:
        yield Broker(api)


def request(**fields: Any) -> dict[str, Any]:
    return {**REQUEST, **fields}


def task(**fields: Any) -> dict[str, Any]:
    return {"executable": {"kind": "urn:ga4gh:tes:1.1:task", "task": {**TASK, **fields}}}


def backends(answer: Mapping[str, Any]) -> list[str]:
    return [offer["x-gateway"]["backend"] for offer in answer["offers"]]


def tasks_of(broker: Broker) -> list[str]:
    return [record.id for record in broker.api.gateway.stores.tasks.list(TaskQuery())]


def stored_sets(broker: Broker) -> int:
    return len(broker.api.gateway.stores.records.scan("offer_set", "", broker.api.clock.now(), limit=1000))


@pytest.mark.parametrize("path", ["/requests", "/offersets"])
def test_a_request_is_answered_with_offers_best_first(broker: Broker, path: str) -> None:
    answer = broker.ask(path, request(preferences={"cost_time_weight": 0}))
    assert answer["result"] == "YES"
    assert backends(answer) == ["cheap", "fast"]
    assert answer["meta"]["messages"][0]["kind"] == "urn:offer-indicative"
    first = answer["offers"][0]
    assert (first["phase"], first["expires"]) == ("OFFERED", "2030-01-01T00:05:00Z")
    assert first["meta"]["options"][0]["values"] == ["ACCEPTED", "REJECTED"]
    assert first["executable"]["task"]["executors"] == TASK["executors"]
    assert {name: first["compute"][name] for name in ("cores", "memory")} == {
        "cores": {"min": 4, "max": 4},
        "memory": {"min": 8, "max": 8},
    }
    assert first["storage"][0]["size"] == {"min": 10, "max": 10}
    assert (first["data"][0]["meta"]["name"], first["data"][0]["location"]) == ("reads", "s3://bucket/reads.cram")
    [cost] = first["costs"]
    assert (cost["type"], cost["currency"], cost["min"]) == (MONETARY, "EUR", cost["max"])
    assert "Indicative" in cost["description"]
    gateway = first["x-gateway"]
    assert (gateway["backend"], gateway["rank"], gateway["weight"]) == ("cheap", 1, 0)
    assert gateway["time"]["queue"] == 1800
    assert gateway["url"] == "https://cheap.example.org/ga4gh/tes/v1"
    assert tasks_of(broker) == []


def test_the_schedule_says_what_is_known(broker: Broker) -> None:
    [offer] = broker.ask(request=request(preferences={"cost_time_weight": 0, "max_offers": 1}))["offers"]
    schedule = offer["schedule"]
    assert schedule["preparing"]["start"] == "2030-01-01T00:30:00Z"
    if "available" in schedule:
        assert schedule["available"]["start"].startswith("2030-01-01T00:3")
        assert schedule["available"]["duration"] == "PT1H"


def test_a_weight_is_taken_from_the_request_the_header_or_the_url(served: Api, broker: Broker) -> None:
    assert backends(broker.ask(request=request(preferences={"cost_time_weight": 1})))[0] == "fast"
    assert backends(broker.ask(headers={"X-Protes-Weight": "0"}))[0] == "cheap"
    rooted = Broker(served, "/w/1.0" + BROKER).ask()
    assert backends(rooted)[0] == "fast"
    assert rooted["meta"]["url"].startswith("/w/1.0/ivoa/execution-broker/v1/offersets/")


@pytest.mark.parametrize("read", ["application/yaml", "text/yaml", "application/json", None])
@pytest.mark.parametrize("written", ["application/yaml", "application/json"])
def test_bodies_are_json_or_yaml_both_ways(broker: Broker, read: str | None, written: str) -> None:
    text = json.dumps(REQUEST) if read == "application/json" else yaml.safe_dump(dict(REQUEST))
    headers = {"Accept": written, **({"Content-Type": read} if read else {})}
    answer = broker.api.call("POST", BROKER + "/requests", data=text.encode(), headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, written), answer.text
    document = yaml.safe_load(answer.text) if "yaml" in written else answer.json()
    assert faults("execution-broker", "OfferSet", document) == []
    assert document["result"] == "YES"  # a text in quotes, not the boolean of YAML 1.1


@pytest.mark.parametrize("accept", ["*/*", "text/html", "", "application/json;q=0.2, application/yaml;q=0.1"])
def test_the_answer_is_json_by_default(broker: Broker, accept: str) -> None:
    answer = broker.api.post(BROKER + "/requests", dict(REQUEST), headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json"


def test_an_offer_set_is_where_its_location_says(broker: Broker) -> None:
    answer = broker.api.post(BROKER + "/requests", dict(REQUEST))
    again = broker.api.get(answer.headers["Location"])
    assert again.json() == answer.json()
    for offer in answer.json()["offers"]:
        assert broker.api.get(offer["meta"]["url"]).json() == offer


def test_no_is_an_answer_with_each_ones_reason_and_nothing_is_stored(broker: Broker) -> None:
    before = stored_sets(broker)
    answer = broker.api.post(BROKER + "/requests", task(resources={"cpu_cores": 512}))
    document = answer.json()
    assert (answer.status_code, document["result"], document["offers"]) == (200, "NO", [])
    assert "Location" not in answer.headers
    assert "uuid" not in document["meta"]
    assert faults("execution-broker", "OfferSet", document) == []
    messages = document["meta"]["messages"]
    assert {each["values"]["backend"]: each["kind"] for each in messages} == {
        "cheap": "urn:resource-limit",
        "fast": "urn:resource-limit",
    }
    assert messages[0]["message"] == "cheap: needs 512 cpu_cores, declares 8"
    assert stored_sets(broker) == before


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"executable": {"kind": "urn:unknown"}}, "urn:not-supported", "executable.kind: is not run here"),
        ({"metrics": [{"max": 1}]}, "urn:not-supported", "metrics"),
        ({"costs": [{"type": "urn:ivoa:calycopis:cost:carbon", "max": 1}]}, "urn:not-supported", "costs[0].type"),
        ({"resources": {"compute": []}}, "urn:not-supported", "resources"),
        ({"compute": {"cores": {"max": 2}}}, "urn:resource-limit", "needs 4 cores, at most 2"),
        ({"compute": {"memory": {"max": 1}}}, "urn:resource-limit", "GiB, at most 1"),
        ({"compute": {"kind": "urn:quantum"}}, "urn:not-supported", "compute.kind"),
        ({"data": [{"location": "s3://b/k"}]}, "urn:not-supported", "data"),
        ({"preferences": {"service_registry_urls": ["https://r.example.org"]}}, "urn:not-supported", "registr"),
        ({"schedule": {"requested": {"start": "2020-01-01T00:00:00Z/PT1H"}}}, "urn:not-available", "at the latest"),
    ],
)
def test_what_is_well_written_and_cannot_be_had_is_no(
    broker: Broker, fields: dict[str, Any], kind: str, text: str
) -> None:
    answer = broker.ask(request=request(**fields))
    assert answer["result"] == "NO"
    assert any(each["kind"] == kind and text in each["message"] for each in answer["meta"]["messages"]), answer


def test_offers_that_start_too_late_are_no(broker: Broker) -> None:
    window = {"schedule": {"requested": {"start": "2030-01-01T00:00:00Z/PT600S", "duration": "PT2H"}}}
    answer = broker.ask(request=request(**window))
    assert backends(answer) == ["fast"]
    assert answer["offers"][0]["x-gateway"]["time"]["run"] == 3600  # two hours at reference speed, on twice of it


def test_a_kind_of_token_that_an_instance_does_not_take_is_no(broker: Broker) -> None:
    answer = broker.ask(headers={"Authorization": "Passport abc"})
    assert backends(answer) == ["fast"]


def test_the_most_that_it_may_cost_is_kept(broker: Broker) -> None:
    costs = [{"type": MONETARY, "currency": "EUR", "max": 0.1}, {"type": MONETARY, "max": 20}]
    answer = broker.ask(request=request(costs=costs))
    assert backends(answer) == ["cheap"]


def test_instances_can_be_named(broker: Broker) -> None:
    answer = broker.ask(request=request(preferences={"tes_urls": ["https://fast.example.org"]}))
    assert backends(answer) == ["fast"]
    unknown = request(preferences={"tes_urls": ["https://elsewhere.example.org"]})
    problem = problem_of(broker.api.post(BROKER + "/requests", unknown), 400)
    assert problem["errors"][0]["field"] == "preferences.tes_urls"


def test_compute_and_storage_take_the_place_of_the_tasks_own(broker: Broker) -> None:
    wanted = {
        "compute": {"kind": COMPUTE, "cores": {"min": 16}, "memory": {"min": 3}},
        "storage": [{"size": {"min": 7}}],
    }
    answer = broker.ask(request=request(**wanted))
    assert backends(answer) == ["fast"]
    [offer] = answer["offers"]
    assert (offer["compute"]["cores"]["min"], offer["compute"]["memory"]["min"]) == (16, 3)
    assert offer["storage"][0]["size"]["min"] == 7


def test_a_container_becomes_a_task_of_one_executor(broker: Broker) -> None:
    container = {
        "kind": DOCKER,
        "image": {"locations": ["ghcr.io/zarquan/heliophorus-cantliei:sha-831ee57"], "digest": DIGEST},
        "command": [10, 0],
        "environment": {"A": 1},
    }
    data = [{"meta": {"name": "example-data-001"}, "location": "https://example.org/data/example-data-001.vot?X-Sig=1"}]
    answer = broker.ask(request={"executable": container, "data": data, "compute": {"cores": {"min": 2}}})
    offer = answer["offers"][0]
    assert offer["executable"] == container
    assert offer["data"][0]["location"] == "https://example.org/data/example-data-001.vot"
    broker.update(offer["meta"]["uuid"], "ACCEPTED")
    [task_id] = tasks_of(broker)
    made = broker.api.task(task_id)
    image = f"ghcr.io/zarquan/heliophorus-cantliei:sha-831ee57@{DIGEST}"
    assert made["executors"] == [{"image": image, "command": ["10", "0"], "env": {"A": "1"}}]
    assert made["inputs"][0]["path"] == "/data/example-data-001"
    assert made["inputs"][0]["url"] == data[0]["location"]
    assert made["resources"] == {"cpu_cores": 2}
    assert "tags" not in made


def test_accepting_makes_a_task_for_that_instance_and_rejects_the_others(broker: Broker) -> None:
    wishes = {"cost_time_weight": 0.25}
    answer = broker.ask(request={**task(tags={"mine": "1"}), "preferences": wishes})
    one, two = (offer["meta"]["uuid"] for offer in answer["offers"])
    accepted = broker.update(two, "ACCEPTED").json()
    [task_id] = tasks_of(broker)
    assert (accepted["phase"], accepted["x-gateway"]["task_id"]) == ("WAITING", task_id)
    assert broker.phase(one) == "REJECTED"
    record = broker.api.record(task_id)
    pinned = accepted["x-gateway"]["backend"]
    assert record.preference["instances"] == {"type": "allow", "instances": [pinned]}
    assert record.preference["weight"] == "0.25"
    assert broker.api.task(task_id)["tags"] == {"mine": "1"}
    assert record.tags == ("mine=1",)
    shown = broker.api.get(answer["meta"]["url"]).json()
    assert sorted(offer["phase"] for offer in shown["offers"]) == ["REJECTED", "WAITING"]


def test_accepting_again_is_the_same_and_accepting_another_is_too_late(aging: Broker) -> None:
    one, two = (offer["meta"]["uuid"] for offer in aging.ask()["offers"])
    first, again = aging.update(one, "ACCEPTED"), aging.update(one, "ACCEPTED")
    assert first.json() == again.json()
    problem_of(aging.update(two, "ACCEPTED"), 409)
    aging.api.clock.advance(301)
    assert aging.update(one, "ACCEPTED").status_code == 200
    assert len(tasks_of(aging)) == 1


def test_many_accept_at_once_and_one_task_comes_of_it(broker: Broker) -> None:
    uuids = [offer["meta"]["uuid"] for offer in broker.ask()["offers"]]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(
            pool.map(lambda n: (uuids[n % 2], broker.update(uuids[n % 2], "ACCEPTED").status_code), range(16))
        )
    won = {uuid for uuid, status in statuses if status == 200}
    assert len(won) == 1
    assert {status for uuid, status in statuses if uuid not in won} == {409}
    assert {status for uuid, status in statuses if uuid in won} == {200}
    assert len(tasks_of(broker)) == 1


def test_offers_expire(aging: Broker) -> None:
    answer = aging.ask()
    uuid = answer["offers"][0]["meta"]["uuid"]
    aging.api.clock.advance(300)
    problem_of(aging.update(uuid, "ACCEPTED"), 409)
    problem_of(aging.update(uuid, "REJECTED"), 409)
    assert aging.phase(uuid) == "EXPIRED"
    problem_of(aging.api.get(answer["meta"]["url"]), 410)
    aging.api.clock.advance(24 * 3600)
    problem_of(aging.api.get(answer["meta"]["url"]), 404)
    problem_of(aging.api.get(f"{BROKER}/sessions/{uuid}"), 404)
    assert tasks_of(aging) == []


def test_an_offer_can_be_rejected_and_the_others_stay(broker: Broker) -> None:
    one, two = (offer["meta"]["uuid"] for offer in broker.ask()["offers"])
    assert [broker.update(one, "REJECTED").json()["phase"] for _ in range(2)] == ["REJECTED", "REJECTED"]
    problem_of(broker.update(one, "ACCEPTED"), 409)
    assert broker.phase(two) == "OFFERED"
    assert broker.update(two, "ACCEPTED").status_code == 200
    problem_of(broker.update(two, "REJECTED"), 409)


def test_cancelling_cancels_the_task(broker: Broker) -> None:
    uuid = broker.ask()["offers"][0]["meta"]["uuid"]
    problem_of(broker.update(uuid, "CANCELLED"), 409)
    broker.update(uuid, "ACCEPTED")
    for _ in range(2):
        assert broker.update(uuid, "CANCELLED").json()["phase"] in ("RELEASING", "CANCELLED")
    [task_id] = tasks_of(broker)
    assert broker.api.record(task_id).cancel_requested_at is not None


def test_an_offer_that_is_none_any_more_cannot_be_accepted(aging: Broker) -> None:
    window = {"schedule": {"requested": {"start": "2029-12-31T23:00:00Z/2030-01-01T00:00:20Z"}}}
    answer = aging.ask(request=request(**window))
    assert backends(answer) == ["fast"]
    aging.api.clock.advance(15)
    uuid = answer["offers"][0]["meta"]["uuid"]
    problem = problem_of(aging.update(uuid, "ACCEPTED"), 409)
    assert (
        problem["detail"] == "fast: would start at 2030-01-01T00:00:25Z, wanted is 2030-01-01T00:00:20Z at the latest"
    )
    assert aging.phase(uuid) == "OFFERED"
    assert tasks_of(aging) == []


def test_an_instance_that_left_meanwhile_is_no_offer_any_more(aging: Broker) -> None:
    answer = aging.ask(request=request(preferences={"cost_time_weight": 1}))
    one, two = (offer["meta"]["uuid"] for offer in answer["offers"])
    now = aging.api.clock.now()
    gone = Probed(False, now, now + timedelta(hours=1), failures=1, error="no answer")
    aging.api.gateway.stores.records.put("probe", "https://fast.example.org", probed_to_json(gone), now)
    aging.api.gateway.services.federation.forget_view()
    problem = problem_of(aging.update(one, "ACCEPTED"), 409)
    assert problem["detail"] == "fast: is unreachable: no answer"
    assert tasks_of(aging) == []
    assert aging.update(two, "ACCEPTED").status_code == 200


def test_direct_accepts_the_best_offer_at_once(broker: Broker) -> None:
    answer = broker.api.post(BROKER + "/direct", request(preferences={"cost_time_weight": 1}))
    session = answer.json()
    assert (answer.status_code, session["phase"], session["x-gateway"]["backend"]) == (200, "WAITING", "fast")
    assert faults("execution-broker", "Session", session) == []
    assert tasks_of(broker) == [session["x-gateway"]["task_id"]]
    assert broker.api.get(answer.headers["Location"]).json() == session


def test_direct_says_why_not_with_a_failed_session(broker: Broker) -> None:
    answer = broker.api.post(BROKER + "/direct", task(resources={"cpu_cores": 512}))
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
    session = answer.json()
    assert faults("execution-broker", "Session", session) == []
    assert session["phase"] == "FAILED"
    assert len(session["meta"]["messages"]) == 2
    problem_of(broker.api.post(BROKER + "/direct", {}), 400)


def test_updates_of_2025_are_taken(broker: Broker) -> None:
    uuid = broker.ask()["offers"][0]["meta"]["uuid"]
    old = {"update": {"type": "uri:enum-value-update", "path": "state", "value": "ACCEPTED"}}
    assert broker.api.post(f"{BROKER}/sessions/{uuid}", old).json()["phase"] == "WAITING"


@pytest.mark.parametrize(
    ("update", "status", "field"),
    [
        ({}, 400, "kind"),
        ({"kind": "uri:string-value-update", "path": "/phase", "value": "ACCEPTED"}, 400, "kind"),
        ({"kind": "uri:enum-value-update", "path": "/expires", "value": "ACCEPTED"}, 400, "path"),
        ({"kind": "uri:enum-value-update", "path": "/phase", "value": "DONE"}, 400, "value"),
        ({"kind": "uri:enum-value-update", "path": "/phase", "value": 3}, 400, "value"),
        ({"update": "ACCEPTED"}, 400, "update"),
        ([], 400, "body"),
        ({"kind": "uri:enum-value-update", "path": "/phase", "value": "RUNNING"}, 409, None),
        ({"kind": "uri:enum-value-update", "path": "/phase", "value": "READY"}, 409, None),
        ({"kind": "uri:enum-value-update", "path": "/phase", "value": "OFFERED"}, 409, None),
    ],
)
def test_other_updates_are_refused(broker: Broker, update: Any, status: int, field: str | None) -> None:
    uuid = broker.ask()["offers"][0]["meta"]["uuid"]
    problem = problem_of(broker.api.post(f"{BROKER}/sessions/{uuid}", update), status)
    if field is not None:
        assert problem["errors"][0]["field"] == field
    assert broker.phase(uuid) == "OFFERED"


@pytest.mark.parametrize("uuid", ["none", "00000000-0000-4000-8000-000000000001", "{0}", "%00", "é"])
def test_what_is_not_there_is_404(broker: Broker, uuid: str) -> None:
    problem_of(broker.api.get(f"{BROKER}/sessions/{uuid}"), 404)
    problem_of(broker.api.get(f"{BROKER}/offersets/{uuid}"), 404)
    problem_of(broker.update(uuid, "ACCEPTED"), 404)


def test_a_set_is_no_session_and_a_session_no_set(broker: Broker) -> None:
    answer = broker.ask()
    problem_of(broker.api.get(f"{BROKER}/sessions/{answer['meta']['uuid']}"), 404)
    problem_of(broker.api.get(f"{BROKER}/offersets/{answer['offers'][0]['meta']['uuid']}"), 404)
    problem_of(broker.api.get(f"{BROKER}/sessions/{answer['meta']['uuid'][:-2]}ff"), 404)


def test_instances_have_no_urls_where_they_are_not_shown() -> None:
    with offering(api={"show_instances": False}) as api:
        answer = Broker(api).ask()
        assert all("url" not in offer["x-gateway"] for offer in answer["offers"])


def test_without_instances_the_answer_is_no(api: Api) -> None:
    answer = Broker(api).ask()
    assert answer["result"] == "NO"
    assert [each["message"] for each in answer["meta"]["messages"]] == ["no instance is known"]


def test_a_task_can_be_run_as_offered(aging: Broker) -> None:
    offers = aging.api.post("/protes/v1/offers", dict(TASK)).json()["offers"]
    by_instance = {each["instance"]: each for each in offers}
    assert {each["expires"] for each in offers} == {"2030-01-01T00:05:00.000000Z"}
    tagged = {**TASK, "tags": {"protes.offer": by_instance["cheap"]["offer"]}}
    record = aging.api.record(aging.api.create(tagged))
    assert record.preference["instances"] == {"type": "allow", "instances": ["cheap"]}
    aging.api.clock.advance(300)
    problem = problem_of(aging.api.post("/v1/tasks", tagged), 400)
    assert problem["errors"][0]["field"] == "tags.protes.offer"
