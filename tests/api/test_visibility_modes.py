"""Whom tasks are shown to: everybody, their user, tenant or group; what a new setting changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from protes.clock import ManualClock
from protes.store.audiences import of_group
from tests.api.conftest import TASK, problem_of
from tests.support.issuer import Issuer
from tests.support.people import PROTES, TES, People, people
from tests.support.task_records import a_task

PLAIN = {"weight": "0.5", "carrier": "default"}
"""The preference of a task that is put into the store."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


def test_without_bounds_everybody_sees_all(issuer: Issuer) -> None:
    with people(issuer, visibility={"tasks": "none"}) as everyone:
        ann, ben = everyone("ann"), everyone("ben")
        own = ann.create(tags={"run": "7"})
        before = everyone.api.gateway.stores.tasks.create(a_task("before", owner="x", audience="user:x")).id
        assert everyone.api.record(own).owner == "local:ann"
        assert sorted(ben.ids()) == sorted(ann.ids()) == sorted([before, own])
        assert ben.ids("&tag_key=run&tag_value=7") == [own]
        assert ben.sees(own)
        assert ben.post(f"{TES}/tasks/{own}:cancel").status_code == 200


def test_a_tenant_shares_its_tasks(issuer: Issuer) -> None:
    with people(issuer, visibility={"tasks": "tenant"}) as everyone:
        ann, ben = everyone("ann", tenant="one"), everyone("ben", tenant="one")
        cem, dee = everyone("cem", tenant="two"), everyone("dee")
        own, alone = ann.create(), dee.create()
        assert everyone.api.record(own).audience == "tenant:local:one"
        assert ben.sees(own)
        assert ben.post(f"{TES}/tasks/{own}:cancel").status_code == 200
        assert not cem.sees(own)
        assert not dee.sees(own)
        assert dee.sees(alone)
        assert not ann.sees(alone)


@pytest.fixture(scope="module")
def _grouped(issuer: Issuer) -> Iterator[People]:
    with people(issuer, visibility={"tasks": "group"}) as everyone:
        yield everyone


@pytest.fixture
def grouped(_grouped: People) -> Iterator[People]:
    yield _grouped
    _grouped.api.clear()


def test_the_only_group_of_a_caller_sees_their_tasks(grouped: People) -> None:
    ann, ben, cem = grouped("ann", "imaging"), grouped("ben", "imaging", "genomics"), grouped("cem", "genomics")
    own = ann.create()
    assert grouped.api.record(own).audience == "group:local:imaging"
    assert ben.sees(own)
    assert not cem.sees(own)
    assert not grouped("dee").sees(own)
    private = ann.create(tags={"protes.group": ""})
    assert ann.sees(private)
    assert not ben.sees(private)


def test_who_is_in_several_groups_names_one_or_keeps_the_task(grouped: People) -> None:
    ann, ben, cem = grouped("ann", "imaging", "genomics"), grouped("ben", "imaging"), grouped("cem", "genomics")
    kept = ann.create()
    shared = ann.create(tags={"protes.group": "local:genomics"})
    parameters = {"resources": {"backend_parameters": {"protes_group": "local:imaging"}}}
    other = ann.create(**parameters)
    assert ann.ids() == [other, shared, kept]
    assert ben.ids() == [other]
    assert cem.ids() == [shared]


@pytest.mark.parametrize("group", ["local:imaging", "imaging", "*", "local:genomics "])
def test_a_group_that_the_caller_is_not_in_is_refused(grouped: People, group: str) -> None:
    ann = grouped("ann", "genomics", "pathology")
    problem = problem_of(ann.post(f"{TES}/tasks", {**TASK, "tags": {"protes.group": group}}), 400)
    assert problem["errors"] == [
        {
            "field": "tags.protes.group",
            "detail": "you are in no such group; yours are local:genomics, local:pathology",
        }
    ]
    results = ann.post(f"{PROTES}/tasks:create", [{**TASK, "tags": {"protes.group": group}}]).json()["results"]
    assert results[0]["problem"]["errors"] == problem["errors"]


