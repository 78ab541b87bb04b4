"""Gateways of gateways: chains run tasks and explain where, rings are refused (DESIGN.md section 4, "Loops")."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from protes.app import Gateway, create_gateway
from protes.config.loading import load
from protes.store.factory import create_stores
from tests.support.fake_tes import FakeTes
from tests.support.scripted_server import problem
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

TES = "/ga4gh/tes/v1/tasks"
TASK: Mapping[str, Any] = {"executors": [{"image": "alpine", "command": ["true"]}]}
ENDED = ("COMPLETE", "SYSTEM_ERROR", "EXECUTOR_ERROR", "CANCELED")


@dataclass
class Site:
    """A gateway at an address that is known before the gateway is made, as rings need it."""

    name: str
    url: str = ""
    gateway: Gateway | None = None

    @property
    def id(self) -> str:
        """The gateway's id."""
        return f"gateway-{self.name}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Serve."""
        assert self.gateway is not None
        return self.gateway.wsgi(environ, start_response)

    def start(self, instances: Mapping[str, str], upstream: tuple[str, ...]) -> None:
        """Make the gateway with instances (id: URL), taking tasks of the `upstream` gateways."""
        settings = {
            "gateway_id": self.id,
            "instances": [{"id": name, "url": url} for name, url in instances.items()],
            "api": {"upstream_gateways": upstream},
            "runner": {"tick_seconds": 0.05},
            "dispatch": {"first_retry_seconds": 0.2, "settle_within_seconds": 5},
        }
        self.gateway = create_gateway(load([], {}, settings), stores=create_stores("memory:"), environ={})
        self.gateway.start()

    def post(self, **tags: str) -> requests.Response:
        """Submit a task."""
        return requests.post(self.url + TES, json={**TASK, "tags": tags}, timeout=60)

    def get(self, task_id: str) -> dict[str, Any]:
        """Read a task."""
        found: dict[str, Any] = requests.get(f"{self.url}{TES}/{task_id}?view=FULL", timeout=60).json()
        return found

    def ended(self, task_id: str) -> dict[str, Any]:
        """Wait for a task's end."""
        wait_until(lambda: self.get(task_id)["state"] in ENDED, f"{task_id} ends at {self.name}")
        return self.get(task_id)

    def ready(self, *names: str) -> None:
        """Wait until instances are found."""
        assert self.gateway is not None
        federation = self.gateway.services.federation
        wait_until(
            lambda: {each.id for each in federation.view().instances if each.status == "ok"} >= set(names),
            f"{self.name} finds {names}",
        )


@contextmanager
def sites(*names: str) -> Iterator[list[Site]]:
    """Reserve addresses for gateways and close those that were made."""
    found = [Site(name) for name in names]
    with ExitStack() as stack:
        for site in found:
            site.url = stack.enter_context(serve_wsgi(site))
        try:
            yield found
        finally:
            for site in found:
                if site.gateway is not None:
                    site.gateway.close()


def test_a_chain_of_three_runs_a_task_and_the_explanation_follows_it_to_its_end() -> None:
    with FakeTes() as fake, sites("a", "b", "c") as (a, b, c):
        fake.auto(2, stdout="done")
        c.start({"node": fake.url}, (b.id,))
        b.start({"site-c": c.url}, (a.id,))
        a.start({"site-b": b.url}, ())
        c.ready("node")
        b.ready("site-c")
        a.ready("site-b")
        task_id = a.post(**{"protes.weight": "0.2"}).json()["id"]
        ended = a.ended(task_id)
        assert ended["state"] == "COMPLETE"
        assert ended["logs"][0]["logs"][0]["stdout"] == "done"
        [task] = fake.tasks.values()
        assert task.document["tags"]["protes_gateway"] == f"{a.id},{b.id},{c.id}"
        assert not [key for key in task.document["tags"] if key.startswith("protes.")]

        way = json.loads(ended["logs"][0]["metadata"]["protes.path"])
        assert [hop["instance"] for hop in way] == ["site-b", "site-c", "node"]
        assert (way[-1]["url"], way[-1]["task_id"]) == (fake.url, task.id)
        routing = requests.get(f"{a.url}/protes/v1/tasks/{task_id}/routing", timeout=60).json()
        assert routing["path"] == way
        # The weight went along.
        inner = requests.get(f"{b.url}/protes/v1/tasks/{way[0]['task_id']}/routing", timeout=60).json()
        assert (inner["weight"], inner["carrier"]) == ("0.2", "tag")


