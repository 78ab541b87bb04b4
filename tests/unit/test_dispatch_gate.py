"""The gate in front of an instance: few at once, none behind a slow one, one at a time after a failure."""

import threading
from contextlib import ExitStack

from protes.clock import ManualClock, SystemClock
from protes.dispatch.gate import CONCURRENT_FORWARDS, SLOW_SECONDS, Gate
from tests.support.waiting import wait_until

URL = "https://a.example.org"


def test_a_few_at_once_and_the_next_one_waits_only_a_moment() -> None:
    gate = Gate(SystemClock())
    with ExitStack() as stack:
        for _ in range(CONCURRENT_FORWARDS):
            assert stack.enter_context(gate.enter(URL))
        assert not stack.enter_context(gate.enter(URL))
        assert stack.enter_context(gate.enter("https://b.example.org"))
    with gate.enter(URL) as may:
        assert may


def test_one_who_waits_gets_the_place_of_one_who_leaves() -> None:
    gate = Gate(ManualClock())  # stands still, so that patience never ends
    entered = threading.Event()

    def wait() -> None:
        with gate.enter(URL) as may:
            if may:
                entered.set()

    with ExitStack() as stack:
        for _ in range(CONCURRENT_FORWARDS - 1):
            stack.enter_context(gate.enter(URL))
        with gate.enter(URL):
            waiting = threading.Thread(target=wait)
            waiting.start()
            assert not entered.is_set()
        wait_until(entered.is_set, "the waiting one enters")
        waiting.join()


def test_nobody_follows_one_that_has_been_waiting_for_long() -> None:
    clock = ManualClock()
    gate = Gate(clock)
    with gate.enter(URL) as first:
        clock.advance(SLOW_SECONDS)
        with gate.enter(URL) as second:
            assert (first, second) == (True, False)


def test_one_at_a_time_where_the_last_thing_seen_was_a_failure() -> None:
    gate = Gate(ManualClock())
    with gate.enter(URL, proven=False) as first, gate.enter(URL, proven=False) as second:
        assert (first, second) == (True, False)
    with gate.enter(URL, proven=False) as third:
        assert third


def test_room_is_what_was_seen_less_what_was_let_in_since() -> None:
    clock = ManualClock()
    gate = Gate(clock)
    clock.advance(100)
    for expected in (True, True, False):
        with gate.enter(URL, room=2, seen_at=100.0) as may:
            assert may is expected
    clock.advance(10)
    with gate.enter(URL, room=1, seen_at=110.0) as may:
        assert may
    with gate.enter(URL, room=0, seen_at=110.0) as may:
        assert not may
