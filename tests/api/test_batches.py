"""Many tasks in one call, each with its own result."""

from collections.abc import Mapping
from typing import Any

import pytest

from protes.store.records import TaskRecord
from tests.api.conftest import TASK, Api, problem_of, serving
from tests.support.task_records import a_task

CREATE, CANCEL = "/protes/v1/tasks:create", "/protes/v1/tasks:cancel"
ROOTS = ("", "/w/0.3", "/profiles/cheap", "/profiles/cheap/w/0.3")
BAD: Mapping[str, Any] = {"executors": [{"image": "", "command": []}], "inputs": [{"path": "x", "url": "u"}]}


def _created(api: Api, tasks: Any, root: str = "", **options: Any) -> list[dict[str, Any]]:
    answer = api.post(root + CREATE, tasks, **options)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def _ids(results: list[dict[str, Any]]) -> list[str]:
    return [str(each["id"]) for each in results]


def _cancelled(api: Api, asked: Mapping[str, Any]) -> dict[str, Any]:
    answer = api.post(CANCEL, asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize("wrap", [False, True])
def test_each_task_has_the_result_that_it_would_have_alone(api: Api, wrap: bool) -> None:
    loop = {**TASK, "tags": {"protes_gateway": "gateway-under-test"}}
    tasks = [{**TASK, "name": "one"}, BAD, 3, None, loop, {**TASK, "name": "\ud800"}, {**TASK, "name": "two"}]
    results = _created(api, {"tasks": tasks} if wrap else tasks)
    assert [set(each) for each in results] == [{"id"}, *[{"problem"}] * 5, {"id"}]
    assert [api.task(results[place]["id"])["name"] for place in (0, -1)] == ["one", "two"]
    for place in (1, 4, 5):
        alone = api.post("/ga4gh/tes/v1/tasks", tasks[place])
        assert results[place]["problem"] == problem_of(alone, results[place]["problem"]["status"])
    assert api.gateway.stores.tasks.count() == 2


def test_what_the_server_sets_and_nulls_are_left_out(api: Api) -> None:
    [created] = _created(api, [{**TASK, "id": "mine", "state": "COMPLETE", "logs": None, "volumes": None}])
    shown = api.task(created["id"])
    assert shown["id"] != "mine"
    assert shown["state"] == "QUEUED"
    assert not {"logs", "volumes"} & set(shown)


def test_it_is_there_under_every_root_and_the_weight_counts() -> None:
    with serving(profiles={"cheap": {"weight": "0.1"}}) as api:
        weights = {}
        for root in ROOTS:
            [created] = _created(api, [TASK], root)
            weights[root] = str(api.record(created["id"]).preference["weight"])
            assert api.post(root + CANCEL, {"ids": [created["id"]]}).json() == {"results": [created]}
    assert weights == {"": "0.5", "/w/0.3": "0.3", "/profiles/cheap": "0.1", "/profiles/cheap/w/0.3": "0.3"}


def test_ids_ascend_in_the_order_of_the_tasks(api: Api) -> None:
    ids = _ids(_created(api, [TASK] * 20))
    assert ids == sorted(set(ids))
    assert [task["id"] for task in api.get("/v1/tasks").json()["tasks"]] == ids[::-1]


def test_the_same_key_with_the_same_tasks_is_the_same_tasks(api: Api) -> None:
    headers = {"Idempotency-Key": "a-key-for-a-batch"}
    tasks = [TASK, BAD, {**TASK, "name": "two"}]
    first = _created(api, tasks, headers=headers)
    assert _created(api, {"tasks": tasks}, headers=headers) == first
    assert api.gateway.stores.tasks.count() == 2
    problem_of(api.post(CREATE, [*tasks, TASK], headers=headers), 422)
    problem_of(api.post("/v1/tasks", dict(TASK), headers=headers), 422)
    problem_of(api.post(CREATE, tasks, headers={"Idempotency-Key": "short"}), 400)
    assert api.gateway.stores.tasks.count() == 2


def test_a_key_makes_durable_what_a_first_call_left_undone(api: Api) -> None:
    headers = {"Idempotency-Key": "a-key-for-two-calls"}
    ids = _ids(_created(api, [TASK, TASK], headers=headers))
    api.gateway.stores.tasks.delete(ids[1])  # as if the process had died in between
    assert _ids(_created(api, [TASK, TASK], headers=headers)) == ids
    assert api.gateway.stores.tasks.count() == 2


def test_a_key_of_one_task_is_no_key_of_a_batch(api: Api) -> None:
    headers = {"Idempotency-Key": "a-key-for-one-task"}
    api.create(headers=headers)
    problem_of(api.post(CREATE, [TASK], headers=headers), 422)


@pytest.mark.parametrize(
    ("body", "status"),
    [([], 400), ({}, 400), ({"tasks": []}, 400), ({"tasks": {}}, 400), (3, 400), ("x", 400), ([TASK] * 4, 413)],
)
def test_a_call_that_is_no_batch_is_refused_as_a_whole(body: Any, status: int) -> None:
    with serving(api={"largest_batch": 3}) as api:
        problem_of(api.post(CREATE, body), status)
        assert api.gateway.stores.tasks.count() == 0


@pytest.mark.parametrize("path", [CREATE, CANCEL])
def test_a_body_that_is_no_json_is_refused(api: Api, path: str) -> None:
    json = {"Content-Type": "application/json"}
    problem_of(api.post(path, data=b"[", headers=json), 400)
    problem_of(api.post(path, data=b"[NaN]", headers=json), 400)
    problem_of(api.post(path, data=b"[" * 100_000, headers=json), 400)
    problem_of(api.post(path, data=b"[]", headers={"Content-Type": "text/plain"}), 415)
    problem_of(api.get(path), 405)


def test_tasks_are_cancelled_by_their_ids(api: Api) -> None:
    ids = _ids(_created(api, [TASK] * 3))
    results = _cancelled(api, {"ids": [ids[2], "none", ids[0], ids[2]]})["results"]
    assert [each["id"] for each in results] == [ids[2], "none", ids[0], ids[2]]
    assert [each.get("problem", {}).get("status") for each in results] == [None, 404, None, None]
    assert [api.task(each, "MINIMAL")["state"] for each in ids] == ["CANCELED", "QUEUED", "CANCELED"]
    assert _cancelled(api, {"ids": [ids[2]]}) == {"results": [{"id": ids[2]}]}
    assert _cancelled(api, {"ids": []}) == {"results": []}


def test_somebody_elses_task_is_as_good_as_absent(api: Api) -> None:
    api.gateway.stores.tasks.create(a_task("foreign", owner="somebody", audience="user:somebody", tags=("w=1",)))
    assert _cancelled(api, {"ids": ["foreign"]})["results"][0]["problem"]["status"] == 404
    assert _cancelled(api, {"tags": {"w": "1"}}) == {"results": []}
    assert api.record("foreign").cancel_requested_at is None


def test_tasks_are_cancelled_by_tags_and_name() -> None:
    def tagged(name: str, **tags: str) -> dict[str, Any]:
        return {**TASK, "name": name, "tags": tags}

    with serving() as api:
        tasks = [tagged("a1", run="1", step="x"), tagged("a2", run="1"), tagged("b1", run="2", step="x"), dict(TASK)]
        ids = _ids(_created(api, tasks))
        for asked, found in (
            ({"tags": {"run": "1", "step": "x"}}, [0]),
            ({"tags": {"run": "1"}}, [1]),  # the other one has ended
            ({"tags": {"run": "3"}}, []),
            ({"name_prefix": "b", "tags": {"run": "1"}}, []),
            ({"tags": {"step": ""}}, [2]),
            ({"name_prefix": "t"}, [3]),
        ):
            assert _cancelled(api, asked) == {"results": [{"id": ids[place]} for place in found]}
        assert {api.task(each, "MINIMAL")["state"] for each in ids} == {"CANCELED"}


def test_what_is_cancelled_by_tags_comes_in_pages() -> None:
    with serving(api={"largest_batch": 3}) as api:
        ids = [api.create({**TASK, "tags": {"run": "1"}}) for _ in range(7)]
        api.post(f"/v1/tasks/{ids[5]}:cancel")
        asked: dict[str, Any] = {"tags": {"run": "1"}}
        pages = [_cancelled(api, asked)]
        while "next_page_token" in pages[-1]:
            pages.append(_cancelled(api, {**asked, "page_token": pages[-1]["next_page_token"]}))
        assert [_ids(page["results"]) for page in pages] == [[ids[6], ids[4]], [ids[3], ids[2], ids[1]], [ids[0]]]
        token = pages[0]["next_page_token"]
        problem_of(api.post(CANCEL, {"tags": {"run": "2"}, "page_token": token}), 400)
        problem_of(api.post(CANCEL, {"ids": ["x"] * 4}), 413)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        [],
        {"tags": {}},
        {"name_prefix": ""},
        {"ids": "x"},
        {"ids": [1]},
        {"ids": ["x"], "tags": {"a": "b"}},
        {"ids": ["x"], "page_token": "x"},
        {"ids": ["\ud800"]},
        {"tags": ["a"]},
        {"tags": {"a": 1}},
        {"name_prefix": 1},
        {"tags": {"a": "b"}, "page_token": 3},
        {"tags": {"a": "b"}, "page_token": "x"},
    ],
)
def test_a_call_that_names_no_tasks_cancels_none(api: Api, asked: Any) -> None:
    task_id = api.create({**TASK, "tags": {"a": "b"}})
    problem_of(api.post(CANCEL, asked), 400)
    assert api.task(task_id)["state"] == "QUEUED"


def test_tasks_are_planned_before_a_place_to_write_is_taken(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = api.gateway.services
    impossible, planned_inside = parts.planner.impossible, list[int]()

    def watched(record: TaskRecord) -> list[str]:
        planned_inside.append(parts.intake.inside)
        return impossible(record)

    monkeypatch.setattr(parts.planner, "impossible", watched)
    _created(api, [TASK] * 3)
    _created(api, [TASK] * 3, headers={"Idempotency-Key": "planned-outside-of-it"})
    assert planned_inside == [0] * 6
    assert parts.intake.inside == 0
