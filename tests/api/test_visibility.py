"""What somebody else has is as good as absent: no answer, header, token, key or figure tells that it is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from protes.clock import ManualClock
from protes.store.records import TaskQuery
from tests.api.conftest import TASK, Api
from tests.support.issuer import Issuer
from tests.support.offering import BROKER, REQUEST
from tests.support.people import PROTES, TES, People, Person, people

KEY = {"Idempotency-Key": "0123456789abcdef"}
ABSENT = "0abcdefghjkmnpqrstvwxyz01234"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def _everyone(issuer: Issuer) -> Iterator[People]:
    with people(issuer) as everyone:
        yield everyone


@pytest.fixture
def everyone(_everyone: People) -> Iterator[People]:
    """A gateway that shows tasks to their users, as it does by default."""
    yield _everyone
    _everyone.api.clear()


@pytest.fixture
def ann(everyone: People) -> Person:
    return everyone("ann")


@pytest.fixture
def ben(everyone: People) -> Person:
    return everyone("ben")


def said(answer: requests.Response, task_id: str) -> tuple[int, str, dict[str, str]]:
    """Return all that an answer says, but for the id that was asked for and what changes with time."""
    changing = ("date", "content-length", "x-request-id", "traceparent", "server-timing")
    headers = {name.lower(): value.replace(task_id, "ID") for name, value in answer.headers.items()}
    return (
        answer.status_code,
        answer.text.replace(task_id, "ID"),
        {name: value for name, value in headers.items() if name not in changing},
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"{base}/tasks/{{}}{view}") for base in (TES, "/v1", "/w/0.3/v1") for view in ("", "?view=FULL")),
        ("HEAD", f"{TES}/tasks/{{}}"),
        ("POST", f"{TES}/tasks/{{}}:cancel"),
        ("POST", "/v1/tasks/{}:cancel"),
        ("GET", f"{PROTES}/tasks/{{}}/routing"),
        ("DELETE", f"{PROTES}/tasks/{{}}"),
    ],
)
def test_somebody_elses_task_is_as_good_as_absent(ann: Person, ben: Person, method: str, path: str) -> None:
    task_id = ann.create(name="secret", tags={"run": "7"})
    tag = ann.get(f"{TES}/tasks/{task_id}").headers["ETag"]
    before = ann.api.record(task_id)
    for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}, {"Prefer": "wait=20"}):
        foreign = said(ben.call(method, path.format(task_id), headers), task_id)
        assert foreign == said(ben.call(method, path.format(ABSENT), headers), ABSENT)
        assert foreign[0] in (404, 405)
    assert ann.api.record(task_id) == before


def test_lists_hold_nothing_of_others(ann: Person, ben: Person) -> None:
    own = [ann.create(name=f"run-{number}", tags={"run": "7"}) for number in range(4)]
    others = [ben.create(name=f"run-{number}", tags={"run": "7", "private": ""}) for number in range(4)]
    for query in ("", "&name_prefix=run-", "&state=QUEUED", "&tag_key=run&tag_value=7", "&tag_key=run&tag_value="):
        assert ann.ids(query) == own[::-1]
        assert ben.ids(query) == others[::-1]
    assert ann.ids("&tag_key=private&tag_value=") == []
    assert ann.ids("&name_prefix=run-3") == [own[3]]


def test_the_tag_of_a_list_does_not_tell_of_others(ann: Person, ben: Person) -> None:
    ann.create()
    before = ann.get(f"{TES}/tasks").headers["ETag"]
    ben.create()
    assert ann.get(f"{TES}/tasks", headers={"If-None-Match": before}).status_code == 304
    other = ben.get(f"{TES}/tasks").headers["ETag"]
    assert ann.get(f"{TES}/tasks", headers={"If-None-Match": other}).status_code == 200


def test_a_page_token_is_its_callers(ann: Person, ben: Person) -> None:
    for person in (ann, ben):
        for _ in range(3):
            person.create(tags={"run": "7"})
    token = ann.get(f"{TES}/tasks?page_size=1").json()["next_page_token"]
    assert ann.get(f"{TES}/tasks?page_size=1&page_token={token}").status_code == 200
    foreign = ben.get(f"{TES}/tasks?page_size=1&page_token={token}")
    assert foreign.status_code == 400
    version, before, digest = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for forged in ([version, before, "0" * len(digest)], [version + 1, before, digest], [version, ABSENT, ""]):
        text = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
        assert ben.get(f"{TES}/tasks?page_token={text}").status_code == 400
        assert ann.get(f"{TES}/tasks?page_token={text}").status_code == 400


def test_many_are_cancelled_among_the_callers_own(ann: Person, ben: Person) -> None:
    own, other = ann.create(tags={"run": "7"}), ben.create(tags={"run": "7"})
    by_id = ann.post(f"{PROTES}/tasks:cancel", {"ids": [other, ABSENT]}).json()["results"]
    assert by_id[0] == {**by_id[1], "id": other}
    assert ann.post(f"{PROTES}/tasks:cancel", {"tags": {"run": "7"}}).json() == {"results": [{"id": own}]}
    assert ann.api.record(own).cancel_requested_at is not None
    assert ann.api.record(other).cancel_requested_at is None


def test_keys_of_different_callers_never_meet(ann: Person, ben: Person) -> None:
    made = ann.post(f"{TES}/tasks", TASK, headers=KEY).json()["id"]
    other = ben.post(f"{TES}/tasks", {**TASK, "name": "other"}, headers=KEY)
    assert other.status_code == 200
    assert other.json()["id"] != made
    same = ben.post(f"{TES}/tasks", {**TASK, "name": "other"}, headers=KEY)
    assert same.json()["id"] == other.json()["id"]


def test_an_offer_is_for_who_asked(ann: Person, ben: Person) -> None:
    offer = ann.post(f"{PROTES}/offers", TASK).json()["offers"][0]["offer"]
    answers = []
    for each in (offer, offer[:-4] + "zz-1"):
        answers.append(ben.post(f"{TES}/tasks", {**TASK, "tags": {"protes.offer": each}}))
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].text == answers[1].text
    ann.create(tags={"protes.offer": offer})


def test_a_session_is_its_owners(ann: Person, ben: Person) -> None:
    made = ann.post(f"{BROKER}/requests", REQUEST)
    session = made.json()["offers"][0]["meta"]["uuid"]
    accept = {"kind": "uri:enum-value-update", "path": "/phase", "value": "ACCEPTED"}
    for path, uuid in (
        (made.headers["Location"], made.headers["Location"][-36:]),
        (f"{BROKER}/sessions/{session}", session),
    ):
        absent = uuid[:9] + ("0000" if uuid[9:13] != "0000" else "1111") + uuid[13:]
        assert ann.get(path).status_code == 200
        for method, body in (("GET", None), ("POST", accept)):
            foreign = said(ben.call(method, path, json=body), uuid)
            assert foreign == said(ben.call(method, path.replace(uuid, absent), json=body), absent)
            assert foreign[0] in (404, 405)
    assert not ann.api.gateway.stores.tasks.list(TaskQuery())
    assert ann.post(f"{BROKER}/sessions/{session}", accept).status_code == 200
    (task,) = ann.api.gateway.stores.tasks.list(TaskQuery())
    assert (task.owner, task.audience) == ("local:ann", "user:local:ann")
    assert not ben.sees(task.id)


def test_operators_see_and_cancel_all(everyone: People, ann: Person, ben: Person) -> None:
    root = everyone("root")
    own, other = ann.create(tags={"run": "7"}), ben.create(tags={"run": "7"})
    assert root.sees(own)
    assert root.sees(other)
    assert root.ids("&tag_key=run&tag_value=7") == root.ids("&tag_key=run&tag_value=") == [other, own]
    assert root.ids("&state=QUEUED") == [other, own]
    assert root.post(f"{TES}/tasks/{own}:cancel").status_code == 200
    assert ann.api.record(own).cancel_requested_at is not None
    assert root.post(f"{PROTES}/tasks:cancel", {"ids": [other]}).json() == {"results": [{"id": other}]}
    mine = root.create()
    assert not ann.sees(mine)


def test_readers_see_all_and_change_nothing(everyone: People, ann: Person) -> None:
    eve, own = everyone("eve"), ann.create()
    assert eve.sees(own)
    for method, path, body in (
        ("POST", f"{TES}/tasks", TASK),
        ("POST", f"{TES}/tasks/{own}:cancel", None),
        ("POST", f"{PROTES}/tasks:cancel", {"ids": [own]}),
        ("POST", f"{PROTES}/tasks:create", [TASK]),
        ("POST", f"{PROTES}/instances:refresh", None),
        ("POST", "/ga4gh/registry/v1/services", {}),
        ("DELETE", f"{PROTES}/tasks/{own}", None),
    ):
        assert eve.call(method, path, json=body).status_code == 403, path
    assert ann.api.record(own).cancel_requested_at is None


def test_instances_are_the_operators(everyone: People, ann: Person) -> None:
    for person, shown, status in ((ann, False, 403), (everyone("eve"), True, 403), (everyone("root"), True, 200)):
        answer = person.get(f"{PROTES}/instances")
        assert [each["id"] for each in answer.json()["instances"]] == ["cheap", "fast"]
        assert ("example.org" in answer.text) == shown
        registry = person.get("/ga4gh/registry/v1/services")
        assert registry.status_code == (200 if shown else 403)
        assert person.post(f"{PROTES}/instances:refresh").status_code == status
    service = {"id": "x", "name": "x", "url": "https://x.example.org"}
    for method, path in (("POST", ""), ("PUT", "/x"), ("DELETE", "/x")):
        assert ann.call(method, f"/ga4gh/registry/v1/services{path}", json=service).status_code == 403


def test_the_summary_counts_what_the_caller_sees(everyone: People, ann: Person, ben: Person) -> None:
    ann.create()
    for _ in range(2):
        ben.create()
    everyone.api.clock.advance(10)  # counts of the tests before are forgotten

    def queued(person: Person) -> Any:
        return next(each for each in person.get(f"{PROTES}/summary").json()["tasks"] if each["state"] == "QUEUED")

    assert [queued(each)["count"] for each in (ann, ben, everyone("root"), everyone("eve"))] == [1, 2, 3, 3]


def test_without_authentication_everybody_is_one(api: Api) -> None:
    task_id = api.create(headers={"Authorization": "Bearer anything"})
    assert api.record(task_id).audience == ""
    assert api.get(f"{TES}/tasks/{task_id}").status_code == 200
    assert api.get(f"{TES}/tasks", headers={"Authorization": "Basic OmE="}).json()["tasks"][0]["id"] == task_id
