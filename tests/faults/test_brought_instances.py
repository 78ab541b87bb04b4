"""Tasks that bring their own instances along, from POST to the end, whatever those instances and registries do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from protes.api.problems import Problem
from protes.federation.brought import client_id
from tests.support.fake_registry import FakeRegistry, service_entry
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.scripted_server import ScriptedServer, Stall
from tests.support.waiting import wait_until

OPEN = {"policy": "open", "allow_private": True, "fetch_seconds": 10}
HASTY = {**OPEN, "fetch_seconds": 1.5}
"""Where something hangs."""
LIKED: Mapping[str, Any] = {"prices": {"cpu_core_hour": "0"}, "speed": 10.0}


def task(tes: list[str] | None = None, registries: list[str] | None = None, **tags: str) -> dict[str, Any]:
    given = {f"protes.{name}": value for name, value in tags.items()}
    given |= {"protes.tes_urls": json.dumps(tes)} if tes else {}
    given |= {"protes.service_registry_urls": json.dumps(registries)} if registries else {}
    return {**TASK, "tags": given}


def finish(gateway: Harness, task_id: str, most: int = 20) -> str:
    """Take turns until the task has ended; return its state."""
    for _ in range(most):
        if gateway.record(task_id).state.finished:
            break
        gateway.turn(1)
    return gateway.state(task_id)


def place(gateway: Harness, task_id: str) -> str | None:
    """Take turns until the task is somewhere; return the id of the instance."""
    for _ in range(10):
        attempts = gateway.record(task_id).attempts
        if attempts:
            return attempts[-1].instance_id
        gateway.turn(1)
    return None


def explained(gateway: Harness, task_id: str) -> str:
    return json.dumps(gateway.services.planner.explanation(gateway.record(task_id)))


@pytest.fixture
def own() -> Iterator[FakeTes]:
    """An instance of the operator's, that any task would go to."""
    with FakeTes() as fake:
        yield fake


@pytest.fixture
def new() -> Iterator[FakeTes]:
    """An instance that only tasks name."""
    with FakeTes() as fake:
        fake.auto(polls=2, stdout="done\n")
        yield fake


# Under open


def test_a_task_runs_at_the_instance_that_it_brings_along(own: FakeTes, new: FakeTes) -> None:
    with Harness(instance("own", own, **LIKED), task_instances=OPEN) as gateway:
        gateway.probe()
        task_id = gateway.post(task([new.url]))
        assert finish(gateway, task_id) == "COMPLETE"
        assert gateway.record(task_id).attempts[-1].instance_id == client_id(new.url)
        assert gateway.task(task_id)["logs"][0]["logs"][0]["stdout"] == "done\n"
        assert (own.posts, new.posts) == (0, 1)
        [forwarded] = new.tasks.values()
        assert new.server.url not in json.dumps(forwarded.document)
        assert not [key for key in forwarded.document["tags"] if key.startswith("protes.")]


def test_an_instance_that_one_task_brought_takes_no_other(own: FakeTes, new: FakeTes) -> None:
    with Harness(instance("own", own), task_instances=OPEN) as gateway:
        gateway.probe()
        assert place(gateway, gateway.post(task([new.url]))) == client_id(new.url)
        for _ in range(3):
            assert place(gateway, gateway.post()) == "own"
        assert place(gateway, gateway.post(task([own.url]))) == "own"
        assert (own.posts, new.posts) == (4, 1)


def test_a_gateway_without_instances_of_its_own_serves_tasks_that_bring_them(new: FakeTes) -> None:
    with Harness(task_instances=OPEN) as gateway:
        assert finish(gateway, gateway.post(task([new.url]))) == "COMPLETE"


def test_a_task_runs_at_an_instance_of_the_registry_that_it_names(own: FakeTes, new: FakeTes) -> None:
    with FakeRegistry([service_entry(new.url)]) as registry:
        with Harness(instance("own", own, **LIKED), task_instances=OPEN) as gateway:
            gateway.probe()
            for _ in range(3):
                task_id = gateway.post(task(registries=[registry.url]))
                assert finish(gateway, task_id) == "COMPLETE"
        assert registry.fetches == 1
    assert (own.posts, new.posts) == (0, 3)
    assert new.server.count("GET", "*/service-info") == 1


def test_known_and_new_ones_compete(own: FakeTes, new: FakeTes) -> None:
    with Harness(instance("own", own, **LIKED), task_instances=OPEN) as gateway:
        gateway.probe()
        order = json.dumps({"type": "order", "instances": [new.url]})
        assert place(gateway, gateway.post(task([own.url, new.url], instances=order))) == client_id(new.url)
        forbid = json.dumps({"type": "forbid", "instances": [new.url]})
        assert place(gateway, gateway.post(task([own.url, new.url], instances=forbid))) == "own"


def test_a_dead_url_next_to_a_live_one_costs_its_time_once(new: FakeTes) -> None:
    with ScriptedServer() as hanging, Harness(task_instances=HASTY) as gateway:
        hanging.on("*", "*", Stall())
        urls = [hanging.url, new.url]
        assert place(gateway, gateway.post(task(urls))) == client_id(new.url)
        began = time.monotonic()
        for _ in range(10):
            assert place(gateway, gateway.post(task(urls))) == client_id(new.url)
        assert time.monotonic() - began < 8
        assert hanging.count() == 1


