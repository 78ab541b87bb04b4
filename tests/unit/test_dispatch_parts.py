"""Back-off and the gate that keeps one instance from holding all threads."""

from datetime import UTC, datetime, timedelta

import pytest

from protes.clock import ManualClock
from protes.dispatch.backoff import next_try
from protes.dispatch.gate import CONCURRENT_FORWARDS, SLOW_SECONDS, Gate

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("age", "pause"), [(0, 1), (4, 1), (50, 10), (300, 60), (86400, 60)])
def test_the_pause_is_a_share_of_the_age_within_bounds(age: float, pause: float) -> None:
    assert next_try(NOW - timedelta(seconds=age), NOW, 1, 60) == NOW + timedelta(seconds=pause)


def test_a_few_forwards_pass_at_once_and_room_is_made_again() -> None:
    gate = Gate(ManualClock())
    entered = [gate.enter("a") for _ in range(CONCURRENT_FORWARDS)]
    assert [each.__enter__() for each in entered] == [True] * CONCURRENT_FORWARDS
    with gate.enter("a") as may, gate.enter("b") as other:
        assert (may, other) == (False, True)
    entered[0].__exit__(None, None, None)
    with gate.enter("a") as may:
        assert may
    for each in entered[1:]:
        each.__exit__(None, None, None)


def test_nothing_passes_while_a_forward_has_been_waiting_for_long() -> None:
    clock = ManualClock()
    gate = Gate(clock)
    with gate.enter("a") as first:
        clock.advance(SLOW_SECONDS + 0.1)
        with gate.enter("a") as second:
            assert (first, second) == (True, False)
    with gate.enter("a") as third:
        assert third
