"""The runner of threads: how many there are, and what does not fit into its queue."""

import threading
from collections.abc import Iterator

import pytest

from protes.clock import ManualClock, SystemClock
from protes.runner.elastic import LONG_SECONDS, MOST_TIMES
from protes.runner.threads import ThreadRunner
from tests.support.runners import Recorder
from tests.support.waiting import at_once, wait_until


def test_a_full_queue_is_said_at_once() -> None:
    runner = ThreadRunner(SystemClock(), threads=2, queue_limit=3)
    job = Recorder()
    job.gate.clear()
    runner.register("job", job)
    runner.start()
    for key in ("1", "2"):
        assert runner.submit("job", key)
    job.wait_for(2)
    assert [runner.submit("job", key) for key in ("3", "4", "5", "6")] == [True, True, True, False]
    assert runner.submit("job", "3")
    assert runner.submit("job", "1")
    job.gate.set()
    job.wait_for(6)
    assert sorted(job.calls) == ["1", "1", "2", "3", "4", "5"]
    assert runner.submit("job", "6")
    job.wait_for(7)
    runner.stop(10)


def test_many_jobs_of_one_kind_neither_hold_up_nor_keep_out_others() -> None:
    runner = ThreadRunner(SystemClock(), threads=1, queue_limit=5)
    order: list[str] = []
    first, many, few = Recorder(), order.append, order.append
    first.gate.clear()
    runner.register("first", first)
    runner.register("many", many)
    runner.register("few", few)
    runner.start()
    runner.submit("first", "")
    first.wait_for(1)
    assert [runner.submit("many", f"many {number}") for number in range(6)] == [True] * 5 + [False]
    assert [runner.submit("few", f"few {number}") for number in range(2)] == [True, True]
    assert runner.queued == 7
    first.gate.set()
    wait_until(lambda: len(order) == 7, "all have run")
    runner.stop(10)
    assert order == ["many 0", "few 0", "many 1", "few 1", "many 2", "many 3", "many 4"]


class HeldClock(ManualClock):
    """A clock that only the test moves: who waits for it does wait.

    Attributes:
        waits: how long those that wait, or have waited, wanted to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until the test has moved the clock by `seconds`, or for the event."""
        until = self.monotonic() + seconds
        self.waits.append(seconds)
        while self.monotonic() < until and not event.wait(0.001):
            pass
        return event.is_set()


def job_threads() -> int:
    """Return how many threads run jobs, or wait for some."""
    return sum(thread.name.startswith("protes-job") for thread in threading.enumerate())


@pytest.fixture
def clock() -> HeldClock:
    """Make a clock for the tests of threads."""
    return HeldClock()


@pytest.fixture
def threads(clock: HeldClock) -> Iterator[ThreadRunner]:
    """Make a runner with two threads whose time the test moves; nothing of it may be left."""
    before = set(threading.enumerate())
    made = ThreadRunner(clock, threads=2, queue_limit=100)
    yield made
    made.stop(10)
    assert set(threading.enumerate()) <= before


def hang(runner: ThreadRunner, clock: HeldClock, jobs: int) -> Recorder:
    """Start a runner with so many jobs on it that do not end before their gate is opened."""
    hanging = Recorder()
    hanging.gate.clear()
    runner.register("hang", hanging)
    runner.register("quick", Recorder())
    runner.start()
    for n in range(jobs):
        runner.submit("hang", str(n))
    hanging.wait_for(min(jobs, 2))
    return hanging


def test_jobs_that_hang_keep_no_others_waiting(threads: ThreadRunner, clock: HeldClock) -> None:
    quick = Recorder()
    threads.register("other", quick)
    hanging = hang(threads, clock, 2)
    threads.submit("other", "0")
    wait_until(lambda: clock.waits == [LONG_SECONDS], "the watcher looks again when a job may hang")
    assert (quick.calls, job_threads()) == ([], 2)
    clock.advance(LONG_SECONDS)
    quick.wait_for(1)
    for n in range(1, 20):
        threads.submit("other", str(n))
        quick.wait_for(n + 1)
    assert clock.monotonic() == LONG_SECONDS, "no other waited for as long as the first"
    wait_until(lambda: job_threads() == 2, "as many threads as configured")
    hanging.gate.set()
    hanging.wait_for(2)


