"""Slow sources in threads: what they yield, raise, and hold back."""

import threading
from collections.abc import Iterator

import pytest

from protes.relay.streaming import at_once, streamed
from tests.support.waiting import wait_until


def _beat() -> None:
    """Nothing to keep up."""


def test_all_items_of_all_sources_come() -> None:
    assert sorted(streamed([iter(range(5)), iter(range(5, 9)), iter(())], _beat)) == list(range(9))
    assert list(streamed([], _beat)) == []


def test_one_source_keeps_its_order() -> None:
    assert list(streamed([iter(range(100))], _beat)) == list(range(100))


def test_what_a_source_raises_comes_out_after_what_it_yielded() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise LookupError("gone")

    stream = streamed([failing()], _beat)
    assert next(stream) == 1
    with pytest.raises(LookupError, match="gone"):
        next(stream)


def test_sources_run_at_most_two_items_ahead_and_stop_when_nobody_listens() -> None:
    made: list[int] = []

    def counting() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    stream = streamed([counting()], _beat)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    assert len(made) <= 5
    stream.close()
    wait_until(lambda: not any(each.name == "protes-sweep" for each in threading.enumerate()), "the thread has ended")
    assert len(made) <= 6


def test_it_beats_while_nothing_comes_and_a_beat_may_stop_it() -> None:
    silent = threading.Event()

    def slow() -> Iterator[int]:
        silent.wait(30)
        yield 1

    def beat() -> None:
        raise TimeoutError("lost")

    with pytest.raises(TimeoutError, match="lost"):
        next(streamed([slow()], beat))
    silent.set()


def test_work_is_done_once_per_item_and_by_so_many_threads() -> None:
    under_way, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(3)

    def work(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if number < 3:
            together.wait(30)
        with lock:
            under_way -= 1
        return number

    assert sorted(at_once(work, range(30), 3, _beat)) == list(range(30))
    assert most == 3
