"""A task that its instance does not start is withdrawn, and goes on only when that is certain (DESIGN.md section 4)."""

import pytest

from tests.support.scripted_server import Answer, Request, answer_json
from tests.support.sites import FUNNEL, NODE, UNKNOWN, only, site

STUCK = {"requeue_stuck_seconds": 100, "last_retry_seconds": 2}


def test_it_runs_elsewhere() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, second = at.fakes
        task_id = at.task()
        at.turns(3, 30)
        assert (only(first).cancels, at.posts()) == (0, (1, 0))
        at.turns(4, 30)
        assert (only(first).state, at.posts()) == ("CANCELED", (1, 1))
        assert "a has not started the task within" in at.gateway.notes(task_id)
        second.finish(only(second).id)
        at.turns(30, 40)
        assert (at.gateway.state(task_id), at.posts()) == ("COMPLETE", (1, 1))
        assert at.gateway.record(task_id).retries_left == 0


def test_not_without_the_setting() -> None:
    with site(NODE, NODE) as at:
        at.task(retries=3)
        at.turns(20, 4000)
        assert (only(at.fakes[0]).cancels, at.posts()) == (0, (1, 0))


@pytest.mark.parametrize("service_id", [FUNNEL, UNKNOWN])
def test_not_where_a_canceled_task_may_go_on(service_id: str) -> None:
    with site(service_id, NODE, dispatch=STUCK) as at:
        at.task()
        at.turns(20, 40)
        assert (only(at.fakes[0]).cancels, at.posts()) == (0, (1, 0))


def test_not_where_there_is_nowhere_else_to_go() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, _ = at.fakes
        at.task()
        at.gateway.settings = at.gateway.settings.model_copy(update={"instances": at.gateway.settings.instances[:1]})
        at.crash()
        at.turns(20, 40)
        assert (only(first).cancels, at.posts()) == (0, (1, 0))


def test_what_has_started_once_stays() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        copy = only(at.fakes[0]) if at.task() else None
        assert copy is not None
        for state in ("INITIALIZING", "QUEUED"):
            copy.state = state
            at.turns(1, 10)
        at.turns(20, 40)
        assert (copy.cancels, at.posts()) == (0, (1, 0))


def test_unconfirmed_it_is_pushed_on_and_never_sent_elsewhere() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, second = at.fakes
        first.cancel_state = None
        task_id = at.task()
        at.turns(40, 40)
        assert only(first).cancels > 10
        assert at.posts() == (1, 0)
        assert at.gateway.state(task_id) == "QUEUED"
        first.cancel_state = "CANCELED"
        at.turns(4, 61)
        assert at.posts() == (1, 1)
        assert only(second).state == "QUEUED"


def test_its_instance_away_it_is_not_sent_elsewhere() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, _ = at.fakes
        at.task()
        first.fault("cancel", "reset", times=10_000)
        at.turns(5, 40)
        first.refuse()
        at.turns(20, 40)
        assert at.posts() == (1, 0)
        first.resume()


@pytest.mark.parametrize("state", ["INITIALIZING", "RUNNING", "COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR"])
def test_what_starts_right_then_stays(state: str) -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, _ = at.fakes
        first.cancel_state = None  # too late
        task_id = at.task()
        copy = only(first)
        while not copy.cancels:
            at.turns(1, 10)
        copy.state = state
        pushed = copy.cancels
        at.turns(10, 40)
        assert at.posts() == (1, 0)
        assert copy.cancels == pushed
        assert at.gateway.state(task_id) == state
        first.finish(copy.id)
        at.turns(3, 40)
        assert at.gateway.state(task_id) == ("COMPLETE" if state in ("INITIALIZING", "RUNNING") else state)


def test_a_cancellation_that_takes_effect_late_is_still_the_gateways() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, second = at.fakes
        first.cancel_state = None
        task_id = at.task()
        copy = only(first)
        while not copy.cancels:
            at.turns(1, 10)
        for state in ("RUNNING", "CANCELED"):
            copy.state = state
            at.turns(3, 40)
        assert at.posts() == (1, 1)
        second.finish(only(second).id)
        at.turns(3, 40)
        assert at.gateway.state(task_id) == "COMPLETE"


def test_it_is_looked_at_before_it_is_withdrawn() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, _ = at.fakes
        task_id = at.task()
        copy = only(first)

        def started(request: Request) -> Answer:
            """Start it when it is looked at the second time: between the wish and the cancellation."""
            if at.gateway.record(task_id).attempts[-1].withdrawn_at is not None:
                copy.state = "RUNNING"
            return answer_json({"id": request.params["id"], "state": copy.state})

        first.fault("get", started, times=10_000)
        at.turns(12, 30)
        assert at.gateway.record(task_id).attempts[-1].withdrawn_at is not None
        assert (copy.cancels, copy.state, at.posts()) == (0, "RUNNING", (1, 0))


def test_the_callers_cancellation_takes_over() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, _ = at.fakes
        first.cancel_state = None
        task_id = at.task(retries=3)
        while not only(first).cancels:
            at.turns(1, 10)
        at.gateway.cancel(task_id)
        at.turns(3, 3)
        first.cancel_state = "CANCELED"
        at.turns(5, 61)
        assert (at.gateway.state(task_id), at.posts()) == ("CANCELED", (1, 0))


def test_where_nobody_else_takes_it_after_all_it_goes_back() -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        _, second = at.fakes
        task_id = at.task()
        second.fault("create", "invalid")
        at.turns(10, 30)
        assert at.posts() == (2, 1)
        assert at.gateway.record(task_id).attempts[-1].instance_id == "a"
        assert at.working() == 1


@pytest.mark.parametrize("crash_at", range(8))
def test_a_crash_at_any_step_loses_and_doubles_nothing(crash_at: int) -> None:
    with site(NODE, NODE, dispatch=STUCK) as at:
        first, second = at.fakes
        task_id = at.task()
        at.turns(3, 33)
        for step in range(8):
            if step == crash_at:
                at.crash()
            at.turns(1, 5)
        assert only(first).state == "CANCELED"
        second.finish(only(second).id)
        at.turns(4, 40)
        assert (at.gateway.state(task_id), at.posts()) == ("COMPLETE", (1, 1))
