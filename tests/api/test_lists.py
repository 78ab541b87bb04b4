"""Lists: pages, filters, views."""

from itertools import pairwise
from typing import Any

import pytest

from tests.api.conftest import TASK, Api, problem_of
from tests.support.tes_document import assert_fits


def pages(api: Api, base: str = "/ga4gh/tes/v1", **query: Any) -> list[list[str]]:
    """The ids of all pages, following the tokens."""
    found: list[list[str]] = []
    token: dict[str, str] = {}
    while len(found) < 100:
        answer = api.get(f"{base}/tasks", params={**query, **token})
        assert answer.status_code == 200, answer.text
        listed = answer.json()
        found.append([task["id"] for task in listed["tasks"]])
        if "next_page_token" not in listed:
            return found
        assert listed["next_page_token"]
        token = {"page_token": listed["next_page_token"]}
    raise AssertionError("the pages never end")


@pytest.fixture
def thirty(api: Api) -> list[str]:
    """Thirty tasks, oldest first."""
    ids = []
    for number in range(30):
        ids.append(api.store({**TASK, "name": f"task-{number:02}", "tags": {"odd": str(number % 2)}}))
        api.clock.advance(0.01)
    return ids


@pytest.mark.parametrize("base", ["/ga4gh/tes/v1", "/w/0.3/v1"])
@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (1, [1] * 30),
        (7, [7, 7, 7, 7, 2]),
        (10, [10, 10, 10]),
        (15, [15, 15]),
        (29, [29, 1]),
        (30, [30]),
        (31, [30]),
        (2047, [30]),
    ],
)
def test_every_task_is_listed_once_newest_first(
    api: Api, thirty: list[str], base: str, size: int, sizes: list[int]
) -> None:
    found = pages(api, base, page_size=size)
    assert [len(page) for page in found] == sizes  # no empty page, no token on the last one
    assert [task_id for page in found for task_id in page] == thirty[::-1]


def test_a_page_has_256_tasks_unless_said_otherwise(api: Api) -> None:
    ids = [api.store() for _ in range(257)]
    assert pages(api) == [ids[:0:-1], ids[:1]]


def test_an_empty_list_has_no_token(api: Api) -> None:
    assert api.get("/ga4gh/tes/v1/tasks").json() == {"tasks": []}
    assert api.get("/ga4gh/tes/v1/tasks?page_token=").json() == {"tasks": []}


def test_pages_hold_while_tasks_come_and_end(api: Api, thirty: list[str]) -> None:
    first = api.get("/v1/tasks?page_size=10").json()
    for task_id in thirty[::2]:
        assert api.post(f"/v1/tasks/{task_id}:cancel").status_code == 200
    for _ in range(5):
        api.create()
    rest = pages(api, page_size=10, page_token=first["next_page_token"])
    assert [task["id"] for task in first["tasks"]] + [each for page in rest for each in page] == thirty[::-1]


def test_pages_hold_while_the_tasks_at_their_edges_go(api: Api, thirty: list[str]) -> None:
    first = api.get("/v1/tasks?page_size=10").json()
    api.gateway.stores.tasks.delete(first["tasks"][-1]["id"])
    rest = pages(api, page_size=10, page_token=first["next_page_token"])
    assert [each for page in rest for each in page] == thirty[19::-1]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("name_prefix=task-1", range(10, 20)),
        ("name_prefix=task-", range(30)),
        ("name_prefix=task-07", [7]),
        ("name_prefix=ask", []),
        ("name_prefix=task-%25", []),
        ("name_prefix=task_", []),
        ("name_prefix=TASK-", []),
        ("name_prefix=", range(30)),
        ("state=QUEUED", range(30)),
        ("state=RUNNING", []),
        ("tag_key=odd&tag_value=1", range(1, 30, 2)),
        ("tag_key=odd&tag_value=1&name_prefix=task-2", range(21, 30, 2)),
        ("tag_key=odd", range(30)),
        ("tag_key=odd&tag_value=", range(30)),
        ("tag_key=od", []),
        ("tag_key=odd&tag_value=1&tag_key=even", []),
    ],
)
@pytest.mark.parametrize("size", [4, 256])
def test_filters_hold_over_pages(api: Api, thirty: list[str], query: str, chosen: Any, size: int) -> None:
    filters = dict(each.split("=", 1) for each in query.split("&")) if query.count("tag_key") < 2 else None
    if filters is None:
        assert api.get(f"/v1/tasks?{query}").json() == {"tasks": []}
        return
    filters["name_prefix"] = filters.get("name_prefix", "").replace("%25", "%")
    found = pages(api, page_size=size, **filters)
    assert [each for page in found for each in page] == [thirty[number] for number in chosen][::-1]
    assert all(found) or found == [[]]