def test_whoever_leaves_a_group_sees_its_tasks_no_more(grouped: People) -> None:
    own = grouped("ann", "imaging").create()
    assert not grouped("ann").sees(own)
    assert not grouped("ann", "genomics").sees(own)


def test_tasks_of_more_groups_than_a_store_merges_at_once(grouped: People) -> None:
    groups = [f"g{number:02}" for number in range(70)]
    ann, tasks = grouped("ann", *groups), grouped.api.gateway.stores.tasks
    made = [
        tasks.create(a_task(audience=of_group(f"local:{group}"), tags=("run=7",), preference=PLAIN)).id
        for group in groups
    ]
    tasks.create(a_task(audience=of_group("local:other"), tags=("run=7",)))
    assert ann.ids() == ann.ids("&tag_key=run&tag_value=7") == made[::-1]
    assert ann.sees(made[35])
    page = ann.get(f"{TES}/tasks?page_size=50")
    assert ann.get(f"{TES}/tasks?page_size=50", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304
    cancelled = ann.post(f"{PROTES}/tasks:cancel", {"tags": {"run": "7"}}).json()["results"]
    assert [each["id"] for each in cancelled] == made[::-1]


def test_only_the_groups_of_the_settings_count(issuer: Issuer) -> None:
    settings = {"tasks": "group", "groups": ["local:imaging"]}
    with people(issuer, visibility=settings) as everyone:
        ann, ben = everyone("ann", "imaging", "staff"), everyone("ben", "staff")
        own = ann.create()
        assert everyone.api.record(own).audience == "group:local:imaging"
        assert not ben.sees(own)
        alone = ben.create()
        assert everyone.api.record(alone).audience == "user:local:ben"
        refused = ann.post(f"{TES}/tasks", {**TASK, "tags": {"protes.group": "local:staff"}})
        assert problem_of(refused, 400)["errors"][0]["detail"].endswith("yours are local:imaging")


@pytest.mark.parametrize("tasks", ["none", "user", "tenant"])
def test_a_group_is_refused_where_tasks_are_not_shown_by_group(issuer: Issuer, tasks: str) -> None:
    with people(issuer, visibility={"tasks": tasks}) as everyone:
        for group in ("local:imaging", ""):
            asked = {**TASK, "tags": {"protes.group": group}}
            problem = problem_of(everyone("ann", "imaging").post(f"{TES}/tasks", asked), 400)
            assert problem["errors"][0]["field"] == "tags.protes.group"


def test_what_everybody_may_see_stays_so_when_authentication_comes(issuer: Issuer) -> None:
    with people(issuer) as everyone:
        tasks = everyone.api.gateway.stores.tasks
        before = tasks.create(a_task(audience="", preference=PLAIN)).id
        ann, ben = everyone("ann"), everyone("ben")
        own = ann.create()
        assert ben.sees(before)
        assert sorted(ann.ids()) == sorted([own, before])


def test_a_setting_changes_who_sees_what_is_stored(issuer: Issuer) -> None:
    stored: dict[str, Any] = {"shared": "tenant:local:one", "own": "user:local:ann", "of a group": "group:local:g"}
    for setting, seen in (
        ("none", {"shared", "own", "of a group"}),
        ("user", {"own"}),
        ("tenant", {"own", "shared"}),
        ("group", {"own", "of a group"}),
    ):
        with people(issuer, visibility={"tasks": setting}) as everyone:
            tasks, ann = everyone.api.gateway.stores.tasks, everyone("ann", "g", tenant="one")
            ids = {
                name: tasks.create(a_task(audience=audience, preference=PLAIN)).id for name, audience in stored.items()
            }
            assert {name for name, task_id in ids.items() if ann.sees(task_id)} == seen
