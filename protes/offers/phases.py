"""The phases of a session: before it is accepted its own, afterwards those of its task (STANDARDS.md 5.2)."""

from datetime import datetime
from enum import StrEnum

from protes.offers.sets import OfferSet
from protes.store.records import TaskRecord
from protes.tes.states import State


class Phase(StrEnum):
    """Phases of the Execution Broker that sessions of this one are in."""

    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    WAITING = "WAITING"
    PREPARING = "PREPARING"
    RUNNING = "RUNNING"
    RELEASING = "RELEASING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


OTHERS = frozenset({"INITIAL", "INITIALIZING", "PROPOSED", "AVAILABLE", "READY"})
"""Phases that no session of this broker is in."""

_OF_STATE = {
    State.QUEUED: Phase.WAITING,
    State.INITIALIZING: Phase.PREPARING,
    State.RUNNING: Phase.RUNNING,
    State.PAUSED: Phase.RUNNING,
    State.CANCELING: Phase.RELEASING,
    State.COMPLETE: Phase.COMPLETED,
    State.CANCELED: Phase.CANCELLED,
    State.EXECUTOR_ERROR: Phase.FAILED,
    State.SYSTEM_ERROR: Phase.FAILED,
    State.PREEMPTED: Phase.FAILED,
}

_SETTABLE = {
    Phase.OFFERED: (Phase.ACCEPTED, Phase.REJECTED),
    Phase.WAITING: (Phase.CANCELLED,),
    Phase.PREPARING: (Phase.CANCELLED,),
    Phase.RUNNING: (Phase.CANCELLED,),
}


def phase_of(offer_set: OfferSet, number: int, task: TaskRecord | None, now: datetime) -> Phase:
    """Return the phase of a session.

    Args:
        offer_set: the set it belongs to.
        number: its number.
        task: the task of the accepted session, None where there is none.
        now: the time.
    """
    if offer_set.accepted is None and number not in offer_set.rejected:
        return Phase.EXPIRED if offer_set.expired(now) else Phase.OFFERED
    if offer_set.accepted != number:
        return Phase.REJECTED
    if task is None:
        # Between the acceptance and the task is a moment; a gateway that died in it is helped by accepting again.
        return Phase.ACCEPTED if offer_set.submitted or not offer_set.expired(now) else Phase.EXPIRED
    return _OF_STATE[task.last_steady if task.state is State.UNKNOWN else task.state]


def settable(phase: Phase) -> tuple[Phase, ...]:
    """Return the phases into which a client can put a session that is in `phase`."""
    return _SETTABLE.get(phase, ())