def test_cancelling_goes_through_the_chain() -> None:
    with FakeTes() as fake, sites("a", "b") as (a, b):
        b.start({"node": fake.url}, (a.id,))
        a.start({"site-b": b.url}, ())
        b.ready("node")
        a.ready("site-b")
        task_id = a.post().json()["id"]
        wait_until(lambda: bool(fake.tasks), "the task arrives")
        assert requests.post(f"{a.url}{TES}/{task_id}:cancel", timeout=60).json() == {}
        assert a.ended(task_id)["state"] == "CANCELED"
        assert [task.state for task in fake.tasks.values()] == ["CANCELED"]


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_a_ring_of_gateways_refuses_the_task_and_sends_it_nowhere_twice(names: tuple[str, ...]) -> None:
    with sites(*names) as ring:
        following = [*ring[1:], ring[0]]
        for site, after in zip(ring, following, strict=True):
            site.start({f"site-{after.name}": after.url}, tuple(each.id for each in ring))
        for site, after in zip(ring, following, strict=True):
            site.ready(f"site-{after.name}")
        ended = ring[0].ended(ring[0].post().json()["id"])
        assert ended["state"] == "SYSTEM_ERROR"
        notes = " ".join(ended["logs"][0]["system_logs"])
        assert "a gateway that the task has passed" in notes
        for site in ring[1:]:
            assert site.gateway is not None
            assert site.gateway.stores.tasks.count(unfinished=True) == 0


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_a_ring_with_a_way_out_takes_it(names: tuple[str, ...]) -> None:
    with FakeTes() as fake, sites(*names) as ring:
        fake.auto(1)
        following = [*ring[1:], ring[0]]
        for site, after in zip(ring, following, strict=True):
            out = {"node": fake.url} if site is ring[-1] else {}
            site.start({f"site-{after.name}": after.url, **out}, tuple(each.id for each in ring))
        for site, after in zip(ring, following, strict=True):
            site.ready(f"site-{after.name}")
        ring[-1].ready("node")
        for _ in range(3):
            assert ring[0].ended(ring[0].post().json()["id"])["state"] == "COMPLETE"
        assert fake.creates() == 3


def test_a_gateway_that_has_the_task_already_answers_508_and_nothing_is_left_behind() -> None:
    with sites("a") as (a,):
        a.start({}, ("gateway-x",))
        answer = requests.post(a.url + TES, json=dict(TASK), headers={"Via": f"1.1 gateway-x, 1.1 {a.id}"}, timeout=60)
        assert answer.status_code == 508
        assert a.gateway is not None
        assert a.gateway.stores.tasks.count() == 0


def test_a_508_is_a_refusal_and_neither_ambiguous_nor_a_failure_of_the_instance() -> None:
    with FakeTes(gateway_id="gateway-other") as other, FakeTes() as node, sites("a") as (a,):
        node.auto(1)
        other.fault("create", problem(508, "round and round"), times=100)
        a.start({"first": other.url, "second": node.url}, ())
        a.ready("first", "second")
        for _ in range(4):
            assert a.ended(a.post().json()["id"])["state"] == "COMPLETE"
        assert a.gateway is not None
        assert a.gateway.services.federation.health.ejections() == {}


def test_a_protes_as_it_was_in_2023_tells_where_it_forwarded_to() -> None:
    with FakeTes(service_id="org.ga4gh.proTES") as old, sites("a") as (a,):
        a.start({"old": old.url}, ())
        a.ready("old")
        task_id = a.post().json()["id"]
        wait_until(lambda: bool(old.tasks), "the task arrives")
        [task] = old.tasks.values()
        old.finish(task.id)
        task.log["metadata"] = {"forwarded_to": {"id": "remote-7", "url": "https://tesk.example.org"}}
        ended = a.ended(task_id)
        way = json.loads(ended["logs"][0]["metadata"]["protes.path"])
        assert way[1:] == [
            {"instance": "https://tesk.example.org", "url": "https://tesk.example.org", "task_id": "remote-7"}
        ]
