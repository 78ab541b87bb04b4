"""Another instance is tried, and never two at once (DESIGN.md section 4, "Retries elsewhere")."""

import pytest

from protes.api.problems import Problem
from protes.store.records import Phase
from tests.support.sites import FUNNEL, NODE, UNKNOWN, disk_full, fail, only, site


@pytest.mark.parametrize("state", ["SYSTEM_ERROR", "PREEMPTED", "CANCELED"])
def test_what_fails_at_one_instance_runs_at_the_next_once(state: str) -> None:
    with site(NODE, NODE) as at:
        first, second = at.fakes
        task_id = at.task(retries=1)
        first.set_state(only(first).id, "RUNNING")
        at.turns()
        fail(first, state)
        at.turns(1)
        assert at.posts() == (1, 0)  # seen once; it must be seen twice
        at.turns(2)
        assert at.posts() == (1, 1)
        assert at.gateway.state(task_id) == "QUEUED"
        assert f"attempt 1: the task ended in {state} at a; another instance is tried (retries left: 0)" in (
            at.gateway.notes(task_id)
        )
        [entry] = at.gateway.task(task_id)["logs"]
        assert disk_full(first) not in entry["system_logs"]  # it is not the task's
        second.finish(only(second).id, stdout="done")
        at.turns(30, 70)
        assert at.gateway.state(task_id) == "COMPLETE"
        [entry] = at.gateway.task(task_id)["logs"]
        assert entry["logs"][0]["stdout"] == "done"
        assert entry["metadata"]["protes.instance"] == "b"
        before, after = at.gateway.record(task_id).attempts
        assert before.log is not None
        assert before.log["system_logs"] == [disk_full(first)]
        assert (before.phase, before.retried, before.message) == (
            Phase.FINISHED,
            True,
            f"{state}; another instance is tried",
        )
        assert (after.n, after.retried) == (2, False)
        assert at.posts() == (1, 1)


@pytest.mark.parametrize(
    ("retries", "end", "exit_code"),
    [
        (None, "SYSTEM_ERROR", None),
        (0, "PREEMPTED", None),
        (2, "EXECUTOR_ERROR", 1),
        (2, "EXECUTOR_ERROR", None),
        (2, "SYSTEM_ERROR", 137),
        (2, "COMPLETE", 0),
    ],
)
def test_what_is_not_tried_again(retries: int | None, end: str, exit_code: int | None) -> None:
    with site(NODE, NODE) as at:
        task_id = at.task(retries)
        fail(at.fakes[0], end, exit_code)
        at.turns(4)
        assert at.gateway.record(task_id).state.finished
        assert at.posts() == (1, 0)


@pytest.mark.parametrize("service_id", [FUNNEL, UNKNOWN])
def test_an_instance_that_may_take_its_errors_back_keeps_the_task(service_id: str) -> None:
    with site(service_id, NODE) as at:
        task_id = at.task(retries=3)
        fail(at.fakes[0])
        at.turns(6)
        assert at.gateway.state(task_id) == "SYSTEM_ERROR"
        assert at.posts() == (1, 0)


def test_a_failure_that_is_taken_back_between_two_looks_counts_for_nothing() -> None:
    with site(NODE, NODE) as at:
        task_id = at.task(retries=1)
        copy = only(at.fakes[0]).id
        fail(at.fakes[0])
        at.turns(1)
        at.fakes[0].set_state(copy, "RUNNING")
        at.turns()
        assert at.gateway.state(task_id) == "RUNNING"
        at.fakes[0].finish(copy)
        at.turns()
        assert (at.gateway.state(task_id), at.posts()) == ("COMPLETE", (1, 0))


def test_the_tag_says_how_often() -> None:
    with site(NODE, NODE, NODE) as at:
        first, second, third = at.fakes
        task_id = at.task(retries=1)
        fail(first)
        at.turns()
        fail(second)
        at.turns(5)
        assert at.gateway.state(task_id) == "SYSTEM_ERROR"
        assert at.posts() == (1, 1, 0)
        [entry] = at.gateway.task(task_id)["logs"]
        assert entry["system_logs"][-1] == disk_full(second)
        assert third.creates() == 0


