"""What a look at an instance means for a task: pure, table-like, monotone (with `changes.observe` behind it)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from protes.relay.retrying import executor_failed, is_withdrawn, may_go_on
from protes.store.records import Attempt, Followed, TaskRecord, Transition
from protes.tes.dialects.base import Dialect
from protes.tes.read import SeenTask
from protes.tes.states import State

_REVIVED = frozenset({State.EXECUTOR_ERROR, State.SYSTEM_ERROR})


def passing(followed: Followed, state: State) -> Transition | None:
    """Judge a state that is no end; None where it tells nothing new."""
    if state is State.UNKNOWN or (state is followed.state and not followed.missing):
        return None
    return Transition(followed.task_id, followed.n, state)


@dataclass(frozen=True, slots=True)
class Glance:
    """A first look at an end, by list or MINIMAL view.

    Attributes:
        transition: what to store of it, None where nothing changed.
        fetch: whether the task has ended there, so that its logs must be fetched now.
    """

    transition: Transition | None
    fetch: bool


def glance(record: TaskRecord, attempt: Attempt, state: State, dialect: Dialect) -> Glance:
    """Judge an end seen in passing.

    Args:
        record: the task.
        attempt: its live attempt.
        state: the state seen, one that is finished.
        dialect: of the instance. Where it may take an error back, an error must be seen twice, and so must every end
            after which the task may go elsewhere.
    """
    twice = (state in _REVIVED and not dialect.final_error) or may_go_on(record, attempt, state, dialect)
    if twice and attempt.state is not state:
        return Glance(Transition(record.id, attempt.n, state), fetch=False)
    return Glance(None, fetch=True)


def final(record: TaskRecord, attempt: Attempt, seen: SeenTask, dialect: Dialect) -> Transition:
    """Take over a task with its logs, read after it had ended; if it has revived meanwhile, only its state."""
    again = may_go_on(record, attempt, seen.state, dialect) and (
        is_withdrawn(attempt, seen.state) or not executor_failed(seen.log)
    )
    return Transition(record.id, attempt.n, seen.state, log=seen.log, finished=seen.state.finished, again=again)


def missing(record: TaskRecord, attempt: Attempt, now: datetime, patience_seconds: float) -> Transition:
    """Judge an instance's denial of a task it has accepted: an end only after it was repeated for long enough."""
    return _in_vain(record, attempt, now, patience_seconds, "has not known the task", "it is lost there")


def barred(record: TaskRecord, attempt: Attempt, now: datetime, patience_seconds: float) -> Transition:
    """Judge that a task cannot be looked at, for its caller's token is over: an end, too, if that stays so."""
    line = "could not be asked with the caller's token, which has ended or is refused,"
    return _in_vain(record, attempt, now, patience_seconds, line, "the task cannot be followed any more")


def _in_vain(
    record: TaskRecord, attempt: Attempt, now: datetime, patience_seconds: float, what: str, so: str
) -> Transition:
    since = attempt.missing_since or now
    if now - since < timedelta(seconds=patience_seconds):
        return Transition(record.id, attempt.n, State.UNKNOWN, missing_since=since)
    return lost(record, attempt, f"{attempt.instance_id} {what} for {int((now - since).total_seconds())} s: {so}")


def lost(record: TaskRecord, attempt: Attempt, line: str) -> Transition:
    """End a task that its instance will never report again."""
    state = State.SYSTEM_ERROR if record.cancel_requested_at is None else State.CANCELED
    return Transition(record.id, attempt.n, state, system_logs=(line,), finished=True)
