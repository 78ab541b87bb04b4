"""The pure functions that make the next version of a record. Stores apply them inside a compare-and-set.

Each returns a new record, or None where nothing changes.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from protes.clock import lies_ahead
from protes.store.protocols import Conflict, LeaseLost
from protes.store.records import (
    FURTHEST_AHEAD,
    LIVE,
    NOT_STARTED,
    STARTED,
    Attempt,
    Lease,
    Phase,
    TaskRecord,
    Transition,
)
from protes.tes.states import STEADY, State, may_follow

FAILURES = frozenset({State.SYSTEM_ERROR, State.PREEMPTED, State.CANCELED})
"""Ends that are the instance's doing, if the caller has not cancelled: another instance may do better."""

MOST_ATTEMPTS = 20
MOST_SYSTEM_LOGS = 200


class CancelRequested(Exception):
    """The task is cancelled or finished: it must not be forwarded any more."""


def next_version(record: TaskRecord, **changes: object) -> TaskRecord:
    """Return the record with `changes` and a version one higher."""
    return replace(record, version=record.version + 1, **changes)  # type: ignore[arg-type]


def _logged(record: TaskRecord, lines: Sequence[str]) -> tuple[str, ...]:
    """Append lines to the task's own; one said last is not said again, and the oldest go first."""
    logs = record.system_logs
    for line in lines:
        if not logs or logs[-1] != line:
            logs = (*logs, line)
    return logs[-MOST_SYSTEM_LOGS:]


def _in_state(record: TaskRecord, state: State, now: datetime) -> TaskRecord:
    """Move to `state` if the table allows it, keeping what follows from it right; the move is news."""
    if not may_follow(record.state, state):
        return record
    return replace(
        record,
        state=state,
        last_steady=state if state in STEADY else record.last_steady,
        finished_at=now if state.finished else record.finished_at,
        moves=record.moves + 1,
        news=record.moves + 1,
        state_at=now,
    )


def _settled_due(record: TaskRecord) -> TaskRecord:
    """Nothing is left to do for a finished task without a live attempt, but for taking away the lease of the dead.

    A holder who lives gives it back, and that is the end of it.
    """
    if record.state.finished and record.live_attempt is None:
        return replace(record, due_at=None if record.lease is None else record.lease.until, enqueued_until=None)
    return record


def lease_lasts(record: TaskRecord, now: datetime) -> bool:
    """Tell whether somebody's lease on the task lasts beyond `now`; one that would for too long never was."""
    return record.lease is not None and lies_ahead(record.lease.until, now, FURTHEST_AHEAD)


def check_lease(record: TaskRecord, token: str, now: datetime, n: int | None = None) -> None:
    """Raise LeaseLost unless `token` is the task's and its lease lasts beyond `now`.

    Where attempt `n` is stored already, the token suffices: what became of it is to be recorded however late it is, for
    the clock may have jumped while it was sent. Whoever had taken over would have written a token of their own.
    """
    if record.lease is None or record.lease.token != token:
        raise LeaseLost(record.id)
    if not lease_lasts(record, now) and n not in {attempt.n for attempt in record.attempts}:
        raise LeaseLost(record.id)


def claim(record: TaskRecord, lease: Lease, now: datetime) -> TaskRecord | None:
    """Put a lease on the task unless another lasts; if its holder dies the task is due when it ends, not later."""
    if lease_lasts(record, now):
        return None
    due_at = record.due_at if record.due_at is None else min(record.due_at, lease.until)
    known = record.cancel_requested_at is not None
    return _settled_due(next_version(record, lease=replace(lease, cancel_known=known), due_at=due_at))


def extend(record: TaskRecord, token: str, until: datetime) -> TaskRecord:
    """Make the lease last until `until`.

    Raises:
        LeaseLost: the token is not the task's.
    """
    if record.lease is None or record.lease.token != token:
        raise LeaseLost(record.id)
    return next_version(record, lease=replace(record.lease, until=until))


def release(record: TaskRecord, token: str, due_at: datetime | None, system_logs: Sequence[str]) -> TaskRecord | None:
    """Drop the lease; a cancellation that came in while it was held is not put off.

    A task that went back to the queue meanwhile, which its holder may not know, stays due.
    """
    if record.lease is None or record.lease.token != token:
        return None
    if due_at is None and record.live_attempt is None:
        due_at = record.due_at
    cancelled_meanwhile = record.cancel_requested_at is not None and not record.lease.cancel_known
    if cancelled_meanwhile and record.due_at is not None:
        due_at = record.due_at if due_at is None else min(due_at, record.due_at)
    return _settled_due(
        next_version(
            record,
            lease=None,
            due_at=due_at,
            enqueued_until=None,
            system_logs=_logged(record, system_logs),
        )
    )


