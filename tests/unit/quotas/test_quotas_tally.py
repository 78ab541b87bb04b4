"""Counting against a limit: at a bounded cost, and never beyond it in one process."""

import threading
from collections.abc import Collection
from functools import partial

from protes.clock import ManualClock, SystemClock
from protes.quotas.tally import Tally
from tests.support.waiting import at_once


class Shelf:
    """What a tally counts; it may take some time to count."""

    def __init__(self, clock: ManualClock | None = None, seconds: float = 0.0) -> None:
        self.ids: set[str] = set()
        self.asked: list[int] = []
        self._clock = clock
        self._seconds = seconds
        self._lock = threading.Lock()

    def put(self, task_id: str) -> None:
        with self._lock:
            self.ids.add(task_id)

    def count(self, most: int) -> int:
        self.asked.append(most)
        if self._clock is not None:
            self._clock.advance(self._seconds)
        with self._lock:
            return min(len(self.ids), most)

    def stored(self, ids: Collection[str]) -> Collection[str]:
        with self._lock:
            return self.ids & set(ids)


def bring(tally: Tally, shelf: Shelf, task_id: str, limit: int) -> bool:
    """Take, store, leave."""
    bearer = object()
    if not tally.take(task_id, bearer, limit):
        return False
    shelf.put(task_id)
    tally.leave(task_id, bearer, stored=True)
    return True


def test_as_many_as_the_limit_are_let_in() -> None:
    shelf = Shelf()
    tally = Tally(ManualClock(), shelf.count, shelf.stored)
    assert [bring(tally, shelf, str(n), 3) for n in range(5)] == [True, True, True, False, False]
    shelf.ids.remove("0")
    assert bring(tally, shelf, "again", 3)


def test_room_that_was_not_used_is_given_back() -> None:
    shelf = Shelf()
    tally, bearer = Tally(ManualClock(), shelf.count, shelf.stored), object()
    assert tally.take("x", bearer, 1)
    assert not tally.idle
    tally.leave("x", bearer, stored=False)
    assert tally.idle
    assert tally.take("y", bearer, 1)


def test_what_is_on_its_way_already_is_the_same() -> None:
    shelf = Shelf()
    tally, first, second = Tally(ManualClock(), shelf.count, shelf.stored), object(), object()
    assert tally.take("x", first, 1)
    assert tally.take("x", second, 1)
    tally.leave("x", second, stored=False)
    assert not tally.take("y", first, 1)


def test_many_of_one_request_do_not_wait_for_each_other() -> None:
    shelf = Shelf()
    tally, bearer = Tally(ManualClock(), shelf.count, shelf.stored), object()
    assert [tally.take(str(n), bearer, 2) for n in range(50)] == [True] * 2 + [False] * 48


def test_a_count_that_takes_long_is_not_repeated_at_once() -> None:
    clock = ManualClock()
    shelf = Shelf(clock, seconds=0.05)
    tally = Tally(clock, shelf.count, shelf.stored)
    for n in range(100):
        assert bring(tally, shelf, str(n), 1000)
    assert shelf.asked == [1000]
    clock.advance(1.0)
    assert bring(tally, shelf, "later", 1000)
    assert shelf.asked == [1000, 1000]


def test_a_refusal_costs_no_count_for_a_while() -> None:
    clock = ManualClock()
    shelf = Shelf(clock, seconds=0.05)
    tally = Tally(clock, shelf.count, shelf.stored)
    shelf.ids = {"a", "b"}
    assert [tally.take(str(n), object(), 2) for n in range(20)] == [False] * 20
    assert shelf.asked == [2]
    shelf.ids.clear()
    clock.advance(1.0)
    assert tally.take("x", object(), 2)


def test_parallel_requests_get_exactly_the_room_there_is() -> None:
    for _ in range(5):
        shelf = Shelf()
        tally = Tally(SystemClock(), shelf.count, shelf.stored)
        outcomes = at_once([partial(bring, tally, shelf, str(n), 7) for n in range(24)])
        assert outcomes.count(True) == 7 == len(shelf.ids)


def test_two_processes_pass_the_limit_by_what_the_other_let_in_since() -> None:
    clock = ManualClock()
    shelf = Shelf(clock, seconds=0.05)
    one, other = (Tally(clock, shelf.count, shelf.stored) for _ in range(2))
    assert bring(one, shelf, "first", 10)
    assert bring(other, shelf, "second", 10)
    let_in = [bring(tally, shelf, f"{n} {tally is one}", 10) for n in range(20) for tally in (one, other)]
    assert 10 <= 2 + sum(let_in) <= 10 + 10
    clock.advance(1.0)
    assert not bring(one, shelf, "late", 10)
