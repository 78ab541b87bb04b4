"""The leader-follower scheme behind group commit, with an executor that the test holds up."""

import signal
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from protes.store.protocols import StoreUnavailable
from protes.store.sqlite.batching import Batcher, Entry
from tests.support.waiting import at_once, wait_until


class Executor:
    """Does the work of batches, one after another, behind a gate.

    Attributes:
        batches: the sizes of the batches so far.
        gate: lets a batch go on when set.
        break_batches_of: batches of this size end the thread, as `sys.exit` does.
    """

    def __init__(self) -> None:
        """Start with the gate open."""
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.break_batches_of = 0
        self._alone = threading.Lock()

    def __call__(self, batch: Sequence[Entry[list[str]]]) -> None:
        """Do the work of a batch."""
        assert self._alone.acquire(blocking=False), "two batches at once"
        try:
            self.batches.append(len(batch))
            assert self.gate.wait(20)
            if len(batch) == self.break_batches_of:
                raise SystemExit
            for entry in batch:
                try:
                    entry.result = entry.work([threading.current_thread().name])
                except ValueError as error:
                    entry.error = error
        finally:
            self._alone.release()


def number(n: int, _: list[str]) -> int:
    """Work that returns `n`, or raises where it is odd."""
    if n % 2:
        raise ValueError(str(n))
    return n


@pytest.fixture
def executor() -> Executor:
    """Make an executor."""
    return Executor()


@pytest.fixture
def batcher(executor: Executor) -> Batcher[list[str]]:
    """Make a batcher on it."""
    return Batcher(executor)


def test_who_is_alone_does_it_at_once(executor: Executor, batcher: Batcher[list[str]]) -> None:
    assert batcher.run(lambda names: names[0]) == threading.current_thread().name
    assert executor.batches == [1]


def test_what_comes_meanwhile_is_one_batch(executor: Executor, batcher: Batcher[list[str]]) -> None:
    executor.gate.clear()
    first = threading.Thread(target=batcher.run, args=(lambda _: None,))
    first.start()
    wait_until(lambda: executor.batches == [1], "the first batch")
    outcomes: list[object] = []
    calls = [partial(batcher.run, partial(number, n)) for n in range(10)]
    others = threading.Thread(target=lambda: outcomes.extend(at_once(calls)))
    others.start()
    wait_until(lambda: batcher.pending == 10, "ten that wait")
    executor.gate.set()
    first.join(10)
    others.join(10)
    assert executor.batches == [1, 10]
    assert outcomes[::2] == [0, 2, 4, 6, 8]
    assert [str(error) for error in outcomes[1::2]] == ["1", "3", "5", "7", "9"]
    assert batcher.pending == 0


def test_nothing_is_lost_or_done_twice_under_load(batcher: Batcher[list[str]], executor: Executor) -> None:
    done: list[int] = []

    def write(start: int) -> None:
        for n in range(start, start + 50):
            batcher.run(lambda _, n=n: done.append(n))  # type: ignore[misc]

    assert at_once([partial(write, start) for start in range(0, 400, 50)]) == [None] * 8
    assert sorted(done) == list(range(400))
    assert sum(executor.batches) == 400


def test_a_batch_that_breaks_is_told_to_all_and_the_next_goes_on(
    executor: Executor, batcher: Batcher[list[str]]
) -> None:
    executor.gate.clear()
    first = threading.Thread(target=batcher.run, args=(lambda _: None,))
    first.start()
    wait_until(lambda: executor.batches == [1], "the first batch")
    outcomes: list[str] = []

    def follow() -> None:
        try:
            batcher.run(lambda _: None)
        except (StoreUnavailable, SystemExit) as error:
            outcomes.append(type(error).__name__)

    followers = [threading.Thread(target=follow) for _ in range(3)]
    for each in followers:
        each.start()
    wait_until(lambda: batcher.pending == 3, "three that wait")
    executor.break_batches_of = 3
    executor.gate.set()
    for each in (first, *followers):
        each.join(10)
    assert sorted(outcomes) == ["StoreUnavailable", "StoreUnavailable", "SystemExit"]
    assert batcher.run(lambda _: "again") == "again"
    assert executor.batches == [1, 3, 1]


class Interrupted(Exception):
    """What the signal handler raises."""


def test_a_follower_that_is_interrupted_does_not_block_the_others(
    executor: Executor, batcher: Batcher[list[str]]
) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    executor.gate.clear()
    before = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.get_ident()
    leader = threading.Thread(target=batcher.run, args=(lambda _: None,))
    leader.start()
    wait_until(lambda: executor.batches == [1], "the first batch")

    def send() -> None:
        wait_until(lambda: batcher.pending == 1, "the main thread's work")
        signal.pthread_kill(main, signal.SIGUSR1)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(Interrupted):
            batcher.run(lambda _: None)
    finally:
        sender.join(10)
        signal.signal(signal.SIGUSR1, before)
    assert batcher.pending == 0
    executor.gate.set()
    leader.join(10)
    assert batcher.run(lambda _: "again") == "again"
    assert executor.batches == [1, 1]


class _HeldUp:
    """A lock after whose release one named thread pauses until it is let go."""

    def __init__(self, thread: str) -> None:
        self._lock = threading.Lock()
        self._thread = thread
        self.paused = threading.Event()
        self.go = threading.Event()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if threading.current_thread().name == self._thread and not self.paused.is_set():
            self.paused.set()
            assert self.go.wait(20)


def test_the_lead_may_be_handed_over_between_arriving_and_waiting() -> None:
    executor = Executor()
    batcher: Batcher[list[str]] = Batcher(executor)
    lock = _HeldUp("late")
    batcher._lock = lock  # type: ignore[assignment]
    results: list[int] = []
    executor.gate.clear()
    first = threading.Thread(target=lambda: results.append(batcher.run(lambda _: 1)), name="first")
    first.start()
    wait_until(lambda: executor.batches == [1], "the first leads")
    late = threading.Thread(target=lambda: results.append(batcher.run(lambda _: 2)), name="late")
    late.start()
    assert lock.paused.wait(20)
    executor.gate.set()
    first.join(20)
    # The lead is the late one's now, who has not begun to wait for it.
    lock.go.set()
    late.join(20)
    assert results == [1, 2]
    assert batcher.run(lambda _: 3) == 3