def test_a_backlog_of_jobs_that_do_not_hang_starts_no_threads(threads: ThreadRunner, clock: HeldClock) -> None:
    job = Recorder()
    threads.register("job", job)
    for n in range(100):
        threads.submit("job", str(n))
    threads.start()
    job.wait_for(100)
    clock.advance(LONG_SECONDS)
    job.gate.clear()
    looks = len(clock.waits)
    for n in range(4):
        threads.submit("job", str(n))
    job.wait_for(102)
    wait_until(lambda: len(clock.waits) > looks, "the watcher looks again when one of them may hang")
    assert (job.running, job_threads()) == (2, 2)
    job.gate.set()
    job.wait_for(104)


def test_there_are_four_times_the_threads_at_most_and_afterwards_as_many_as_configured(
    threads: ThreadRunner, clock: HeldClock
) -> None:
    hanging = hang(threads, clock, 20)
    for looks, running in enumerate((2, 4, 6, 8, 8), start=1):
        wait_until(lambda looks=looks: len(clock.waits) == looks, "the watcher looks again")  # type: ignore[misc]
        wait_until(lambda running=running: hanging.running == running, f"{running} run")  # type: ignore[misc]
        assert job_threads() == running
        clock.advance(LONG_SECONDS)
    assert (hanging.running, job_threads()) == (2 * MOST_TIMES, 2 * MOST_TIMES)
    hanging.gate.set()
    hanging.wait_for(20)
    wait_until(lambda: job_threads() == 2, "as many threads as configured")
    assert len(hanging.calls) == 20


def test_one_job_that_hangs_is_made_up_for_by_one_thread(threads: ThreadRunner, clock: HeldClock) -> None:
    other = Recorder()
    other.gate.clear()
    threads.register("other", other)
    hanging = hang(threads, clock, 1)
    clock.advance(LONG_SECONDS)
    for n in range(4):
        threads.submit("other", str(n))
    other.wait_for(2)
    wait_until(lambda: clock.waits == [LONG_SECONDS], "the watcher looks again when another job may hang")
    assert (job_threads(), other.running) == (3, 2)
    other.gate.set()
    other.wait_for(4)
    wait_until(lambda: job_threads() == 2, "as many threads as configured")
    hanging.gate.set()
    hanging.wait_for(1)


def test_a_job_does_not_wait_for_the_watchers_next_look(threads: ThreadRunner, clock: HeldClock) -> None:
    first, second, third = Recorder(), Recorder(), Recorder()
    for name, job in (("first", first), ("second", second), ("third", third)):
        threads.register(name, job)
    first.gate.clear()
    second.gate.clear()
    hanging = hang(threads, clock, 1)
    clock.advance(LONG_SECONDS)
    threads.submit("first", "1")
    threads.submit("first", "2")
    first.wait_for(2)
    threads.submit("second", "")
    wait_until(lambda: clock.waits == [LONG_SECONDS], "the watcher looks again when another job may hang")
    first.gate.set()
    second.wait_for(1)
    wait_until(lambda: job_threads() == 2, "as many threads as configured, one that hangs and one that is busy")
    threads.submit("third", "")
    third.wait_for(1)
    second.gate.set()
    hanging.gate.set()


def test_stop_does_not_wait_for_those_that_hang(
    threads: ThreadRunner, clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = hang(threads, clock, 4)
    wait_until(lambda: len(clock.waits) == 1, "the watcher looks again")
    clock.advance(LONG_SECONDS)
    wait_until(lambda: hanging.running == 4, "all run")
    stopping = threading.Thread(target=threads.stop, args=(0.0,))
    stopping.start()
    stopping.join(5)
    assert not stopping.is_alive()
    assert "4 jobs did not end" in caplog.text
    hanging.gate.set()


def test_no_job_is_lost_however_threads_come_and_go() -> None:
    job = Recorder()
    # With this clock the watcher's time passes at once: everything hangs, and threads come and go all the time.
    runner = ThreadRunner(ManualClock(), threads=2, queue_limit=10_000)
    runner.register("job", job)
    runner.start()

    def submit(first: int) -> None:
        for n in range(first, 1000, 4):
            assert runner.submit("job", str(n))

    assert at_once([lambda first=first: submit(first) for first in range(4)]) == [None] * 4  # type: ignore[misc]
    job.wait_for(1000)
    assert sorted(job.calls, key=int) == [str(n) for n in range(1000)]
    assert set(job.at_once.values()) == {1}
    wait_until(lambda: job_threads() == 2, "as many threads as configured")
    runner.stop(10)
    assert job_threads() == 0
