"""The pure functions that make the next version of a record."""

from dataclasses import replace
from typing import Any

import pytest

from protes.store import changes
from protes.store.changes import CancelRequested, next_version
from protes.store.protocols import Conflict, LeaseLost
from protes.store.records import LIVE, Phase, TaskRecord, Transition
from protes.tes.states import State
from tests.support.task_records import START, a_lease, a_task, an_attempt, at


def running(**values: object) -> TaskRecord:
    """Make a task that an instance runs."""
    attempt = an_attempt(phase=Phase.ACCEPTED, state=State.RUNNING)
    plain = a_task("task", state=State.RUNNING, last_steady=State.RUNNING, attempts=(attempt,), due_at=None)
    return replace(plain, **values)  # type: ignore[arg-type]


def test_claim_marks_whether_the_cancellation_is_known() -> None:
    for cancelled_at, known in ((None, False), (at(1), True)):
        record = changes.claim(running(cancel_requested_at=cancelled_at), a_lease(), START)
        assert record is not None
        assert record.lease is not None
        assert record.lease.cancel_known is known


@pytest.mark.parametrize(
    ("token", "seconds", "held"), [("token", 59, True), ("token", 60, False), ("another", 1, False), ("", 1, False)]
)
def test_check_lease(token: str, seconds: float, held: bool) -> None:
    record = running(lease=a_lease(until=60))
    if held:
        changes.check_lease(record, token, at(seconds))
    else:
        with pytest.raises(LeaseLost):
            changes.check_lease(record, token, at(seconds))
    with pytest.raises(LeaseLost):
        changes.check_lease(replace(record, lease=None), token, at(seconds))


def test_release_of_a_finished_task_leaves_nothing_due() -> None:
    record = a_task(state=State.SYSTEM_ERROR, lease=a_lease(), due_at=None)
    released = changes.release(record, "token", at(5), ())
    assert released is not None
    assert released.due_at is None
    given_up = running(state=State.CANCELED, lease=a_lease())
    released = changes.release(given_up, "token", at(5), ())
    assert released is not None
    assert released.due_at == at(5)


def test_release_under_a_late_cancellation_keeps_what_is_earlier() -> None:
    record = running(lease=a_lease(), cancel_requested_at=at(2), due_at=at(2))
    for wished, becomes in ((None, at(2)), (at(1), at(1)), (at(3), at(2))):
        released = changes.release(record, "token", wished, ())
        assert released is not None
        assert released.due_at == becomes


@pytest.mark.parametrize("before", [phase for phase in Phase if phase not in LIVE])
@pytest.mark.parametrize("after", sorted(LIVE))
def test_an_attempt_that_has_ended_does_not_live_again(before: Phase, after: Phase) -> None:
    record = a_task(attempts=(an_attempt(phase=before),))
    with pytest.raises(ValueError, match="has ended"):
        changes.with_attempt(record, an_attempt(phase=after))


@pytest.mark.parametrize("before", [Phase.SENT, Phase.UNKNOWN, Phase.ACCEPTED])
def test_an_attempt_that_may_have_been_sent_is_not_intended_again(before: Phase) -> None:
    record = a_task(attempts=(an_attempt(phase=before),))
    with pytest.raises(ValueError, match="sent already"):
        changes.with_attempt(record, an_attempt())


def test_an_earlier_attempt_is_replaced_in_its_place() -> None:
    first, second = an_attempt(1, Phase.REJECTED), an_attempt(2, Phase.ACCEPTED)
    record = a_task(attempts=(first, second))
    told = replace(first, message="it was full")
    assert changes.with_attempt(record, told).attempts == (told, second)
    with pytest.raises(ValueError, match="not be the newest"):
        changes.with_attempt(a_task(attempts=(replace(second, phase=Phase.REJECTED),)), an_attempt(1))


@pytest.mark.parametrize("state", [State.CANCELED, State.COMPLETE])
def test_a_finished_task_gets_no_new_attempt(state: State) -> None:
    with pytest.raises(CancelRequested):
        changes.with_attempt(a_task(state=state), an_attempt())


def test_fail_is_canceled_where_the_caller_wanted_that() -> None:
    record = running(cancel_requested_at=at(1), state=State.CANCELING, due_at=at(1))
    failed = changes.fail(record, ["lost"], at(2))
    assert (failed.state, failed.finished_at, failed.system_logs) == (State.CANCELED, at(2), ("lost",))
    assert failed.due_at == at(1)


def test_fail_does_not_change_how_a_task_ended() -> None:
    record = a_task(state=State.COMPLETE, finished_at=at(1), due_at=None)
    failed = changes.fail(record, ["late"], at(2))
    assert (failed.state, failed.finished_at) == (State.COMPLETE, at(1))


