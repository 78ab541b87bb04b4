"""What callers allow: where their tasks may go, over HTTP, and what becomes of tasks that wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from protes.api.callers import Caller
from protes.api.submission import Submission, submit
from protes.clock import ManualClock
from protes.planning.consent import Consent
from tests.api.conftest import Api, problem_of
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.issuer import Issuer
from tests.support.people import People, Person, people

MINE = "/protes/v1/me/instances"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def everyone(issuer: Issuer) -> Iterator[People]:
    with people(issuer, api={"show_instances": True}) as everyone:
        yield everyone


@pytest.fixture
def ann(everyone: People) -> Iterator[Person]:
    ann = everyone("ann")
    yield ann
    assert ann.call("DELETE", MINE).status_code == 204
    everyone.api.clear()


def _set(person: Person, **consent: Any) -> dict[str, Any]:
    answer = person.call("PUT", MINE, json=consent)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def _permitted(person: Person) -> list[str]:
    services = person.get("/ga4gh/registry/v1/services?permitted=true").json()
    return sorted(each["id"] for each in services)


def test_everything_is_allowed_until_somebody_says_otherwise(ann: Person) -> None:
    everything = ann.get(MINE).json()
    assert {**everything, "allowed": []} == {
        "type": "forbid",
        "instances": [],
        "organizations": [],
        "zones": [],
        "allowed": [],
    }
    first, *others = everything["allowed"]
    assert others
    assert _permitted(ann) == everything["allowed"]
    shown = _set(ann, type="forbid", instances=[first])
    assert shown["allowed"] == others
    assert ann.get(MINE).json() == shown
    assert _permitted(ann) == others
    assert _set(ann, type="allow", instances=[first])["allowed"] == [first]
    assert ann.call("DELETE", MINE).status_code == 204
    assert ann.get(MINE).json() == everything


def test_a_task_that_may_go_nowhere_is_refused_at_once(ann: Person) -> None:
    assert _set(ann, type="allow")["allowed"] == []
    detail = problem_of(ann.post("/ga4gh/tes/v1/tasks", dict(TASK)), 400)["detail"]
    assert "no instance can ever run this task" in detail
    assert "PUT /protes/v1/me/instances" in detail
    assert ann.post("/protes/v1/offers", dict(TASK)).json()["offers"]
    ann.call("DELETE", MINE)
    ann.create()


def test_it_is_nobody_elses(ann: Person, everyone: People) -> None:
    _set(ann, type="allow")
    everyone("ben").create()
    assert everyone("ben").get(MINE).json()["allowed"]


def test_who_is_anonymous_cannot_speak_for_everybody(api: Api) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = api.call(method, MINE, **({"json": {"type": "allow"}} if method == "PUT" else {}))
        assert "anonymous" in problem_of(answer, 403)["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "type"),
        ({"type": "maybe"}, "type"),
        ({"type": "allow", "instances": "one"}, "instances"),
        ({"type": "allow", "zones": [1]}, "zones"),
        ({"type": "allow", "organizations": [""]}, "organizations"),
        ({"type": "allow", "places": []}, "places"),
        ({"type": "allow", "instances": [f"i{n}" for n in range(300)]}, "consent_entries"),
        ([], "body"),
    ],
)
def test_what_is_wrong_is_named(ann: Person, body: Any, named: str) -> None:
    assert named in problem_of(ann.call("PUT", MINE, json=body), 400)["detail"]


def _post_as(gateway: Harness, subject: str, **fields: Any) -> str:
    return submit(gateway.services, Caller(subject), Submission({**TASK, **fields}, "/ga4gh/tes/v1"))


def test_tasks_that_wait_obey_at_once() -> None:
    with FakeTes() as one, FakeTes() as two, Harness(instance("one", one), instance("two", two)) as gateway:
        gateway.probe()
        consents = gateway.services.planner.consents
        task_id = _post_as(gateway, "ann")
        consents.put("ann", Consent(instances=("one", "two")))
        gateway.turn()
        assert one.posts + two.posts == 0
        assert "me/instances" in gateway.notes(task_id)
        assert gateway.state(task_id) == "QUEUED"
        explained = gateway.services.planner.explanation(gateway.record(task_id))
        assert "me/instances" in str(explained)
        consents.put("ann", Consent(allow=True, instances=("two",)))
        gateway.turns(3, 30)
        assert (one.posts, two.posts) == (0, 1)


def test_no_chain_is_without_it_and_retries_obey_it() -> None:
    with FakeTes() as one, FakeTes() as two:
        with Harness(instance("one", one), instance("two", two), chain=[{"use": "random"}]) as gateway:
            gateway.probe()
            gateway.services.planner.consents.put("ann", Consent(instances=("two",)))
            for _ in range(6):
                _post_as(gateway, "ann", tags={"protes.retries": "3"})
            gateway.turn()
            assert (one.posts, two.posts) == (6, 0)
            for task in one.tasks.values():
                one.set_state(task.id, "SYSTEM_ERROR")
            gateway.turns(8, 10)
            assert two.posts == 0
