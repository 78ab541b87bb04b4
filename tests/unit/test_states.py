"""The whole table of states: 11 by 11, and what of it is shown."""

import itertools

import pytest

from protes.tes.states import ACTIVE, FINISHED, STEADY, State, may_follow, parse_state, shown

# Rows: the stored state. A letter per observed state, in the order of the first line: "x" may replace the stored one.
_TABLE = """
               UQIRPCESKTG
UNKNOWN        .xxxxxxxxxx
QUEUED         ..xxxxxxxxx
INITIALIZING   .x.xxxxxxxx
RUNNING        .xx.xxxxxxx
PAUSED         .xxx.xxxxxx
COMPLETE       ...........
EXECUTOR_ERROR ...........
SYSTEM_ERROR   ...........
CANCELED       ...........
PREEMPTED      ...........
CANCELING      .....xxxxx.
"""
_OBSERVED = (
    State.UNKNOWN,
    State.QUEUED,
    State.INITIALIZING,
    State.RUNNING,
    State.PAUSED,
    State.COMPLETE,
    State.EXECUTOR_ERROR,
    State.SYSTEM_ERROR,
    State.CANCELED,
    State.PREEMPTED,
    State.CANCELING,
)


def _allowed() -> dict[tuple[State, State], bool]:
    rows = [line.split() for line in _TABLE.strip().splitlines()[1:]]
    return {
        (State(name), observed): mark == "x"
        for name, marks in rows
        for observed, mark in zip(_OBSERVED, marks, strict=True)
    }


def test_the_table_is_complete() -> None:
    assert set(_allowed()) == set(itertools.product(State, State))
    assert len(State) == 11


@pytest.mark.parametrize(("stored", "observed"), list(itertools.product(State, State)))
def test_may_follow(stored: State, observed: State) -> None:
    assert may_follow(stored, observed) is _allowed()[stored, observed]


@pytest.mark.parametrize("last_steady", STEADY)
@pytest.mark.parametrize("state", State)
def test_shown(state: State, last_steady: State) -> None:
    expected = {
        State.CANCELING: last_steady,
        State.PAUSED: last_steady,
        State.UNKNOWN: last_steady,
        State.PREEMPTED: State.SYSTEM_ERROR,
    }.get(state, state)
    assert shown(state, last_steady) is expected
    assert shown(expected, last_steady) is expected
    assert state.finished is expected.finished


def test_states_are_either_finished_or_active() -> None:
    assert set(State) == FINISHED | ACTIVE
    assert not FINISHED & ACTIVE
    assert {state for state in State if state.finished} == FINISHED


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("RUNNING", State.RUNNING),
        (" running\n", State.RUNNING),
        ("CANCELLED", State.UNKNOWN),
        ("", State.UNKNOWN),
        (None, State.UNKNOWN),
        (3, State.UNKNOWN),
        (["RUNNING"], State.UNKNOWN),
    ],
)
def test_parse_state(value: object, state: State) -> None:
    assert parse_state(value) is state
