"""Back-pressure: a bounded number of requests write, and nobody lines up in front of a store that does not get on."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from protes.api.intake import Intake
from protes.api.problems import Problem
from protes.clock import ManualClock, SystemClock
from tests.support.waiting import wait_until


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
    intake = Intake(ManualClock(), 2, 0.5)
    for _ in range(2):
        held.enter_context(intake.place())
    _refused(intake)
    held.close()
    with intake.place(), intake.place():
        _refused(intake)


def test_a_place_is_given_back_though_its_holder_fails() -> None:
    intake = Intake(ManualClock(), 1, 0.5)
    with pytest.raises(ValueError, match="no"), intake.place():
        raise ValueError("no")
    with intake.place():
        pass


def test_nobody_waits_while_nothing_gets_done(held: ExitStack) -> None:
    clock = ManualClock()
    intake = Intake(clock, 1, 0.5)
    held.enter_context(intake.place())
    _refused(intake)  # this one waited: the clock has moved
    waited = clock.monotonic()
    clock.advance(0.1)
    _refused(intake)
    assert waited == 0.5
    assert clock.monotonic() == 0.6


def test_a_long_request_is_no_reason_to_refuse_while_others_get_done(held: ExitStack) -> None:
    clock = ManualClock()
    intake = Intake(clock, 2, 0.5)
    held.enter_context(intake.place())
    clock.advance(60)
    with intake.place():
        before = clock.monotonic()
        _refused(intake)
        assert clock.monotonic() == before + 0.5  # it was worth waiting


def test_whoever_waits_gets_the_next_place_in_turn() -> None:
    intake = Intake(SystemClock(), 1, 30)
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
    intake = Intake(SystemClock(), 3, 30)
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
