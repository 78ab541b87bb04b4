"""Runner, on every kind of it: threads, and Celery over a broker in memory, RabbitMQ and Redis."""

import logging
import threading
from collections.abc import Iterator

import pytest

from protes.runner.protocol import Runner
from tests.support.runners import KINDS, Brokers, Place, Recorder, place
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Keep the brokers that the tests here ask for."""
    kept = Brokers(tmp_path_factory.mktemp("brokers"))
    yield kept
    kept.close()


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, brokers: Brokers) -> Iterator[Place]:
    """Have a place for runners of each kind; nothing of them may be left."""
    with place(request.param, brokers.url(request.param, request)) as made:
        yield made


@pytest.fixture
def runner(there: Place) -> Runner:
    """Make a runner with room for two jobs at once."""
    return there.runner()


def test_a_job_runs_on_its_key(runner: Runner) -> None:
    one, two = Recorder(), Recorder()
    runner.register("one", one)
    runner.register("two", two)
    assert runner.submit("one", "before the start")
    runner.start()
    assert runner.submit("two", "b")
    one.wait_for(1)
    two.wait_for(1)
    assert (one.calls, two.calls) == (["before the start"], ["b"])


def test_a_job_may_be_delivered_twice(runner: Runner) -> None:
    job = Recorder()
    runner.register("job", job)
    runner.start()
    runner.submit("job", "a")
    job.wait_for(1)
    runner.submit("job", "a")
    job.wait_for(2)
    assert job.calls == ["a", "a"]


def test_each_job_may_be_delivered_twice_and_still_never_runs_twice_at_once(there: Place) -> None:
    runner = there.runner(threads=4, twice=True)
    job = Recorder()
    runner.register("job", job)
    runner.start()
    keys = {str(n) for n in range(20)}
    for key in (*keys, *keys):
        assert runner.submit("job", key)
    wait_until(lambda: set(job.calls) == keys, "every job runs")
    runner.stop(10)
    assert set(job.at_once.values()) == {1}
    assert len(job.calls) <= 4 * len(keys)


def test_submitted_again_before_its_start_it_runs_once(runner: Runner) -> None:
    job = Recorder()
    runner.register("job", job)
    for _ in range(5):
        assert runner.submit("job", "a")
    runner.submit("job", "b")
    runner.start()
    job.wait_for(2)
    assert sorted(job.calls) == ["a", "b"]


def test_submitted_while_it_runs_it_runs_once_more_and_never_twice_at_once(runner: Runner) -> None:
    job = Recorder()
    job.gate.clear()
    runner.register("job", job)
    runner.start()
    runner.submit("job", "a")
    job.wait_for(1)
    for _ in range(5):
        assert runner.submit("job", "a")
    runner.submit("job", "b")
    job.wait_for(2)
    assert job.calls == ["a", "b"]
    job.gate.set()
    job.wait_for(3)
    runner.submit("job", "last")
    job.wait_for(4)
    assert job.calls == ["a", "b", "a", "last"]
    assert job.at_once["a"] == 1


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit(3)])
def test_a_failing_job_is_logged_and_harms_no_other(
    runner: Runner, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    job = Recorder()

    def fail(key: str) -> None:
        raise error

    runner.register("failing", fail)
    runner.register("job", job)
    runner.start()
    for n in range(3):
        runner.submit("failing", f"key-{n}")
        wait_until(lambda n=n: len(caplog.records) == n + 1, "the log line")  # type: ignore[misc]
    runner.submit("job", "a")
    job.wait_for(1)
    assert [record.getMessage() for record in caplog.records] == [f"job failing key-{n} failed" for n in range(3)]
    assert all(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_stop_waits_for_what_runs_and_takes_no_more(runner: Runner) -> None:
    job = Recorder()
    job.gate.clear()
    runner.register("job", job)
    runner.start()
    for key in ("1", "2", "waiting"):
        runner.submit("job", key)
    job.wait_for(2)
    stopping = threading.Thread(target=runner.stop, args=(10,))
    stopping.start()
    wait_until(lambda: not runner.submit("job", "new"), "no more jobs taken")
    assert stopping.is_alive()
    job.gate.set()
    stopping.join(10)
    assert not stopping.is_alive()
    assert (job.running, sorted(job.calls)) == (0, ["1", "2"])


def test_stop_does_not_wait_beyond_its_grace(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    job = Recorder()
    job.gate.clear()
    runner.register("job", job)
    runner.start()
    runner.submit("job", "hangs")
    job.wait_for(1)
    runner.stop(0.01)
    assert job.running == 1
    assert "1 jobs did not end" in caplog.text
    job.gate.set()


def test_stop_before_the_start_and_twice_is_harmless(runner: Runner) -> None:
    runner.stop(1)
    runner.stop(1)


def test_a_periodic_job_runs_again_and_again(runner: Runner) -> None:
    job = Recorder()
    runner.register("tick", job)
    runner.every(0.01, "tick")
    runner.start()
    job.wait_for(3)
    assert set(job.calls) == {""}


def test_a_periodic_job_never_overlaps_itself(runner: Runner) -> None:
    job, other = Recorder(), Recorder()
    job.gate.clear()
    runner.register("tick", job)
    runner.register("other", other)
    runner.every(0.001, "tick")
    runner.start()
    job.wait_for(1)
    assert runner.submit("tick", "")
    for n in range(20):
        runner.submit("other", str(n))
        other.wait_for(n + 1)
    assert len(job.calls) == 1
    job.gate.set()
    job.wait_for(5)
    assert job.at_once == {"": 1}


def test_a_periodic_job_that_was_submitted_as_well_is_not_run_beside_it(runner: Runner) -> None:
    job, other = Recorder(), Recorder()
    job.gate.clear()
    runner.register("tick", job)
    runner.register("other", other)
    runner.every(0.001, "tick")
    runner.submit("tick", "")
    runner.start()
    job.wait_for(1)
    for n in range(20):
        runner.submit("other", str(n))
        other.wait_for(n + 1)
    assert len(job.calls) == 1
    job.gate.set()
    job.wait_for(3)
    assert job.at_once == {"": 1}


def test_a_periodic_job_that_fails_goes_on(runner: Runner, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []

    def fail(key: str) -> None:
        calls.append(key)
        raise RuntimeError("broken")

    runner.register("tick", fail)
    runner.every(0.01, "tick")
    runner.start()
    wait_until(lambda: len(calls) >= 3, "three runs")


def test_a_periodic_job_does_not_wait_behind_the_queue(runner: Runner) -> None:
    slow, tick = Recorder(), Recorder()
    slow.gate.clear()
    runner.register("slow", slow)
    runner.register("tick", tick)
    runner.every(0.01, "tick")
    for n in range(3):
        runner.submit("slow", str(n))
    runner.start()
    slow.wait_for(2)
    tick.wait_for(len(tick.calls) + 2)
    slow.gate.set()


def test_what_makes_no_sense_is_refused(runner: Runner) -> None:
    runner.register("job", Recorder())
    with pytest.raises(ValueError, match="job has a handler already"):
        runner.register("job", Recorder())
    with pytest.raises(ValueError, match="other has no handler"):
        runner.submit("other", "a")
    with pytest.raises(ValueError, match="other has no handler"):
        runner.every(1, "other")
    with pytest.raises(ValueError, match="above 0"):
        runner.every(0, "job")
    runner.start()
    with pytest.raises(RuntimeError, match="has started"):
        runner.register("late", Recorder())
    with pytest.raises(RuntimeError, match="has started"):
        runner.every(1, "job")
    with pytest.raises(RuntimeError, match="has started"):
        runner.start()
