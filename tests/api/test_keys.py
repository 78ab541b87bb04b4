"""One task for one wish, over HTTP."""

import json

import pytest

from protes.api.callers import ANONYMOUS
from protes.api.idempotency import fingerprint
from tests.api.conftest import BASES, TASK, Api, problem_of
from tests.support.waiting import at_once


def test_a_key_used_sixteen_times_at_once_gives_one_task(api: Api) -> None:
    headers = {"Idempotency-Key": "sixteen-at-once-1"}
    calls = [lambda base=base: api.create(base=base, headers=headers) for base in BASES[:2] * 8]
    ids = set(at_once(calls))
    assert len(ids) == 1
    assert api.gateway.stores.tasks.count() == 1
    assert api.create(headers=headers) in ids


def test_without_a_key_sixteen_at_once_are_sixteen_tasks(api: Api) -> None:
    ids = at_once([api.create] * 16)
    assert len(set(ids)) == 16
    assert {task["id"] for task in api.get("/v1/tasks").json()["tasks"]} == set(ids)


def test_a_key_outlives_the_task_having_ended(api: Api) -> None:
    headers = {"Idempotency-Key": "outlives-the-task"}
    task_id = api.create(headers=headers)
    api.post(f"/v1/tasks/{task_id}:cancel")
    assert api.create(headers=headers) == task_id
    api.clock.advance(24 * 3600)
    assert api.create(headers=headers) != task_id


def test_nulls_and_unknown_fields_make_no_other_body(api: Api) -> None:
    headers = {"Idempotency-Key": "the-same-normal-body"}
    assert api.create(headers=headers) == api.create({**TASK, "id": "x", "tags": None, "z": 1}, headers=headers)


@pytest.mark.parametrize("changed", [{"name": "another"}, {"tags": {"a": "b"}}])
def test_a_key_with_another_body_is_refused(api: Api, changed: dict[str, object]) -> None:
    headers = {"Idempotency-Key": f"another-body-{next(iter(changed))}"}
    api.create(headers=headers)
    problem = problem_of(api.post("/v1/tasks", {**TASK, **changed}, headers=headers), 422)
    assert "header Idempotency-Key" in problem["detail"]
    assert api.gateway.stores.tasks.count() == 1


@pytest.mark.parametrize(("length", "bound"), [(0, "16"), (5, "16"), (15, "16"), (256, "255")])
def test_a_key_of_a_bad_length_is_refused(api: Api, length: int, bound: str) -> None:
    problem = problem_of(api.post("/v1/tasks", dict(TASK), headers={"Idempotency-Key": "x" * length}), 400)
    [error] = problem["errors"]
    assert error["field"] == "header Idempotency-Key"
    assert bound in error["detail"]


@pytest.mark.parametrize("root", ["", "/w/0.3"])
def test_a_slow_submission_that_comes_again_on_the_next_base_path_is_the_same(api: Api, root: str) -> None:
    services = api.gateway.services
    first = api.create({**TASK, "name": root}, f"{root}/ga4gh/tes/v1")
    again = api.create({**TASK, "name": root}, f"{root}/v1")
    assert again != first  # it was answered in time
    slow = services.reposts.watch(ANONYMOUS.subject, _body_of(api, first), root, "/ga4gh/tes/v1", first)
    with slow:
        assert api.create({**TASK, "name": root}, f"{root}/v1") == first  # in progress
        assert api.create({**TASK, "name": root}, f"{root}/ga4gh/tes/v1") != first
        api.clock.advance(8.5)
    assert api.create({**TASK, "name": root}, f"{root}/v1") == first  # answered late
    api.clock.advance(60)
    assert api.create({**TASK, "name": root}, f"{root}/v1") != first


def _body_of(api: Api, task_id: str) -> str:
    """The fingerprint under which a stored task was submitted."""
    record = api.record(task_id)
    return fingerprint(record.document, json.dumps(dict(record.preference), sort_keys=True))