def test_the_end_is_told_with_its_logs() -> None:
    seen = Transition("task", 1, State.COMPLETE)
    early = changes.observe(running(), seen, at(1))
    assert early is not None
    assert (early.state, early.attempts[0].state, early.attempts[0].phase) == (
        State.RUNNING,
        State.COMPLETE,
        Phase.ACCEPTED,
    )
    assert changes.observe(early, seen, at(2)) is None
    late = changes.observe(early, replace(seen, log={"logs": []}, finished=True), at(3))
    assert late is not None
    assert (late.state, late.finished_at, late.attempts[0].log) == (State.COMPLETE, at(3), {"logs": []})


@pytest.mark.parametrize(
    ("seen", "cancelled", "becomes", "line"),
    [
        (State.CANCELED, False, State.SYSTEM_ERROR, "the instance canceled the task; its caller did not"),
        (State.PREEMPTED, False, State.SYSTEM_ERROR, "the instance preempted the task; its caller did not"),
        (State.CANCELED, True, State.CANCELED, None),
        (State.PREEMPTED, True, State.CANCELED, None),
        (State.COMPLETE, True, State.COMPLETE, None),
    ],
)
def test_who_ended_it_decides(seen: State, cancelled: bool, becomes: State, line: str | None) -> None:
    record = running()
    if cancelled:
        record = changes.cancel(record, at(1)) or record
    waiting = changes.observe(record, Transition("task", 1, seen), at(2))
    assert waiting is not None
    assert (waiting.state, waiting.system_logs) == (record.state, ())
    ended = changes.observe(waiting, Transition("task", 1, seen, finished=True), at(3))
    assert ended is not None
    assert (ended.state, ended.system_logs) == (becomes, (line,) if line else ())


def test_canceling_at_the_instance_is_not_the_callers() -> None:
    seen = changes.observe(running(), Transition("task", 1, State.CANCELING), at(1))
    assert seen is not None
    assert seen.state is State.RUNNING


def test_what_becomes_of_a_copy_that_was_given_up_is_not_told() -> None:
    given_up = running(state=State.SYSTEM_ERROR, finished_at=at(1))
    ended = changes.observe(given_up, Transition("task", 1, State.CANCELED, finished=True), at(2))
    assert ended is not None
    assert (ended.state, ended.finished_at, ended.system_logs) == (State.SYSTEM_ERROR, at(1), ())
    assert ended.attempts[0].phase is Phase.FINISHED


def test_unknown_replaces_nothing() -> None:
    assert changes.observe(running(), Transition("task", 1, State.UNKNOWN), at(1)) is None
    missing = changes.observe(running(), Transition("task", 1, State.UNKNOWN, missing_since=at(1)), at(1))
    assert missing is not None
    assert (missing.state, missing.attempts[0].state) == (State.RUNNING, State.RUNNING)
    assert missing.attempts[0].missing_since == at(1)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.ACCEPTED])
def test_only_accepted_attempts_are_observed(phase: Phase) -> None:
    record = a_task(attempts=(an_attempt(phase=phase),))
    assert changes.observe(record, Transition(record.id, 1, State.RUNNING), at(1)) is None


def test_system_logs_are_not_repeated_and_bounded() -> None:
    record: TaskRecord = a_task(lease=a_lease())
    for line in ["same", "same", *(f"line {n}" for n in range(changes.MOST_SYSTEM_LOGS)), "last"]:
        record = changes.fail(record, [line], at(1))
    assert len(record.system_logs) == changes.MOST_SYSTEM_LOGS
    assert (record.system_logs[0], record.system_logs[-1]) == ("line 1", "last")


def test_next_version() -> None:
    assert next_version(a_task(version=3), name="x").version == 4


@pytest.mark.parametrize(("stored", "expected", "version"), [(0, None, 1), (0, 0, 1), (4, 4, 5), (4, None, 5)])
def test_put_version(stored: int, expected: int | None, version: int) -> None:
    assert changes.put_version(stored, expected) == version


@pytest.mark.parametrize(("stored", "expected"), [(0, 1), (1, 0), (5, 4)])
def test_put_version_conflicts(stored: int, expected: int) -> None:
    with pytest.raises(Conflict):
        changes.put_version(stored, expected)


def in_vain(state: State = State.SYSTEM_ERROR, **values: object) -> Transition:
    """Make the second look at an end that need not be the task's."""
    return replace(Transition("task", 1, state, log={"logs": []}, finished=True, again=True), **values)  # type: ignore[arg-type]


def failing(retries: int = 1, state: State = State.SYSTEM_ERROR, **values: object) -> TaskRecord:
    """Make a task whose failure was seen once."""
    seen = changes.observe(running(preference={"retries": retries}, **values), Transition("task", 1, state), at(1))
    assert seen is not None
    return seen


