"""TaskStore on every backend: due tasks, leases, attempts, cancellation and what the relay saw."""

from dataclasses import replace

import pytest

from protes.store.changes import CancelRequested
from protes.store.protocols import LeaseLost, TaskStore
from protes.store.records import Phase, TaskRecord, Transition
from protes.tes.states import State
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded


def stored(tasks: TaskStore, task_id: str) -> TaskRecord:
    """Return a task that is there."""
    record = tasks.get(task_id)
    assert record is not None
    return record


def claimed(tasks: TaskStore, token: str = "token", until: float = 60.0) -> TaskRecord:
    """Store a task and put a lease on it."""
    record = tasks.claim(tasks.create(a_task()).id, a_lease(token, until), START)
    assert record is not None
    return record


def test_due_is_oldest_first_and_stamps(tasks: TaskStore) -> None:
    for task_id, seconds in (("c", 1), ("a", 3), ("b", 2), ("later", 11)):
        tasks.create(a_task(task_id, due_at=at(seconds)))
    tasks.create(a_task("never", due_at=None))
    assert list(tasks.due(at(10), 2, at(40))) == ["c", "b"]
    assert list(tasks.due(at(10), 9, at(40))) == ["a"]
    assert list(tasks.due(at(39.9), 9, at(70))) == ["later"]
    assert list(tasks.due(at(40), 9, at(70))) == ["c", "b", "a"]
    record = stored(tasks, "c")
    assert (record.enqueued_until, record.version) == (at(70), 1)


def test_due_leaves_out_what_is_leased(tasks: TaskStore) -> None:
    record = claimed(tasks, until=60)
    assert list(tasks.due(at(59.9), 9, at(100))) == []
    assert list(tasks.due(at(60), 9, at(100))) == [record.id]


def test_what_was_to_wait_for_longer_is_due_when_its_holder_has_died(tasks: TaskStore) -> None:
    record = tasks.create(a_task(due_at=at(300)))
    claimed = tasks.claim(record.id, a_lease("token", 60), START)
    assert claimed is not None
    assert list(tasks.due(at(59.9), 9, at(100))) == []
    assert list(tasks.due(at(60), 9, at(100))) == [record.id]
    tasks.release(record.id, "token", at(400))
    assert list(tasks.due(at(399.9), 9, at(500))) == []
    idle = tasks.create(a_task("idle", due_at=None))
    assert tasks.claim(idle.id, a_lease("token", 60), START) is not None
    assert stored(tasks, idle.id).due_at is None


def test_a_microsecond_counts(tasks: TaskStore) -> None:
    tasks.create(a_task("a", due_at=at(1.000001)))
    assert list(tasks.due(at(1), 9, at(9))) == []
    assert list(tasks.due(at(1.000001), 9, at(9))) == ["a"]


def test_claim_needs_a_free_task(tasks: TaskStore) -> None:
    record = claimed(tasks, "first", until=60)
    assert record.lease == a_lease("first", 60)
    assert record.version == 2
    assert tasks.claim(record.id, a_lease("second", 90), at(59.9)) is None
    assert stored(tasks, record.id) == record
    taken = tasks.claim(record.id, a_lease("second", 90), at(60))
    assert taken is not None
    assert taken.lease == a_lease("second", 90)


def test_extend(tasks: TaskStore) -> None:
    record = claimed(tasks, until=60)
    tasks.extend(record.id, "token", at(120))
    assert tasks.claim(record.id, a_lease("second"), at(119)) is None
    assert stored(tasks, record.id).version == record.version + 1
    for task_id, token in ((record.id, "another"), ("absent", "token")):
        with pytest.raises(LeaseLost):
            tasks.extend(task_id, token, at(180))
    assert stored(tasks, record.id).lease == a_lease("token", 120)


def test_release(tasks: TaskStore) -> None:
    record = claimed(tasks)
    tasks.due(at(100), 9, at(200))
    tasks.release(record.id, "another", None, ["not mine"])
    assert stored(tasks, record.id).lease is not None
    tasks.release(record.id, "token", at(300), ["a line", "another line"])
    after = stored(tasks, record.id)
    assert (after.lease, after.due_at, after.enqueued_until) == (None, at(300), None)
    assert after.system_logs == ("a line", "another line")
    tasks.release(record.id, "token", at(1))
    assert stored(tasks, record.id) == after