TAGGED = {
    "plain": {"foo": "bar"},
    "other": {"foo": "bat"},
    "empty": {"foo": ""},
    "both": {"foo": "bar", "baz": "bat"},
    "none": {},
    "odd": {"a=b": "c", "a": "b=c", "comma,": "x,y", "ü \U0001f600": "100%"},
}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tag_key=foo&tag_value=bar", {"plain", "both"}),
        ("tag_key=foo&tag_value=", {"plain", "other", "empty", "both"}),
        ("tag_key=foo", {"plain", "other", "empty", "both"}),
        ("tag_key=foo&tag_value=bar&tag_key=baz&tag_value=bat", {"both"}),
        ("tag_key=foo&tag_key=baz&tag_value=bar&tag_value=bat", {"both"}),
        ("tag_key=foo&tag_value=ba", set()),
        ("tag_key=FOO", set()),
        ("tag_key=a%3Db", {"odd"}),
        ("tag_key=a%3Db&tag_value=c", {"odd"}),
        ("tag_key=a&tag_value=b%3Dc", {"odd"}),
        ("tag_key=a&tag_value=b", set()),
        ("tag_key=comma,&tag_value=x,y", {"odd"}),
        ("tag_key=comma%2C&tag_value=x%2Cy", {"odd"}),
        ("tag_key=comma&tag_value=x", set()),
        ("tag_key=%C3%BC+%F0%9F%98%80&tag_value=100%25", {"odd"}),
    ],
)
def test_tags_match_by_the_table_of_the_specification(api: Api, query: str, names: set[str]) -> None:
    for name, tags in TAGGED.items():
        api.store({**TASK, "name": name, "tags": tags})
    listed = api.get(f"/ga4gh/tes/v1/tasks?view=BASIC&{query}").json()
    assert {task["name"] for task in listed["tasks"]} == names


@pytest.mark.parametrize("base", ["/ga4gh/tes/v1", "/v1"])
def test_views_of_a_list(api: Api, base: str) -> None:
    document = {**TASK, "inputs": [{"path": "/a", "content": "x"}]}
    ids = [api.create(document) for _ in range(2)][::-1]
    unasked = api.get(f"{base}/tasks").json()
    assert unasked == {"tasks": [{"id": each, "state": "QUEUED"} for each in ids]}
    assert api.get(f"{base}/tasks?view=MINIMAL").json() == unasked
    for view in ("BASIC", "FULL"):
        listed = api.get(f"{base}/tasks?view={view}").json()
        assert listed == {"tasks": [api.task(each, view, base) for each in ids]}
        assert_fits("tesListTasksResponse", listed)


@pytest.mark.parametrize("query", ["tag_key=odd", "state=QUEUED", "name_prefix=x", "tag_key=odd&tag_value=1"])
def test_a_token_is_bound_to_its_filters_but_not_to_view_and_size(api: Api, thirty: list[str], query: str) -> None:
    token = api.get("/v1/tasks?page_size=10").json()["next_page_token"]
    problem = problem_of(api.get(f"/v1/tasks?page_token={token}&{query}"), 400)
    assert problem["errors"][0]["field"] == "query parameter page_token"
    changed = api.get(f"/v1/tasks?page_token={token}&page_size=3&view=FULL").json()
    assert [task["id"] for task in changed["tasks"]] == thirty[19:16:-1]


def test_times_of_a_list_descend(api: Api, thirty: list[str]) -> None:
    listed = api.get("/v1/tasks?view=BASIC").json()["tasks"]
    assert all(newer["creation_time"] > older["creation_time"] for newer, older in pairwise(listed))


@pytest.mark.parametrize(
    "query", ["unknown=1", "project=x", "tag=a", "Page_Size=0", "view=MINIMAL&nonsense", "%00=%00"]
)
def test_unknown_parameters_are_tolerated(api: Api, query: str) -> None:
    task_id = api.create()
    assert [task["id"] for task in api.get(f"/v1/tasks?{query}").json()["tasks"]] == [task_id]
    assert api.get(f"/v1/tasks/{task_id}?{query}").status_code == 200
    assert api.post(f"/v1/tasks?{query}", dict(TASK)).status_code == 200