@pytest.mark.parametrize("state", sorted(changes.FAILURES))
def test_a_failure_seen_twice_puts_the_task_back(state: State) -> None:
    after = changes.observe(failing(state=state, lease=a_lease()), in_vain(state), at(5))
    assert after is not None
    assert (after.state, after.last_steady, after.due_at, after.live_attempt) == (
        State.QUEUED,
        State.QUEUED,
        at(5),
        None,
    )
    [attempt] = after.attempts
    assert (attempt.phase, attempt.retried, attempt.ended_at, attempt.log) == (
        Phase.FINISHED,
        True,
        at(5),
        {"logs": []},
    )
    assert (after.retries_left, after.waiting_since, after.shown_attempt) == (0, at(5), None)
    assert after.system_logs[-1].endswith(f"ended in {state} at one; another instance is tried (retries left: 0)")
    assert changes.observe(after, in_vain(state), at(6)) is None


def test_a_failure_seen_once_does_not() -> None:
    record = running(preference={"retries": 1})
    seen = changes.observe(record, in_vain(), at(1))
    assert seen is not None
    assert (seen.state, seen.attempts[0].phase, seen.attempts[0].ended_at) == (State.RUNNING, Phase.ACCEPTED, None)
    other = changes.observe(seen, in_vain(State.PREEMPTED), at(2))
    assert other is not None
    assert (other.state, other.attempts[0].phase) == (State.RUNNING, Phase.ACCEPTED)


def test_without_retries_it_is_the_end() -> None:
    after = changes.observe(failing(0), in_vain(), at(5))
    assert after is not None
    assert (after.state, after.finished_at, after.attempts[0].ended_at) == (State.SYSTEM_ERROR, at(5), at(5))


def test_the_callers_cancellation_wins_over_a_retry() -> None:
    cancelled = changes.cancel(failing(3, State.CANCELED), at(2))
    assert cancelled is not None
    after = changes.observe(cancelled, in_vain(State.CANCELED), at(5))
    assert after is not None
    assert (after.state, after.due_at, after.attempts[0].retried) == (State.CANCELED, None, False)


def test_a_task_put_back_stays_due_when_a_lease_of_before_is_given_back() -> None:
    back = changes.observe(failing(lease=a_lease()), in_vain(), at(5))
    assert back is not None
    for wished, becomes in ((None, at(5)), (at(9), at(9))):
        released = changes.release(back, "token", wished, ())
        assert released is not None
        assert released.due_at == becomes


def test_attempts_that_are_counted_are_kept() -> None:
    retried = an_attempt(1, Phase.FINISHED, retried=True)
    record = a_task(attempts=(retried,), preference={"retries": 1})
    for n in range(2, 60):
        record = changes.with_attempt(record, an_attempt(n, Phase.REJECTED))
    assert len(record.attempts) == changes.MOST_ATTEMPTS
    assert (record.attempts[0], record.attempts[-1].n, record.retries_left) == (retried, 59, 0)
    assert [attempt.n for attempt in record.attempts[1:]] == list(range(41, 60))


def waiting(**values: Any) -> TaskRecord:
    """Make a task that waits at its instance."""
    return running(state=State.QUEUED, attempts=(an_attempt(phase=Phase.ACCEPTED, state=State.QUEUED, **values),))


def test_a_withdrawal_is_stored_with_its_line_and_makes_the_task_due() -> None:
    record = changes.withdraw(waiting(), 1, "too long", at(4))
    assert record is not None
    assert (record.attempts[0].withdrawn_at, record.due_at, record.system_logs) == (at(4), at(4), ("too long",))
    assert changes.withdraw(record, 1, "too long", at(5)) is None


@pytest.mark.parametrize(
    "record",
    [
        waiting(started=True),
        running(),
        a_task(attempts=(an_attempt(phase=Phase.UNKNOWN),)),
        a_task(attempts=(an_attempt(phase=Phase.FINISHED),)),
        a_task(),
        replace(waiting(), cancel_requested_at=at(1)),
        replace(waiting(), state=State.SYSTEM_ERROR),
        replace(waiting(), attempts=(an_attempt(2, Phase.ACCEPTED),)),
    ],
)
def test_a_withdrawal_that_comes_too_late_changes_nothing(record: TaskRecord) -> None:
    assert changes.withdraw(record, 1, "too long", at(4)) is None


def test_a_withdrawal_that_is_confirmed_costs_no_retry() -> None:
    record = changes.withdraw(waiting(), 1, "too long", at(4))
    assert record is not None
    for seconds in (5, 6):
        record = changes.observe(record, in_vain(State.CANCELED), at(seconds)) or record
    assert (record.state, record.live_attempt, record.due_at) == (State.QUEUED, None, at(6))
    assert (record.attempts[0].withdrawn, record.attempts[0].retried) == (True, False)


def test_what_has_started_is_remembered() -> None:
    record = waiting()
    for state in (State.RUNNING, State.QUEUED):
        record = changes.observe(record, Transition("task", 1, state), at(1)) or record
    assert (record.state, record.attempts[0].state, record.attempts[0].started) == (State.QUEUED, State.QUEUED, True)


def test_due_is_marked_once() -> None:
    seen = Transition("task", 1, State.QUEUED, due=True)
    record = changes.observe(waiting(), seen, at(3))
    assert record is not None
    assert record.due_at == at(3)
    assert changes.observe(record, seen, at(4)) is None
