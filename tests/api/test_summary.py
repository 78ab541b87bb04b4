"""`GET /protes/v1/summary`: counts by state, bounded, and not made anew for each viewer."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from protes.api.counting import HOLDS, TaskCounts
from protes.tes.states import State
from tests.api.conftest import Api, serving
from tests.support.task_records import START, a_task

STATES = ["QUEUED", "INITIALIZING", "RUNNING", "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"]


def counts(api: Api) -> dict[str, int]:
    answer = api.get("/protes/v1/summary")
    assert answer.status_code == 200, answer.text
    return {each["state"]: each["count"] for each in answer.json()["tasks"]}


def test_tasks_are_counted_by_the_state_that_is_shown() -> None:
    with serving() as api:
        assert counts(api) == dict.fromkeys(STATES, 0)
        api.create()
        api.get(f"/ga4gh/tes/v1/tasks/{(cancelled := api.create())}")
        api.post(f"/ga4gh/tes/v1/tasks/{cancelled}:cancel")
        api.clock.advance(HOLDS.total_seconds())
        assert counts(api) == {**dict.fromkeys(STATES, 0), "QUEUED": 1, "CANCELED": 1}


def test_what_was_counted_holds_for_a_while() -> None:
    with serving() as api:
        assert counts(api)["QUEUED"] == 0
        api.create()
        api.clock.advance(HOLDS.total_seconds() - 1)
        assert counts(api)["QUEUED"] == 0
        api.clock.advance(1)
        assert counts(api)["QUEUED"] == 1


def test_no_more_is_counted_than_anybody_wants_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protes.api.summary.MOST", 3)
    with serving() as api:
        for state in [*[State.RUNNING] * 4, *[State.COMPLETE] * 3]:
            api.gateway.stores.tasks.create(a_task(state=state))
        found = {each["state"]: each for each in api.get("/protes/v1/summary").json()["tasks"]}
        assert found["RUNNING"] == {"state": "RUNNING", "count": 3, "more": True}
        assert found["COMPLETE"] == {"state": "COMPLETE", "count": 3, "more": False}


def test_it_says_what_offers_are_weighed_by() -> None:
    with serving() as api:
        said = api.get("/protes/v1/summary").json()
        assert (said["currency"], said["ranking"]) == ("EUR", {"floor_cost": "0.10", "floor_seconds": 60.0})
        assert said["gateway"]["id"] == "gateway-under-test"
    options = {"floor_cost": "0.5", "floor_seconds": 7}
    with serving(chain=[{"use": "feasible"}, {"use": "cost_runtime", "options": options}]) as api:
        assert api.get("/protes/v1/summary").json()["ranking"] == {"floor_cost": "0.5", "floor_seconds": 7.0}
    with serving(chain=[{"use": "feasible"}, {"use": "least_loaded"}]) as api:
        assert "ranking" not in api.get("/protes/v1/summary").json()


def test_everybody_has_counts_of_their_own_and_a_clock_set_back_counts_anew() -> None:
    kept, made = TaskCounts(), []

    def make(whose: str) -> dict[State, int]:
        made.append(whose)
        return {}

    for whose, seconds in (("ada", 0), ("bob", 0), ("ada", 4), ("ada", 5), ("ada", 3), ("bob", 4)):
        kept.of(whose, START + timedelta(seconds=seconds), lambda whose=whose: make(whose))  # type: ignore[misc]
    assert made == ["ada", "bob", "ada", "ada"]


def test_while_tasks_are_counted_others_are_told_what_was_counted_before() -> None:
    kept, counting, over = TaskCounts(), threading.Event(), threading.Event()
    first = kept.of("ada", START, lambda: {State.QUEUED: 1})

    def slowly() -> dict[State, int]:
        counting.set()
        assert over.wait(30)
        return {State.QUEUED: 2}

    later = START + timedelta(seconds=10)
    counter = threading.Thread(target=lambda: kept.of("ada", later, slowly))
    counter.start()
    assert counting.wait(30)
    try:
        assert kept.of("ada", later, dict) is first
    finally:
        over.set()
        counter.join(30)
    assert kept.of("ada", later, dict).states == {State.QUEUED: 2}
    much_later = later + timedelta(hours=1)
    assert kept.of("ada", much_later, dict).states == {}, "what is old is not told"