def test_where_nobody_else_can_take_it_the_failure_is_its_end() -> None:
    with site(NODE, NODE) as at:
        first, second = at.fakes
        task_id = at.task(retries=3)
        second.fault("create", "invalid")
        fail(first)
        at.turns(4)
        assert at.gateway.state(task_id) == "SYSTEM_ERROR"
        assert "no other instance can run this task, which ended in SYSTEM_ERROR in attempt 1" in (
            at.gateway.notes(task_id)
        )
        assert "b: refused the task" in at.gateway.notes(task_id)
        [entry] = at.gateway.task(task_id)["logs"]
        assert entry["system_logs"][-1] == disk_full(first)
        assert (at.posts(), first.creates()) == ((1, 1), 1)


def test_an_instance_that_is_away_is_waited_for_from_the_failure_on() -> None:
    with site(NODE, NODE, dispatch={"give_up_after_seconds": 1000}) as at:
        first, second = at.fakes
        task_id = at.task(retries=1)
        first.set_state(only(first).id, "RUNNING")
        at.turns(3, 900)  # by now longer ago than a task may wait
        second.refuse()
        fail(first)
        at.turns(3, 40)
        assert at.gateway.state(task_id) == "QUEUED"
        second.resume()
        at.turns(9, 70)
        assert at.posts() == (1, 1)


def test_one_that_never_comes_back_ends_the_task() -> None:
    with site(NODE, NODE, dispatch={"give_up_after_seconds": 1000}) as at:
        first, second = at.fakes
        task_id = at.task(retries=1)
        second.refuse()
        fail(first)
        at.turns(20, 100)
        second.resume()
        assert at.gateway.state(task_id) == "SYSTEM_ERROR"
        assert "no instance took the task within" in at.gateway.notes(task_id)
        [entry] = at.gateway.task(task_id)["logs"]
        assert entry["system_logs"][-1] == disk_full(first)


@pytest.mark.parametrize("looks", [0, 1])
def test_who_cancels_first_gets_no_second_copy(looks: int) -> None:
    with site(NODE, NODE) as at:
        task_id = at.task(retries=2)
        fail(at.fakes[0])
        at.turns(looks)
        at.gateway.cancel(task_id)
        at.turns(4)
        # Seen to fail before it could be cancelled, or cancelled: not tried elsewhere in either case.
        assert at.gateway.record(task_id).state.finished
        assert at.posts() == (1, 0)


def test_a_task_that_waits_for_another_instance_is_cancelled_at_once() -> None:
    with site(NODE, NODE) as at:
        first, second = at.fakes
        task_id = at.task(retries=2)
        second.refuse()
        fail(first)
        at.turns(3, 10)
        at.gateway.cancel(task_id)
        assert at.gateway.state(task_id) == "CANCELED"
        second.resume()
        at.turns(10, 60)
        assert (second.creates(), at.gateway.state(task_id)) == (0, "CANCELED")


@pytest.mark.parametrize("crash_at", range(6))
def test_a_crash_at_any_step_loses_and_doubles_nothing(crash_at: int) -> None:
    with site(NODE, NODE) as at:
        task_id = at.task(retries=1)
        fail(at.fakes[0])
        for step in range(6):
            if step == crash_at:
                at.crash()
            at.turns(1)
        at.fakes[1].finish(only(at.fakes[1]).id)
        at.turns(4, 40)
        assert (at.gateway.state(task_id), at.posts()) == ("COMPLETE", (1, 1))


@pytest.mark.parametrize("crash_at", range(6))
def test_a_lost_answer_of_the_second_instance_is_settled_there(crash_at: int) -> None:
    with site(NODE, NODE, NODE) as at:
        first, second, third = at.fakes
        task_id = at.task(retries=2)
        second.fault("create", "reset_after_commit")
        fail(first)
        for step in range(6):
            if step == crash_at:
                at.crash()
            at.turns(1)
        second.finish(only(second).id)
        at.turns(4, 40)
        assert (at.gateway.state(task_id), third.creates()) == ("COMPLETE", 0)


def test_a_copy_that_comes_to_life_again_is_found_and_cancelled() -> None:
    with site(NODE, NODE) as at:
        first, second = at.fakes
        at.task(retries=1)
        fail(first)
        copy = only(first)
        at.gateway.turns(2, 3)
        copy.state = "RUNNING"  # against all that is known of its make
        at.gateway.turns(2, 61)
        assert (copy.state, copy.cancels) == ("CANCELED", 1)
        assert only(second).state == "QUEUED"


def test_more_than_the_operator_allows_is_refused() -> None:
    with site(NODE, dispatch={"max_retries": 2}) as at:
        with pytest.raises(Problem, match="must be 2 at most"):
            at.task(retries=3)
        assert at.posts() == (0,)
        at.task(retries=2)
        assert at.posts() == (1,)
