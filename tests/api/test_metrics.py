"""`/metrics` over real HTTP: what a gateway at work says of itself, and to whom."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from protes.metrics.catalogue import ALL
from tests.api.conftest import Api, problem_of, serving
from tests.support.fake_tes import FakeTes
from tests.support.harness import instance
from tests.support.running import Running, Samples, running
from tests.support.waiting import wait_until

TOKEN = "a-token-for-scraping"
ROUTE = "/ga4gh/tes/v1/tasks/{id}"


def test_a_task_is_counted_from_its_creation_to_its_end() -> None:
    with FakeTes() as fake, running(instances=[instance("a", fake, prices={"cpu_core_hour": "1"})]) as gateway:
        fake.auto()
        task_id = gateway.create(
            {"executors": [{"image": "alpine", "command": ["true"]}], "resources": {"cpu_cores": 1}}
        )
        gateway.wait_for(task_id, "COMPLETE")
        # What happens is counted right after it can be seen.
        wait_until(lambda: gateway.metrics().get("protes_estimate_cost_ratio_count", instance="a") == 1, "it is learnt")
        wait_until(lambda: gateway.metrics().get("protes_task_seconds_count", state="COMPLETE") == 1, "it is counted")
        wait_until(lambda: (gateway.metrics().get("protes_job_seconds_count", job="dispatch") or 0) >= 1, "a job ended")
        seen = gateway.metrics()
        assert seen.get("protes_tasks_created_total") == 1
        assert seen.get("protes_tasks_finished_total", instance="a", state="COMPLETE") == 1
        assert seen.get("protes_attempts_total", instance="a", outcome="accepted") == 1
        assert seen.get("protes_dispatch_seconds_count", instance="a") == 1
        assert seen.get("protes_task_seconds_count", state="COMPLETE") == 1
        assert seen.get("protes_estimate_seconds_ratio_count", instance="a") == 1
        assert seen.get("protes_estimate_cost_ratio_count", instance="a") == 1
        assert seen.get("protes_instance_up", instance="a") == 1
        assert seen.get("protes_instance_status", instance="a", status="ok") == 1
        assert seen.get("protes_instance_tasks", instance="a", state="queued") == 0
        assert (seen.get("protes_relay_swept_timestamp_seconds", instance="a") or 0) > 1.7e9
        assert (seen.get("protes_job_seconds_count", job="dispatch") or 0) >= 1
        assert (seen.get("protes_store_seconds_count", operation="tasks.create") or 0) >= 1
        assert seen.get("protes_leader") == 1


def test_every_sample_belongs_to_a_metric_of_the_catalogue(api: Api) -> None:
    api.create()
    known = {each.name for each in ALL}
    suffixed = {f"{each.name}_{end}" for each in ALL for end in ("bucket", "count", "sum") if each.kind == "histogram"}
    assert Samples.read(api.get("/metrics").text).names() <= known | suffixed


def test_what_fails_is_counted_by_instance_and_kind() -> None:
    with FakeTes() as fake, running(instances=[instance("a", fake)]) as gateway:
        wait_until(lambda: gateway.metrics().get("protes_instance_up", instance="a") == 1, "it is up", 30)
        fake.fault("create", "invalid")
        gateway.wait_for(gateway.create(), "SYSTEM_ERROR")
        ended = {"instance": "none", "state": "SYSTEM_ERROR"}
        wait_until(lambda: gateway.metrics().get("protes_tasks_finished_total", **ended) == 1, "its end is counted")
        seen = gateway.metrics()
        assert seen.get("protes_instance_errors_total", instance="a", call="create", error="Refused") == 1
        assert seen.get("protes_attempts_total", instance="a", outcome="rejected") == 1
        fake.refuse()
        wait_until(lambda: (_ejections(gateway) or 0) >= 1, "it is ejected", 30)
        fake.resume()


def _ejections(gateway: Running) -> float | None:
    gateway.gateway.services.federation.refresh()
    return gateway.metrics().get("protes_ejections_total", instance="a", kind="unreachable")


def test_paths_never_become_labels(api: Api) -> None:
    for path in ("/ga4gh/tes/v1/tasks/one", "/ga4gh/tes/v1/tasks/two", "/nowhere/1", "/nowhere/2", "/w/9/v1/tasks"):
        api.get(path)
    api.call("BREW", "/ga4gh/tes/v1/tasks")
    seen = Samples.read(api.get("/metrics").text)
    assert (seen.get("protes_http_requests_total", method="GET", route=ROUTE, status="404") or 0) >= 2
    assert not any("one" in each or "nowhere" in each for each in seen.labels("protes_http_requests_total", "route"))
    assert "OTHER" in seen.labels("protes_http_requests_total", "method")


def test_openmetrics_is_there_for_who_asks(api: Api) -> None:
    answer = api.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "192.0.2.1"},
        {"Via": "1.1 proxy"},
        {"Host": "elsewhere.example.org"},
        {"Origin": "https://elsewhere.example.org"},
    ],
)
def test_without_a_token_this_machine_alone_may_read(api: Api, headers: dict[str, str]) -> None:
    assert api.get("/metrics").status_code == 200
    problem_of(api.get("/metrics", headers=headers), 403)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Api]:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n", encoding="utf-8")
    with serving(metrics={"token_file": str(file)}) as api:
        yield api


def test_with_a_token_everybody_needs_it(guarded: Api) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = guarded.get("/metrics", headers=headers)
        problem_of(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    shown = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "192.0.2.1", "Host": "metrics.example.org"}
    assert guarded.get("/metrics", headers=shown).status_code == 200


def test_they_can_be_public_or_off() -> None:
    with serving(metrics={"public": True}) as api:
        assert api.get("/metrics", headers={"Host": "any.example.org", "Via": "1.1 proxy"}).status_code == 200
    with serving(metrics={"enabled": False}) as api:
        problem_of(api.get("/metrics"), 404)
        api.create()


def test_the_figures_of_requests_are_there_though_they_are_refused(api: Api) -> None:
    before = Samples.read(api.get("/metrics").text)
    api.get("/ga4gh/tes/v1/tasks", headers={"Host": "elsewhere.example.org"})
    after = Samples.read(api.get("/metrics").text)
    key = {"method": "GET", "route": "other", "status": "403"}
    name = "protes_http_requests_total"
    assert (after.get(name, **key) or 0) == (before.get(name, **key) or 0) + 1


def test_a_wait_for_a_change_is_no_slow_request(api: Api) -> None:
    task_id = api.create()
    before = Samples.read(api.get("/metrics").text)
    answer = requests.get(f"{api.url}/ga4gh/tes/v1/tasks/{task_id}", headers={"Prefer": "wait=1"}, timeout=30)
    assert answer.status_code == 200
    after = Samples.read(api.get("/metrics").text)
    key = {"method": "GET", "route": ROUTE}
    name = "protes_http_request_seconds_count"
    assert after.get(name, **key) == before.get(name, **key)
