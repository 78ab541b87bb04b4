"""What a look at an instance means for a task: pure, table-like, monotone (with `changes.observe` behind it)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from protes.relay.retrying import executor_failed, is_withdrawn, may_go_on
from protes.store.records import Attempt, TaskRecord, Transition
from protes.tes.dialects.base import Dialect
from protes.tes.read import SeenTask
from protes.tes.states import State

_REVIVED = frozenset({State.EXECUTOR_ERROR, State.SYSTEM_ERROR})


@dataclass(frozen=True, slots=True)
class Glance:
    """A first look, by list or MINIMAL view.

    Attributes:
        transition: what to store of it, None where nothing changed.
        fetch: whether the task has ended there, so that its logs must be fetched now.
    """

    transition: Transition | None
    fetch: bool


def glance(record: TaskRecord, attempt: Attempt, state: State, dialect: Dialect) -> Glance:
    """Judge a state seen in passing.

    Args:
        record: the task.
        attempt: its live attempt.
        state: the state seen.
        dialect: of the instance. Where it may take an error back, an error must be seen twice, and so must every end
            after which the task may go elsewhere.
    """
    if state.finished:
        twice = (state in _REVIVED and not dialect.final_error) or may_go_on(record, attempt, state, dialect)
        if twice and attempt.state is not state:
            return Glance(Transition(record.id, attempt.n, state), fetch=False)
        return Glance(None, fetch=True)
    if state is State.UNKNOWN or (state is attempt.state and attempt.missing_since is None):
        return Glance(None, fetch=False)
    return Glance(Transition(record.id, attempt.n, state), fetch=False)


def final(record: TaskRecord, attempt: Attempt, seen: SeenTask, dialect: Dialect) -> Transition:
    """Take over a task with its logs, read after it had ended; if it has revived meanwhile, only its state."""
    again = may_go_on(record, attempt, seen.state, dialect) and (
        is_withdrawn(attempt, seen.state) or not executor_failed(seen.log)
    )
    return Transition(record.id, attempt.n, seen.state, log=seen.log, finished=seen.state.finished, again=again)


def missing(record: TaskRecord, attempt: Attempt, now: datetime, patience_seconds: float) -> Transition:
    """Judge an instance's denial of a task it has accepted: an end only after it was repeated for long enough."""
    since = attempt.missing_since or now
    if now - since < timedelta(seconds=patience_seconds):
        return Transition(record.id, attempt.n, State.UNKNOWN, missing_since=since)
    line = f"{attempt.instance_id} has not known the task for {int((now - since).total_seconds())} s: it is lost there"
    return lost(record, attempt, line)


def lost(record: TaskRecord, attempt: Attempt, line: str) -> Transition:
    """End a task that its instance will never report again."""
    state = State.SYSTEM_ERROR if record.cancel_requested_at is None else State.CANCELED
    return Transition(record.id, attempt.n, state, system_logs=(line,), finished=True)
