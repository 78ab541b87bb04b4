"""The fake TES itself: what it promises to the tests that stand on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.fake_tes import FakeTes


@pytest.fixture
def fake() -> Iterator[FakeTes]:
    with FakeTes() as running:
        yield running


def post(fake: FakeTes, marker: str = "m-1", **fields: Any) -> requests.Response:
    document = {"executors": [], "tags": {"protes_attempt": marker}, **fields}
    return requests.post(f"{fake.url}/tasks", json=document, timeout=30)


def get(fake: FakeTes, path: str, **query: Any) -> Any:
    return requests.get(fake.url + path, params=query, timeout=30).json()


def test_it_keeps_tasks_and_counts_them(fake: FakeTes) -> None:
    one, two = (post(fake).json()["id"] for _ in range(2))
    assert fake.creates("m-1") == fake.creates() == fake.posts == 2
    assert fake.creates("m-2") == 0
    assert get(fake, f"/tasks/{one}") == {"id": one, "state": "QUEUED"}
    assert [task["id"] for task in get(fake, "/tasks")["tasks"]] == [two, one]
    fake.forget(one)
    assert get(fake, f"/tasks/{one}")["status"] == 404


def test_the_test_moves_tasks(fake: FakeTes) -> None:
    task_id = post(fake).json()["id"]
    fake.set_state(task_id, "RUNNING")
    assert get(fake, f"/tasks/{task_id}")["state"] == "RUNNING"
    fake.finish(task_id, exit_code=3, stdout="out")
    assert get(fake, f"/tasks/{task_id}", view="FULL")["logs"][0]["logs"][0]["stdout"] == "out"
    basic = get(fake, f"/tasks/{task_id}", view="BASIC")
    assert basic["state"] == "EXECUTOR_ERROR"
    assert "stdout" not in basic["logs"][0]["logs"][0]


def test_tasks_may_run_by_themselves(fake: FakeTes) -> None:
    fake.auto(polls=3, exit_code=1)
    task_id = post(fake).json()["id"]
    assert [get(fake, f"/tasks/{task_id}")["state"] for _ in range(4)] == ["RUNNING"] * 2 + ["EXECUTOR_ERROR"] * 2


def test_filters_and_pages(fake: FakeTes) -> None:
    made = [post(fake, f"m-{n % 2}", name=f"n{n}").json()["id"] for n in range(4)]
    fake.set_state(made[0], "RUNNING")

    def found(**query: Any) -> list[str]:
        return [task["id"] for task in get(fake, "/tasks", **query)["tasks"]]

    assert found(tag_key="protes_attempt", tag_value="m-1") == [made[3], made[1]]
    assert found(tag_key="protes_attempt") == made[::-1]
    assert found(tag_key="other") == []
    assert found(state="RUNNING") == [made[0]]
    assert found(name_prefix="n2") == [made[2]]
    first = get(fake, "/tasks", page_size=3)
    assert len(first["tasks"]) == 3
    last = get(fake, "/tasks", page_size=3, page_token=first["next_page_token"])
    assert ([task["id"] for task in last["tasks"]], "next_page_token" in last) == ([made[0]], False)


def test_cancellation(fake: FakeTes) -> None:
    one, two = (post(fake).json()["id"] for _ in range(2))
    requests.post(f"{fake.url}/tasks/{one}:cancel", timeout=30)
    fake.cancel_state = None
    requests.post(f"{fake.url}/tasks/{two}:cancel", timeout=30)
    assert [(task.state, task.cancels) for task in fake.tasks.values()] == [("CANCELED", 1), ("QUEUED", 1)]


def test_faults_are_played_once_and_can_be_taken_away(fake: FakeTes) -> None:
    fake.fault("create", "500_after_commit")
    assert post(fake).status_code == 500
    assert fake.creates("m-1") == 1
    fake.fault("create", "500", times=2)
    assert post(fake).status_code == 500
    fake.heal()
    assert post(fake).status_code == 200
    assert fake.creates("m-1") == 2
    assert fake.posts == 3


def test_a_late_commit_appears_when_the_test_says_so(fake: FakeTes) -> None:
    fake.fault("create", "late_commit")
    assert post(fake).status_code == 503
    assert fake.creates() == 0
    fake.land()
    assert fake.creates("m-1") == 1


def test_it_can_want_a_token_and_say_it_is_a_gateway() -> None:
    with FakeTes(token="t0", gateway_id="gateway-1") as fake:
        assert post(fake).status_code == 401
        answer = requests.get(f"{fake.url}/service-info", headers={"Authorization": "Bearer t0"}, timeout=30)
        assert answer.headers["X-Protes-Gateway"] == "gateway-1"
        assert fake.creates() == 0


def test_it_can_go_away_and_come_back(fake: FakeTes) -> None:
    fake.refuse()
    with pytest.raises(requests.ConnectionError):
        post(fake)
    fake.resume()
    assert post(fake).status_code == 200
