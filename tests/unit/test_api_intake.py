"""Back-pressure: a bounded number of requests write, and nobody lines up in front of a store that does not get on."""

import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from statistics import median

import pytest

from protes.api.intake import Intake, bounds
from protes.api.problems import Problem
from protes.api.waiting import WaitingRoom
from protes.clock import ManualClock, SystemClock
from tests.support.waiting import at_once, wait_until


def _refused(intake: Intake) -> None:
    with pytest.raises(Problem) as caught, intake.place():
        pytest.fail("let in")
    assert caught.value.status == 503
    assert int(caught.value.headers["Retry-After"]) > 0


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_places_are_bounded_and_given_back(held: ExitStack) -> None:
    intake = Intake(ManualClock(), 2, 4, 0.5)
    for _ in range(2):
        held.enter_context(intake.place())
    _refused(intake)
    held.close()
    with intake.place(), intake.place():
        _refused(intake)


def test_a_place_is_given_back_though_its_holder_fails() -> None:
    intake = Intake(ManualClock(), 1, 4, 0.5)
    with pytest.raises(ValueError, match="no"), intake.place():
        raise ValueError("no")
    with intake.place():
        pass


def test_nobody_waits_while_nothing_gets_done(held: ExitStack) -> None:
    clock = ManualClock()
    intake = Intake(clock, 1, 4, 0.5)
    held.enter_context(intake.place())
    _refused(intake)  # this one waited: the clock has moved
    waited = clock.monotonic()
    clock.advance(0.1)
    _refused(intake)
    assert waited == 0.5
    assert clock.monotonic() == 0.6


def test_a_long_request_is_no_reason_to_refuse_while_others_get_done(held: ExitStack) -> None:
    clock = ManualClock()
    intake = Intake(clock, 2, 4, 0.5)
    held.enter_context(intake.place())
    clock.advance(60)
    with intake.place():
        before = clock.monotonic()
        _refused(intake)
        assert clock.monotonic() == before + 0.5  # it was worth waiting


def test_whoever_waits_gets_the_next_place_in_turn() -> None:
    intake = Intake(SystemClock(), 1, 4, 30)
    order: list[int] = []

    def write(number: int) -> None:
        with intake.place():
            order.append(number)

    threads = []
    with intake.place():
        for number in range(3):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            wait_until(lambda number=number: intake.lined_up == number + 1, "it waits")  # type: ignore[misc]
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2]
    assert intake.lined_up == 0


def test_more_than_there_are_places_never_write_at_once() -> None:
    intake = Intake(SystemClock(), 3, 4, 30)
    lock, inside, most = threading.Lock(), 0, 0

    def write() -> None:
        nonlocal inside, most
        for _ in range(50):
            with intake.place():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=write) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 1 <= most <= 3
    with intake.place():
        assert intake.lined_up == 0


@pytest.mark.parametrize("wished", [None, 1, 4, 512])
@pytest.mark.parametrize("threads", [2, 3, 4, 5, 8, 16, 512])
def test_who_writes_lines_up_and_waits_leaves_a_thread(threads: int, wished: int | None) -> None:
    waiters = WaitingRoom(Nothing(), ManualClock(), threads).places
    places, line = bounds(threads, waiters, wished)
    assert 1 <= places <= (wished or threads)
    assert line >= 0
    assert places + line + waiters < threads


def test_one_thread_does_everything() -> None:
    assert bounds(1, 0, None) == (1, 0)


class Nothing:
    """A store without tasks."""

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        return {}


def test_beyond_its_bound_the_line_holds_whom_it_serves_at_once(held: ExitStack) -> None:
    clock = ManualClock()
    intake = Intake(clock, 1, 0, 5)
    held.enter_context(intake.place())
    _refused(intake)
    assert 0 < clock.monotonic() < 0.2  # a moment
    slow = clock.monotonic()
    _refused(intake)
    assert clock.monotonic() == slow  # it is slow now
    clock.advance(2)
    _refused(intake)
    assert clock.monotonic() > slow + 2


def test_a_burst_is_served_though_the_line_is_short() -> None:
    intake = Intake(SystemClock(), 2, 1, 30)

    def write() -> None:
        with intake.place():
            pass

    with intake.place():
        assert at_once([write] * 30) == [None] * 30


def test_readers_find_a_thread_while_a_slow_store_gets_on() -> None:
    """A server of sixteen threads, flooded with creations that take a while each; requests come in order."""
    places, line = bounds(16, 4, None)
    intake = Intake(SystemClock(), places, line, 0.5)
    disk = threading.Event()
    outcomes: list[int] = []
    most = 0
    delays: list[float] = []

    def write() -> None:
        try:
            with intake.place():
                disk.wait(0.2)
                outcomes.append(200)
        except Problem as problem:
            outcomes.append(problem.status)

    def read() -> None:
        nonlocal most
        most = max(most, intake.inside + intake.lined_up)

    with ThreadPoolExecutor(16) as server:
        began = SystemClock().monotonic()
        while (passed := SystemClock().monotonic() - began) < 1.5:
            writes = [server.submit(write) for _ in range(16)]
            asked = SystemClock().monotonic()
            server.submit(read).result(30)
            if passed > 0.4:
                delays.append(SystemClock().monotonic() - asked)
            else:
                most = 0
        wait(writes)
    # Behind those who write each reader would wait for a disk; a single one may wait for a busy machine.
    assert median(delays) < 0.2
    assert places < most <= places + line
    assert {200, 503} == set(outcomes)
