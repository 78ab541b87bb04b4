"""The states of a task (TES 1.1.0, `tesState`) and the one rule by which they move.

`may_follow` is the table that every store applies inside its compare-and-set; `shown` is what engines that
know only TES 1.0 are told (DESIGN.md section 4, "States that engines know").
"""

from enum import StrEnum


class State(StrEnum):
    """`tesState` of TES 1.1.0."""

    UNKNOWN = "UNKNOWN"
    QUEUED = "QUEUED"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    PREEMPTED = "PREEMPTED"
    CANCELING = "CANCELING"

    @property
    def finished(self) -> bool:
        """Whether the task has ended for good."""
        return self in FINISHED


FINISHED = frozenset({State.COMPLETE, State.EXECUTOR_ERROR, State.SYSTEM_ERROR, State.CANCELED, State.PREEMPTED})
"""A task in one of these never leaves it."""

ACTIVE = frozenset(State) - FINISHED

STEADY = (State.QUEUED, State.INITIALIZING, State.RUNNING)
"""The active states that every client knows, in their usual order."""

_FOLLOWERS: dict[State, frozenset[State]] = {
    **{state: frozenset() for state in FINISHED},
    # An instance that does not know says nothing: UNKNOWN never replaces a state that is known. Among the active
    # states instances go backwards (a preempted or requeued task starts again), so any of them may follow.
    **{state: frozenset(State) - {State.UNKNOWN, state} for state in ACTIVE},
    # A cancellation is not taken back by an instance that is slow to notice: only an end may follow.
    State.CANCELING: FINISHED,
}


def may_follow(stored: State, observed: State) -> bool:
    """Tell whether an observed state may replace the stored one.

    Finished states never change; the same state again is no change; UNKNOWN never replaces anything.
    """
    return observed in _FOLLOWERS[stored]


def shown(state: State, last_steady: State) -> State:
    """Translate a state for clients that know TES 1.0 only (ENGINES.md section 8, rules 3 and 4).

    Args:
        state: the task's state.
        last_steady: the last of QUEUED, INITIALIZING, RUNNING that the task was in.

    Returns:
        CANCELING, PAUSED and UNKNOWN as the last steady state, PREEMPTED as SYSTEM_ERROR, others as they are.
    """
    if state in (State.CANCELING, State.PAUSED, State.UNKNOWN):
        return last_steady
    if state is State.PREEMPTED:
        return State.SYSTEM_ERROR
    return state


def parse_state(value: object) -> State:
    """Read a state as servers in the wild write it; what is not one is UNKNOWN, never an error (DIALECTS.md 2.4)."""
    if isinstance(value, str):
        return _BY_NAME.get(value) or _BY_NAME.get(value.strip().upper(), State.UNKNOWN)
    return State.UNKNOWN


_BY_NAME = dict(State.__members__)