def test_posting_asks_nobody_and_takes_no_time(new: FakeTes) -> None:
    with ScriptedServer() as hanging, Harness(task_instances=HASTY) as gateway:
        hanging.on("*", "*", Stall())
        began = time.monotonic()
        task_id = gateway.post(task([new.url], [f"{hanging.url}/ga4gh/registry/v1"]))
        assert time.monotonic() - began < 8
        assert (hanging.count(), new.server.count()) == (0, 0)
        assert place(gateway, task_id) == client_id(new.url)


def test_what_cannot_be_reached_is_explained_and_waited_for(own: FakeTes, new: FakeTes) -> None:
    new.refuse()
    with Harness(instance("own", own), task_instances=OPEN) as gateway:
        gateway.probe()
        task_id = gateway.post(task([new.url]))
        gateway.turns(3, 1)
        assert gateway.state(task_id) == "QUEUED"
        assert "connection refused" in explained(gateway, task_id)
        assert own.posts == 0
        new.resume()

        def placed() -> bool:
            gateway.turn(31)
            return bool(gateway.record(task_id).attempts)

        wait_until(placed, "the task is there")
        assert new.posts == 1


def test_an_instance_that_refuses_a_task_for_good_ends_it(own: FakeTes) -> None:
    """There is nowhere else to go: never to an instance that the task did not name."""
    with FakeTes(gateway_id="gateway-under-test") as mirror:
        with Harness(instance("own", own), task_instances=OPEN) as gateway:
            gateway.probe()
            task_id = gateway.post(task([mirror.url]))
            assert finish(gateway, task_id) == "SYSTEM_ERROR"
            assert "this gateway itself" in gateway.notes(task_id)
    assert own.posts == mirror.posts == 0


def test_a_task_is_relayed_and_cancelled_after_a_restart_and_without_its_url(own: FakeTes) -> None:
    with FakeTes() as new, Harness(instance("own", own), task_instances=OPEN) as gateway:
        gateway.probe()
        ran, cancelled = gateway.post(task([new.url])), gateway.post(task([new.url]))
        assert place(gateway, ran) == place(gateway, cancelled) == client_id(new.url)
        with gateway.restarted() as after:
            after.cancel(cancelled)
            [first, _] = new.tasks
            new.finish(first)
            assert finish(after, ran) == "COMPLETE"
            assert finish(after, cancelled) == "CANCELED"


def test_a_failed_forward_goes_to_the_next_one_that_the_task_names(own: FakeTes, new: FakeTes) -> None:
    with FakeTes() as failing, Harness(instance("own", own, **LIKED), task_instances=OPEN) as gateway:
        gateway.probe()
        order = json.dumps({"type": "order", "instances": [failing.url, new.url]})
        urls = [failing.url, new.url]
        assert place(gateway, gateway.post(task(urls, instances=order))) == client_id(failing.url)
        failing.refuse()
        task_id = gateway.post(task(urls, instances=order))
        gateway.turns(3, 1)
        assert gateway.record(task_id).attempts[-1].instance_id == client_id(new.url)
        assert own.posts == 0
        failing.resume()


# Under subset and off


def test_under_subset_a_task_goes_only_where_it_says(own: FakeTes, new: FakeTes) -> None:
    with Harness(instance("own", own, **LIKED), instance("other", new)) as gateway:
        gateway.probe()
        for _ in range(3):
            assert place(gateway, gateway.post(task([new.server.url]), weight="0")) == "other"
        assert own.posts == 0


def test_under_subset_the_registry_decides(own: FakeTes, new: FakeTes) -> None:
    with FakeRegistry([service_entry(new.url, name="listed")]) as registry:
        with Harness(instance("own", own, **LIKED), registries=[{"url": registry.url}]) as gateway:
            wait_until(lambda: _knows(gateway, 2), "both are known")
            gateway.probe()
            assert place(gateway, gateway.post(task(registries=[registry.url]), weight="0")) == "listed"


def test_under_subset_nothing_is_left_is_a_400(own: FakeTes, new: FakeTes) -> None:
    with Harness(instance("own", own)) as gateway:
        gateway.probe()
        with pytest.raises(Problem, match="none of these is the URL of an instance") as caught:
            gateway.post(task([new.url]))
        assert caught.value.status == 400
        assert gateway.stores.tasks.count() == 0
    assert new.server.count() == 0


def test_under_subset_an_instance_that_leaves_leaves_the_task_waiting(own: FakeTes, new: FakeTes) -> None:
    new.refuse()
    with Harness(instance("own", own), instance("other", new)) as gateway:
        gateway.probe()
        task_id = gateway.post(task([new.url]))
        gateway.turns(3, 1)
        assert gateway.state(task_id) == "QUEUED"
        assert own.posts == 0
        new.resume()


def test_off_is_a_400(own: FakeTes) -> None:
    with Harness(instance("own", own), task_instances={"policy": "off"}) as gateway:
        gateway.probe()
        with pytest.raises(Problem, match=r"task_instances\.policy"):
            gateway.post(task([own.url]))


def _knows(gateway: Harness, count: int) -> bool:
    gateway.services.federation.forget_view()
    return len(gateway.services.federation.view().instances) == count
