"""Offer sets as they are kept, and the phases of their sessions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protes.clock import ManualClock
from protes.offers.phases import Phase, phase_of, settable
from protes.offers.sets import Offered, OfferSet, load, new_set_id, save, split
from protes.store.factory import create_stores
from protes.store.protocols import Conflict
from protes.store.records import TaskRecord
from protes.tes.states import State

NOW = ManualClock().now()
END = NOW + timedelta(seconds=300)
TASK = TaskRecord("id", "ada", NOW, "{}", name="n", tags=("a=b",), preference={"weight": "0.5"}, via=("g",))
OFFERS = (Offered("one", "https://one.example.org", {"x-gateway": {}}), Offered("two", "", {"x-gateway": {}}))
SET = OfferSet(new_set_id(), NOW, END, {"kind": "k"}, TASK, NOW, ({"kind": "m"},), OFFERS)


def test_a_set_is_read_as_it_was_written() -> None:
    records = create_stores("memory:").records
    changed = replace(SET, accepted=2, submitted=True, rejected=frozenset({1}), latest_start=None)
    for each in (SET, changed):
        fresh = replace(each, id=new_set_id())
        written = save(records, fresh, NOW)
        assert written == replace(fresh, version=1)
        assert load(records, fresh.id, NOW) == written


def test_two_changes_of_the_same_version_are_one_too_many() -> None:
    records = create_stores("memory:").records
    read = save(records, SET, NOW)
    save(records, replace(read, accepted=1), NOW)
    with pytest.raises(Conflict):
        save(records, replace(read, accepted=2), NOW)


def test_uuids_of_sessions_are_told_from_the_sets() -> None:
    assert split(SET.id) == (SET.id, 0)
    assert split(SET.session_id(1)) == (SET.id, 1)
    assert split(SET.session_id(20).upper()) == (SET.id, 20)
    assert len({new_set_id() for _ in range(100)}) == 100
    for other in ("", "x", SET.id[:-1], SET.id + "0", f"{{{SET.id}}}", SET.id.replace("-", ""), f"urn:uuid:{SET.id}"):
        assert split(other) is None


@pytest.mark.parametrize(
    ("changes", "seconds", "phase"),
    [
        ({}, 0, Phase.OFFERED),
        ({}, 299, Phase.OFFERED),
        ({}, 300, Phase.EXPIRED),
        ({"rejected": frozenset({1})}, 0, Phase.REJECTED),
        ({"rejected": frozenset({1})}, 300, Phase.REJECTED),
        ({"rejected": frozenset({2})}, 0, Phase.OFFERED),
        ({"accepted": 2}, 0, Phase.REJECTED),
        ({"accepted": 1}, 0, Phase.ACCEPTED),
        ({"accepted": 1}, 300, Phase.EXPIRED),  # the gateway died before the task was there
        ({"accepted": 1, "submitted": True}, 300, Phase.ACCEPTED),
    ],
)
def test_the_phase_without_a_task(changes: dict[str, object], seconds: int, phase: Phase) -> None:
    changed = replace(SET, **changes)  # type: ignore[arg-type]
    assert phase_of(changed, 1, None, NOW + timedelta(seconds=seconds)) is phase


PHASES = {
    State.QUEUED: "WAITING",
    State.INITIALIZING: "PREPARING",
    State.RUNNING: "RUNNING",
    State.PAUSED: "RUNNING",
    State.CANCELING: "RELEASING",
    State.COMPLETE: "COMPLETED",
    State.CANCELED: "CANCELLED",
    State.EXECUTOR_ERROR: "FAILED",
    State.SYSTEM_ERROR: "FAILED",
    State.PREEMPTED: "FAILED",
    State.UNKNOWN: "RUNNING",
}


@pytest.mark.parametrize("state", State)
def test_the_phase_follows_the_task(state: State) -> None:
    task = replace(TASK, state=state, last_steady=State.RUNNING)
    accepted = replace(SET, accepted=1, submitted=True)
    assert phase_of(accepted, 1, task, NOW) == PHASES[state]
    assert phase_of(accepted, 2, task, NOW) is Phase.REJECTED


def test_what_a_client_can_do() -> None:
    assert settable(Phase.OFFERED) == (Phase.ACCEPTED, Phase.REJECTED)
    assert settable(Phase.RUNNING) == (Phase.CANCELLED,)
    assert all(settable(each) == () for each in (Phase.EXPIRED, Phase.REJECTED, Phase.COMPLETED, Phase.FAILED))