def with_attempt(record: TaskRecord, attempt: Attempt) -> TaskRecord:
    """Add a new attempt or replace the one with the same number.

    An attempt that was rejected leaves a task that its caller cancelled meanwhile with nothing to run: CANCELED.

    Raises:
        CancelRequested: a new attempt for a task that is cancelled or finished.
        ValueError: a second live attempt, a number out of order, or an attempt that would go back.
    """
    stored = next((old for old in record.attempts if old.n == attempt.n), None)
    if stored is None:
        _check_new(record, attempt)
    else:
        _check_replacement(record, stored, attempt)
    others = (old for old in record.attempts if old.n != attempt.n)
    attempts = sorted((*others, attempt), key=lambda each: each.n)
    changed = next_version(record, attempts=_kept(attempts))
    if changed.live_attempt is None and changed.due_at is None:
        # Whatever becomes of its holder, somebody must look for another instance.
        changed = replace(changed, due_at=attempt.intended_at)
    if attempt.phase not in LIVE and record.cancel_requested_at is not None:
        changed = _in_state(changed, State.CANCELED, record.cancel_requested_at)
    return _settled_due(changed)


def _kept(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Leave out the oldest attempts of a task that waits for days; their numbers go on.

    Those that were retried stay, since they are counted; there are fewer than `MOST_ATTEMPTS` of them.
    """
    spare = [attempt.n for attempt in attempts[:-1] if not attempt.retried]
    dropped = spare[: max(0, len(attempts) - MOST_ATTEMPTS)]
    return tuple(attempt for attempt in attempts if attempt.n not in dropped)


def _check_new(record: TaskRecord, attempt: Attempt) -> None:
    if record.cancel_requested_at is not None or record.state.finished:
        raise CancelRequested(record.id)
    if record.live_attempt is not None:
        raise ValueError(f"task {record.id} already has a live attempt")
    if record.attempts and attempt.n <= record.attempts[-1].n:
        raise ValueError(f"task {record.id}: attempt {attempt.n} would not be the newest")


def _check_replacement(record: TaskRecord, stored: Attempt, attempt: Attempt) -> None:
    if attempt.phase in LIVE and stored.phase not in LIVE:
        raise ValueError(f"task {record.id}: attempt {attempt.n} has ended")
    if attempt.phase is Phase.INTENDED and stored.phase is not Phase.INTENDED:
        raise ValueError(f"task {record.id}: attempt {attempt.n} may have been sent already")


def fail(record: TaskRecord, system_logs: Sequence[str], now: datetime) -> TaskRecord:
    """End the task in SYSTEM_ERROR (CANCELED where its caller wanted that), saying why."""
    end = State.SYSTEM_ERROR if record.cancel_requested_at is None else State.CANCELED
    changed = next_version(record, system_logs=_logged(record, system_logs))
    return _settled_due(_in_state(changed, end, now))


def cancel(record: TaskRecord, now: datetime) -> TaskRecord | None:
    """Record the caller's wish; what never reached an instance is CANCELED at once, and never will reach one."""
    if record.state.finished or record.cancel_requested_at is not None:
        return None
    changed = next_version(record, cancel_requested_at=now)
    if record.live_attempt is None:
        return _settled_due(_in_state(changed, State.CANCELED, now))
    return replace(_in_state(changed, State.CANCELING, now), due_at=now, enqueued_until=None)


def close_cancel(record: TaskRecord, message: str, now: datetime) -> TaskRecord | None:
    """Show CANCELED to the caller while pushing the cancellation goes on."""
    if record.state.finished or record.cancel_requested_at is None:
        return None
    changed = next_version(record, system_logs=_logged(record, (message,)))
    return _settled_due(_in_state(changed, State.CANCELED, now))


def withdraw(record: TaskRecord, n: int, line: str, now: datetime) -> TaskRecord | None:
    """Note the gateway's wish to take a task back from an instance that does not start it.

    Nothing happens where it has started, ended, or been cancelled meanwhile, or where the wish is there already.
    """
    attempt = record.live_attempt
    if attempt is None or attempt.n != n or attempt.phase is not Phase.ACCEPTED or attempt.withdrawn_at is not None:
        return None
    if record.state.finished or record.cancel_requested_at is not None:
        return None
    if attempt.started or attempt.state not in NOT_STARTED:
        return None
    wished = replace(attempt, withdrawn_at=now)
    return next_version(
        record, attempts=(*record.attempts[:-1], wished), system_logs=_logged(record, (line,)), due_at=now
    )


def observe(record: TaskRecord, seen: Transition, now: datetime) -> TaskRecord | None:
    """Merge what was seen at the instance; late, repeated and backward reports change nothing.

    A CANCELED that the caller did not ask for is an administrator's kill and shown as SYSTEM_ERROR
    (DESIGN.md section 4, "States that engines know"), unless the task goes back to the queue ("Retries elsewhere").
    """
    attempt = record.live_attempt
    if attempt is None or attempt.n != seen.attempt_n or attempt.phase is not Phase.ACCEPTED:
        return None
    ends = seen.finished
    if ends and seen.again and _may_go_on(record, attempt, seen.state):
        if attempt.state is seen.state:
            return _back_in_queue(record, attempt, seen, now)
        ends = False  # the first look at this end; it must be seen twice
    after = replace(
        _seen(attempt, seen),
        phase=Phase.FINISHED if ends else attempt.phase,
        ended_at=now if ends else None,
        missing_since=seen.missing_since,
    )
    state, lines = _outward(record, seen)
    if state.finished and not ends:
        # The end is told together with its logs, never before them.
        state, lines = record.state, seen.system_logs
    changed = replace(
        record,
        attempts=(*record.attempts[:-1], after),
        system_logs=_logged(record, lines),
        due_at=now if seen.due and record.due_at is None else record.due_at,
    )
    changed = _settled_due(_in_state(changed, state, now))
    return next_version(changed) if changed != record else None


def _seen(attempt: Attempt, seen: Transition) -> Attempt:
    return replace(
        attempt,
        state=seen.state if seen.state is not State.UNKNOWN else attempt.state,
        log=seen.log if seen.log is not None else attempt.log,
        started=attempt.started or seen.state in STARTED,
    )


def _may_go_on(record: TaskRecord, attempt: Attempt, state: State) -> bool:
    """Tell whether an end at the instance may leave the task to another one; what was wished of it decides."""
    if record.state.finished or record.cancel_requested_at is not None:
        return False
    if state is State.CANCELED and attempt.withdrawn_at is not None:
        return True
    return state in FAILURES and record.retries_left > 0


def _back_in_queue(record: TaskRecord, attempt: Attempt, seen: Transition, now: datetime) -> TaskRecord:
    """Finish the attempt and make the task due, in one: never is the one stored without the other."""
    withdrawn = seen.state is State.CANCELED and attempt.withdrawn_at is not None
    left = record.retries_left - (0 if withdrawn else 1)
    if withdrawn:
        message = "withdrawn by the gateway; another instance is tried"
        line = f"attempt {attempt.n}: {attempt.instance_id} has confirmed that the task is withdrawn there"
    else:
        message = f"{seen.state}; another instance is tried"
        line = (
            f"attempt {attempt.n}: the task ended in {seen.state} at {attempt.instance_id}; another instance is tried "
            f"(retries left: {left})"
        )
    after = replace(
        _seen(attempt, seen),
        phase=Phase.FINISHED,
        ended_at=now,
        message=message,
        missing_since=None,
        retried=not withdrawn,
    )
    changed = next_version(
        record,
        attempts=(*record.attempts[:-1], after),
        system_logs=_logged(record, (*seen.system_logs, line)),
        due_at=now,
        enqueued_until=None,
    )
    return _in_state(changed, State.QUEUED, now)


def _outward(record: TaskRecord, seen: Transition) -> tuple[State, tuple[str, ...]]:
    if record.state.finished:
        # Given up before: whatever becomes of the copy now is our own doing.
        return record.state, seen.system_logs
    if record.cancel_requested_at is None:
        if seen.state in (State.CANCELED, State.PREEMPTED):
            word = "canceled" if seen.state is State.CANCELED else "preempted"
            return State.SYSTEM_ERROR, (
                *seen.system_logs,
                f"the instance {word} the task; its caller did not",
            )
        if seen.state is State.CANCELING:
            return record.state, seen.system_logs
    elif seen.state is State.PREEMPTED:
        return State.CANCELED, seen.system_logs
    return seen.state, seen.system_logs


def put_version(stored: int, expected: int | None) -> int:
    """Return the version that a put of `Records` makes of version `stored` (0: nothing is there).

    Raises:
        Conflict: `expected` is another version.
    """
    if expected is not None and expected != stored:
        raise Conflict(f"expected version {expected}, found {stored}")
    return stored + 1