def test_a_cancellation_that_came_under_the_lease_is_not_put_off(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    tasks.claim(record.id, a_lease(), at(1))
    tasks.request_cancel(record.id, at(2))
    tasks.release(record.id, "token", at(600))
    assert stored(tasks, record.id).due_at == at(2)


def test_a_cancellation_that_its_holder_knew_is_put_off_as_he_says(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    tasks.request_cancel(record.id, at(2))
    tasks.claim(record.id, a_lease(), at(3))
    tasks.release(record.id, "token", at(600))
    assert stored(tasks, record.id).due_at == at(600)


def test_attempts_are_added_and_replaced(tasks: TaskStore) -> None:
    record = claimed(tasks)
    first = an_attempt()
    assert tasks.save_attempt(record.id, "token", first, at(1)).attempts == (first,)
    rejected = replace(first, phase=Phase.REJECTED, message="refused")
    tasks.save_attempt(record.id, "token", rejected, at(2))
    second = an_attempt(2)
    after = tasks.save_attempt(record.id, "token", second, at(3))
    assert after.attempts == (rejected, second)
    assert after.live_attempt == second
    assert stored(tasks, record.id) == after
    assert after.version == record.version + 3


@pytest.mark.parametrize(("token", "seconds"), [("another", 1.0), ("token", 60.0), ("token", 61.0)])
def test_attempts_and_failures_need_the_lease(tasks: TaskStore, token: str, seconds: float) -> None:
    record = claimed(tasks, until=60)
    with pytest.raises(LeaseLost):
        tasks.save_attempt(record.id, token, an_attempt(), at(seconds))
    with pytest.raises(LeaseLost):
        tasks.fail(record.id, token, ["no"], at(seconds))
    with pytest.raises(LeaseLost):
        tasks.save_attempt("absent", token, an_attempt(), at(seconds))
    assert stored(tasks, record.id) == record


@pytest.mark.parametrize("seconds", [60.0, 10_000.0, -10_000.0])
def test_what_became_of_an_attempt_is_recorded_however_the_clock_jumped(tasks: TaskStore, seconds: float) -> None:
    record = claimed(tasks, until=60)
    tasks.save_attempt(record.id, "token", an_attempt(), at(1))
    accepted = an_attempt(phase=Phase.ACCEPTED, instance_task_id="there")
    assert tasks.save_attempt(record.id, "token", accepted, at(seconds)).attempts == (accepted,)
    assert stored(tasks, record.id).live_attempt == accepted


def test_what_became_of_an_attempt_is_not_recorded_by_whom_another_has_replaced(tasks: TaskStore) -> None:
    record = claimed(tasks, until=60)
    tasks.save_attempt(record.id, "token", an_attempt(), at(1))
    assert tasks.claim(record.id, a_lease("second", 120), at(60)) is not None
    before = stored(tasks, record.id)
    for seconds in (1, 61):
        with pytest.raises(LeaseLost):
            tasks.save_attempt(record.id, "token", an_attempt(phase=Phase.ACCEPTED), at(seconds))
    tasks.release(record.id, "second", at(62))
    with pytest.raises(LeaseLost):
        tasks.save_attempt(record.id, "token", an_attempt(phase=Phase.ACCEPTED), at(63))
    assert stored(tasks, record.id).attempts == before.attempts


def test_a_second_live_attempt_is_refused(tasks: TaskStore) -> None:
    record = claimed(tasks)
    after = tasks.save_attempt(record.id, "token", an_attempt(), at(1))
    with pytest.raises(ValueError, match="live attempt"):
        tasks.save_attempt(record.id, "token", an_attempt(2), at(2))
    assert stored(tasks, record.id) == after


def test_only_the_last_attempts_are_kept(tasks: TaskStore) -> None:
    record = claimed(tasks)
    for n in range(1, 31):
        tasks.save_attempt(record.id, "token", an_attempt(n, Phase.REJECTED), at(1))
    numbers = [attempt.n for attempt in stored(tasks, record.id).attempts]
    assert numbers == list(range(31 - len(numbers), 31))
    assert len(numbers) < 30


def test_fail_ends_the_task(tasks: TaskStore) -> None:
    record = claimed(tasks)
    failed = tasks.fail(record.id, "token", ["nobody took it"], at(5))
    assert (failed.state, failed.finished_at, failed.due_at) == (State.SYSTEM_ERROR, at(5), at(60))
    assert failed.system_logs == ("nobody took it",)
    assert stored(tasks, record.id) == failed


def test_cancelling_what_was_never_sent_ends_it(tasks: TaskStore) -> None:
    record = claimed(tasks)
    cancelled = tasks.request_cancel(record.id, at(5))
    assert cancelled is not None
    assert (cancelled.state, cancelled.finished_at, cancelled.due_at) == (State.CANCELED, at(5), at(60))
    with pytest.raises(CancelRequested):
        tasks.save_attempt(record.id, "token", an_attempt(), at(6))
    assert tasks.request_cancel(record.id, at(7)) == cancelled


def test_cancelling_what_was_sent_is_a_wish(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    cancelled = tasks.request_cancel(record.id, at(5))
    assert cancelled is not None
    assert (cancelled.state, cancelled.cancel_requested_at, cancelled.due_at) == (State.CANCELING, at(5), at(5))
    assert list(tasks.due(at(5), 9, at(9))) == [record.id]
    assert tasks.request_cancel(record.id, at(7)) == stored(tasks, record.id)
    (ended,) = tasks.transition([Transition(record.id, 1, State.CANCELED, finished=True)], at(8))
    assert (ended.state, ended.finished_at, ended.due_at) == (State.CANCELED, at(8), None)


def test_a_cancelled_task_whose_attempt_was_rejected_is_canceled(tasks: TaskStore) -> None:
    record = claimed(tasks)
    tasks.save_attempt(record.id, "token", an_attempt(), at(1))
    tasks.request_cancel(record.id, at(2))
    after = tasks.save_attempt(record.id, "token", an_attempt(phase=Phase.REJECTED), at(3))
    assert (after.state, after.due_at) == (State.CANCELED, at(60))
    tasks.release(record.id, "token", None)
    assert stored(tasks, record.id).due_at is None


@pytest.mark.parametrize("cancelled_first", [False, True])
def test_the_lease_of_one_who_died_is_taken_away_from_a_task_that_has_ended(
    tasks: TaskStore, cancelled_first: bool
) -> None:
    record = tasks.create(a_task())
    if cancelled_first:
        tasks.request_cancel(record.id, at(1))
    assert tasks.claim(record.id, a_lease("token", 60), at(1)) is not None
    if not cancelled_first:
        tasks.request_cancel(record.id, at(1))
    assert stored(tasks, record.id).state is State.CANCELED
    assert list(tasks.due(at(59), 9, at(80))) == []
    assert list(tasks.due(at(60), 9, at(80))) == [record.id]
    assert tasks.claim(record.id, a_lease("other", 120), at(61)) is not None
    tasks.release(record.id, "other", None)
    ended = stored(tasks, record.id)
    assert (ended.lease, ended.due_at, ended.enqueued_until) == (None, None, None)


def test_an_unconfirmed_cancellation_is_shown_and_pushed_on(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    assert tasks.close_cancel(record.id, "too early", at(4)) is None
    tasks.request_cancel(record.id, at(5))
    closed = tasks.close_cancel(record.id, "unconfirmed", at(6))
    assert closed is not None
    assert (closed.state, closed.due_at, closed.system_logs) == (State.CANCELED, at(5), ("unconfirmed",))
    assert closed.live_attempt is not None
    assert tasks.close_cancel(record.id, "unconfirmed", at(7)) is None
    (ended,) = tasks.transition([Transition(record.id, 1, State.COMPLETE, finished=True)], at(8))
    assert (ended.state, ended.finished_at, ended.due_at) == (State.CANCELED, at(6), None)
    assert ended.attempts[0].phase is Phase.FINISHED


def test_transitions_are_a_batch(tasks: TaskStore) -> None:
    records = [forwarded(tasks, a_task()) for _ in range(3)]
    log = {"logs": [{"exit_code": 0}]}
    seen = [
        Transition(records[0].id, 1, State.RUNNING, system_logs=("hello",)),
        Transition(records[1].id, 1, State.COMPLETE, log=log, finished=True),
        Transition(records[2].id, 2, State.RUNNING),
        Transition("absent", 1, State.RUNNING),
        Transition(records[0].id, 1, State.PAUSED),
    ]
    changed = tasks.transition(seen, at(9))
    assert [record.id for record in changed] == [records[0].id, records[1].id]
    assert list(changed) == [stored(tasks, record.id) for record in records[:2]]
    assert (changed[0].state, changed[0].last_steady) == (State.PAUSED, State.RUNNING)
    assert changed[0].version == records[0].version + 2
    assert (changed[1].state, changed[1].finished_at, changed[1].attempts[0].log) == (State.COMPLETE, at(9), log)
    assert stored(tasks, records[2].id) == records[2]


def test_a_repeated_or_late_report_changes_nothing(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    running = Transition(record.id, 1, State.RUNNING)
    assert len(tasks.transition([running], at(1))) == 1
    assert not tasks.transition([running], at(2))
    tasks.transition([Transition(record.id, 1, State.EXECUTOR_ERROR, finished=True)], at(3))
    before = stored(tasks, record.id)
    assert not tasks.transition([running], at(4))
    assert stored(tasks, record.id) == before


def test_a_withdrawal_needs_the_lease_and_a_task_that_waits(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task())
    with pytest.raises(LeaseLost):
        tasks.withdraw(record.id, "token", 1, "too long", at(1))
    assert tasks.claim(record.id, a_lease(), at(1)) is not None
    assert tasks.withdraw(record.id, "token", 2, "too long", at(2)) is None
    withdrawn = tasks.withdraw(record.id, "token", 1, "too long", at(2))
    assert withdrawn is not None
    assert tasks.get(record.id) == withdrawn
    assert (withdrawn.attempts[0].withdrawn_at, withdrawn.system_logs) == (at(2), ("too long",))
    assert tasks.withdraw(record.id, "token", 1, "too long", at(3)) is None
    with pytest.raises(LeaseLost):
        tasks.withdraw("absent", "token", 1, "too long", at(3))


def test_a_task_that_goes_back_to_the_queue_is_due_and_nobodys_load(tasks: TaskStore) -> None:
    record = forwarded(tasks, a_task(preference={"retries": 1}))
    first = Transition(record.id, 1, State.SYSTEM_ERROR)
    second = Transition(record.id, 1, State.SYSTEM_ERROR, log={"logs": []}, finished=True, again=True)
    assert len(tasks.transition([first, second], at(9))) == 1
    assert tasks.loads() == []
    assert list(tasks.active(URL, None, 10)) == []
    back = tasks.get(record.id)
    assert back is not None
    assert (back.state, back.finished_at, back.attempts[0].retried, back.attempts[0].ended_at) == (
        State.QUEUED,
        None,
        True,
        at(9),
    )
    assert tasks.due(at(9), 10, at(20)) == [record.id]
    assert not tasks.transition([second], at(10))


def test_the_lease_of_a_dead_worker_is_taken_away_after_its_task_has_ended(tasks: TaskStore) -> None:
    record = claimed(tasks, until=60)
    tasks.save_attempt(record.id, "token", an_attempt(), at(1))
    accepted = an_attempt(phase=Phase.ACCEPTED, instance_task_id="remote")
    tasks.save_attempt(record.id, "token", accepted, at(2))
    tasks.transition([Transition(record.id, 1, State.COMPLETE, finished=True)], at(3))
    assert stored(tasks, record.id).lease is not None
    assert list(tasks.due(at(59), 9, at(90))) == []
    assert list(tasks.due(at(60), 9, at(90))) == [record.id]
    assert tasks.claim(record.id, a_lease("another", 120), at(60)) is not None
    tasks.release(record.id, "another", None)
    after = stored(tasks, record.id)
    assert (after.lease, after.due_at, after.enqueued_until, after.state) == (None, None, None, State.COMPLETE)
