"""When an end at one instance is not the task's own, and what two looks make of it."""

from dataclasses import replace
from typing import Any

import pytest

from protes.planning.stuck import is_stuck
from protes.planning.tried import TRIED, forgiving, tried
from protes.relay.merging import final, glance
from protes.relay.retrying import executor_failed, may_go_on
from protes.store.changes import FAILURES
from protes.store.records import Attempt, Phase, TaskRecord
from protes.tes.dialects.base import Dialect
from protes.tes.dialects.table import DIALECTS, dialect_named
from protes.tes.read import SeenTask
from protes.tes.states import FINISHED, State
from tests.support.task_records import a_task, an_attempt, at

NODE = dialect_named("node")


def a_running(retries: int = 1, **attempt: Any) -> TaskRecord:
    """Make a task that a node runs."""
    values = {"state": State.RUNNING, "dialect": "node", "instance_task_id": "remote", **attempt}
    return a_task(
        state=State.RUNNING, preference={"retries": retries}, attempts=(an_attempt(1, **values),), due_at=None
    )


def accepted(record: TaskRecord) -> TaskRecord:
    """Return it with its attempt accepted."""
    return replace(record, attempts=(replace(record.attempts[0], phase=Phase.ACCEPTED),))


def live(record: TaskRecord) -> Attempt:
    """Return its live attempt."""
    assert record.live_attempt is not None
    return record.live_attempt


@pytest.mark.parametrize("state", sorted(State))
def test_only_failures_of_the_instance_may_be_tried_again(state: State) -> None:
    record = accepted(a_running())
    assert may_go_on(record, live(record), state, NODE) == (state in FAILURES)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_only_where_an_end_is_for_good(name: str) -> None:
    record, dialect = accepted(a_running()), DIALECTS[name]
    assert may_go_on(record, live(record), State.SYSTEM_ERROR, dialect) == dialect.ends_for_good
    assert dialect.ends_for_good == (name == "node")


@pytest.mark.parametrize(("final_error", "stops"), [(True, False), (False, True), (False, False)])
def test_one_of_the_two_promises_is_not_enough(final_error: bool, stops: bool) -> None:
    record = accepted(a_running())
    dialect = Dialect("half", final_error=final_error, cancel_stops_work=stops)
    assert not may_go_on(record, live(record), State.SYSTEM_ERROR, dialect)


@pytest.mark.parametrize(
    "changed",
    [
        {"preference": {}},
        {"preference": {"retries": 0}},
        {"cancel_requested_at": at(1)},
        {"state": State.SYSTEM_ERROR, "finished_at": at(1)},
    ],
)
def test_not_without_retries_nor_for_a_task_that_is_over(changed: dict[str, Any]) -> None:
    record = replace(accepted(a_running()), **changed)
    assert not may_go_on(record, live(record), State.PREEMPTED, NODE)


def test_what_the_gateway_withdrew_needs_no_retries() -> None:
    record = accepted(a_running(retries=0, withdrawn_at=at(9)))
    assert may_go_on(record, live(record), State.CANCELED, NODE)
    assert not may_go_on(record, live(record), State.SYSTEM_ERROR, NODE)


@pytest.mark.parametrize(
    ("log", "failed"),
    [
        (None, False),
        ({}, False),
        ({"logs": []}, False),
        ({"logs": [{}]}, False),
        ({"logs": [{"exit_code": 0}]}, False),
        ({"logs": [{"exit_code": 0}, {"exit_code": -9}]}, True),
    ],
)
def test_an_exit_code_tells_whose_fault_it_was(log: dict[str, Any] | None, failed: bool) -> None:
    assert executor_failed(log) is failed
    record = accepted(a_running())
    assert final(record, live(record), SeenTask("remote", State.SYSTEM_ERROR, log), NODE).again is not failed


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_an_end_that_is_not_the_tasks_is_seen_twice(state: State) -> None:
    record = accepted(a_running())
    first = glance(record, live(record), state, NODE)
    assert first.fetch == (state not in FAILURES)
    assert (first.transition is not None) == (state in FAILURES)
    again = replace(live(record), state=state)
    assert glance(record, again, state, NODE).fetch


def test_without_retries_one_look_at_a_final_error_is_enough() -> None:
    record = accepted(a_running(retries=0))
    assert glance(record, live(record), State.SYSTEM_ERROR, NODE).fetch
    assert not glance(record, live(record), State.SYSTEM_ERROR, dialect_named("funnel")).fetch


class TestStuck:
    """Only what has done nothing but wait for long enough, where that can be undone."""

    record = accepted(a_running(retries=0, state=State.QUEUED, intended_at=at(0)))

    def test_after_its_time(self) -> None:
        assert not is_stuck(self.record, at(99), 100, NODE)
        assert is_stuck(self.record, at(100), 100, NODE)
        assert not is_stuck(self.record, at(1e6), None, NODE)
        assert not is_stuck(self.record, at(1e6), 100, dialect_named("funnel"))

    @pytest.mark.parametrize(
        "attempt",
        [
            {"state": State.RUNNING},
            {"state": State.CANCELING},
            {"state": State.SYSTEM_ERROR},
            {"started": True},
            {"withdrawn_at": at(1)},
            {"phase": Phase.UNKNOWN},
            {"phase": Phase.FINISHED},
        ],
    )
    def test_not_what_moves(self, attempt: dict[str, Any]) -> None:
        record = replace(self.record, attempts=(replace(self.record.attempts[0], **attempt),))
        assert not is_stuck(record, at(1e6), 100, NODE)

    @pytest.mark.parametrize("changed", [{"cancel_requested_at": at(1)}, {"state": State.CANCELED}])
    def test_not_what_is_over(self, changed: dict[str, Any]) -> None:
        assert not is_stuck(replace(self.record, **changed), at(1e6), 100, NODE)


class TestTried:
    """Where a task is not sent again."""

    failed = an_attempt(1, Phase.FINISHED, instance_url="https://one", state=State.PREEMPTED, retried=True)
    withdrawn = an_attempt(2, Phase.FINISHED, instance_url="https://two", state=State.CANCELED, withdrawn_at=at(1))
    rejected = an_attempt(3, Phase.REJECTED, instance_url="https://three")
    overtaken = an_attempt(4, Phase.ACCEPTED, instance_url="https://four", state=State.RUNNING, withdrawn_at=at(2))

    def test_failures_for_good_and_withdrawals_as_long_as_others_can(self) -> None:
        reasons = tried(a_task(attempts=(self.failed, self.withdrawn, self.rejected, self.overtaken)))
        assert {url: reason.permanent for url, reason in reasons.items()} == {"https://one": True, "https://two": False}
        assert {reason.code for reason in reasons.values()} == {TRIED}
        assert "PREEMPTED" in reasons["https://one"].text

    def test_withdrawals_are_forgiven_and_failures_are_not(self) -> None:
        forgiven = forgiving(a_task(attempts=(self.failed, self.withdrawn, self.overtaken)))
        assert set(tried(forgiven)) == {"https://one"}
        assert forgiven.attempts[2] == self.overtaken

    def test_where_it_both_was_withdrawn_and_failed_the_failure_counts(self) -> None:
        there = replace(self.withdrawn, n=0, instance_url="https://one")
        for attempts in ((there, self.failed), (self.failed, there)):
            assert tried(a_task(attempts=attempts))["https://one"].permanent
