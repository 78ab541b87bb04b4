"""The Celery runner: what goes between processes, and a broker that is away."""
# mypy: disable-error-code="no-untyped-call"

import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from kombu.entity import Queue
from kombu.messaging import Producer
from pydantic import SecretStr

from protes.clock import SystemClock
from protes.runner.broker import Broker, BrokerUnusable, OnDelivery, Receiver
from protes.runner.celery_runner import CeleryRunner
from protes.runner.consuming import Consumer
from tests.support.rabbitmq import free_ports
from tests.support.runners import BROKERS, PATIENCE, Brokers, Place, Recorder, place
from tests.support.waiting import wait_until

PASSWORD = "brokers-password-nobody-may-see"


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Keep the brokers that the tests here ask for."""
    kept = Brokers(tmp_path_factory.mktemp("brokers"))
    yield kept
    kept.close()


@pytest.fixture(params=BROKERS)
def there(request: pytest.FixtureRequest, brokers: Brokers) -> Iterator[Place]:
    """Have a place for runners over each broker."""
    with place(request.param, brokers.url(request.param, request)) as made:
        yield made


def test_what_a_process_submits_that_only_serves_another_one_runs(there: Place) -> None:
    serving, working = there.runner(execute=False), there.runner()
    never, job, tick = Recorder(), Recorder(), Recorder()
    serving.register("job", never)
    serving.every(0.001, "job")
    working.register("job", job)
    working.register("tick", tick)
    working.every(0.001, "tick")
    serving.start()
    assert serving.submit("job", "a")
    working.start()
    job.wait_for(1)
    tick.wait_for(3)
    assert (job.calls, never.calls) == (["a"], [])


def test_a_backlog_of_one_job_keeps_no_other_waiting(there: Place) -> None:
    runner = there.runner(threads=2)
    slow, quick = Recorder(), Recorder()
    runner.register("slow", slow)
    runner.register("quick", quick)
    serving = there.runner(execute=False)
    serving.register("slow", Recorder())
    serving.register("quick", Recorder())
    serving.start()
    for n in range(50):
        serving.submit("slow", str(n))
    serving.submit("quick", "a")
    runner.start()
    quick.wait_for(1)
    slow.wait_for(50)
    assert sorted(slow.calls, key=int) == [str(n) for n in range(50)]


def test_no_more_is_taken_than_runs_at_once_and_others_get_the_rest(there: Place) -> None:
    first, second, busy, free = there.runner(threads=2), there.runner(threads=2), Recorder(), Recorder()
    busy.gate.clear()
    first.register("job", busy)
    second.register("job", free)
    first.start()
    for n in range(6):
        assert first.submit("job", str(n))
    busy.wait_for(2)
    second.start()
    free.wait_for(4)
    assert len(busy.calls) == 2
    assert sorted(busy.calls + free.calls) == [str(n) for n in range(6)]
    busy.gate.set()


def test_what_has_not_ended_when_a_worker_stops_goes_to_another_one(there: Place) -> None:
    first, second, stuck, job = there.runner(threads=1), there.runner(), Recorder(), Recorder()
    stuck.gate.clear()
    first.register("job", stuck)
    second.register("job", job)
    first.start()
    assert first.submit("job", "a")
    stuck.wait_for(1)
    first.stop(0.01)
    assert not first.submit("job", "b")
    second.start()
    job.wait_for(1)
    assert job.calls == ["a"]
    stuck.gate.set()


def test_what_has_ended_is_not_delivered_again(there: Place) -> None:
    first, second, job, again = there.runner(), there.runner(), Recorder(), Recorder()
    first.register("job", job)
    first.start()
    for n in range(10):
        first.submit("job", str(n))
    job.wait_for(10)
    first.stop(PATIENCE)
    second.register("job", again)
    second.start()
    second.submit("job", "last")
    again.wait_for(1)
    assert again.calls == ["last"]


FOREIGN: dict[str, dict[str, Any]] = {
    "no key": {"body": b"[[null], {}, {}]"},
    "no JSON": {"body": b"{[}"},
    "no text": {"body": b"\xff\xfe\x00"},
    "unknown compression": {"headers": {"compression": "application/x-bogus"}},
    "unknown content type": {"content_type": "application/x-bogus"},
    "unknown encoding": {"content_type": "application/data", "content_encoding": "x-bogus"},
}


def _publish(broker: Broker, queue: str, message: Mapping[str, Any], times: int) -> None:
    """Put a message into a queue as it is, as any other user of the broker could."""
    like_ours = {"body": b'[["b"], {}, {}]', "content_type": "application/json", "content_encoding": "utf-8"}
    with broker._connected(0) as connection:
        producer = Producer(connection)
        Queue(queue, durable=True).bind(producer.channel).queue_declare()
        for _ in range(times):
            producer.publish(**{**like_ours, **message}, exchange="", routing_key=queue)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_message_of_somebody_else_is_removed_and_harms_nothing(
    there: Place, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    runner, job = there.runner(), Recorder()
    runner.register("job", job)
    broker = there.broker()
    _publish(broker, f"{there.prefix}.job", FOREIGN[kind], 2)
    runner.start()
    runner.submit("job", "a")
    job.wait_for(1)
    wait_until(lambda: caplog.text.count("none of ours") >= 2, "the log lines", PATIENCE)
    runner.stop(PATIENCE)
    assert job.calls == ["a"]
    assert caplog.text.count("none of ours") == 2
    assert "the broker is away" not in caplog.text
    with broker.sender(["job"]) as sender:
        assert sender.waiting("job") == 0


class BreakingBroker(Broker):
    """Lets everybody connect, and breaks each connection at the first look for messages."""

    @contextmanager
    def receiver(self, jobs: Sequence[str], prefetch: int, on_delivery: OnDelivery) -> Iterator[Receiver]:
        with super().receiver(jobs, prefetch, on_delivery) as receiver:

            def broken(seconds: float) -> None:
                raise ConnectionError("broken")

            receiver.wait = broken  # type: ignore[method-assign]
            yield receiver


class PauseClock(SystemClock):
    """Notes the pauses and has none."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.pauses.append(seconds)
        return event.wait(0.001)


def test_connections_that_break_at_once_are_tried_less_and_less_often(caplog: pytest.LogCaptureFixture) -> None:
    clock = PauseClock()
    broker = BreakingBroker(SecretStr("memory://"), clock, 100, prefix=f"breaking-{secrets.token_hex(4)}")
    consumer = Consumer(broker, clock, 1, lambda *_: True)
    consumer.start(["job"])
    try:
        wait_until(lambda: len(clock.pauses) >= 6, "it was tried again", PATIENCE)
    finally:
        consumer.close()
    assert clock.pauses[:6] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]
    assert caplog.text.count("the broker is away") == 1


def test_a_full_queue_at_the_broker_is_said(there: Place) -> None:
    serving = CeleryRunner(there.broker(limit=3), SystemClock(), 1, 1000, execute=False)
    serving.register("job", Recorder())
    serving.start()
    try:
        keys = iter(range(100_000))
        wait_until(lambda: not serving.submit("job", str(next(keys))), "it is full", PATIENCE)
    finally:
        serving.stop(1)


class _Silent:
    """Lets clients connect and never answers."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]

    def close(self) -> None:
        self._server.close()


@pytest.fixture(params=["refuses", "silent"])
def absent(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a broker that is away."""
    silent = _Silent()
    port = silent.port
    if request.param == "refuses":
        silent.close()
        (port,) = free_ports(1)
    yield f"amqp://user:{PASSWORD}@127.0.0.1:{port}//"
    silent.close()


@pytest.fixture
def without(absent: str) -> Iterator[CeleryRunner]:
    """Make a runner that only serves, whose broker is away."""
    threads = set(threading.enumerate())
    made = CeleryRunner(Broker(SecretStr(absent), SystemClock(), 100), SystemClock(), 2, 100, execute=False)
    made.register("job", Recorder())
    yield made
    made.stop(1)
    wait_until(lambda: set(threading.enumerate()) <= threads, "no thread is left")


def test_a_dead_broker_keeps_nobody_waiting_who_submits(
    without: CeleryRunner, caplog: pytest.LogCaptureFixture
) -> None:
    without.start()
    longest = 0.0
    for n in range(2000):
        began = time.monotonic()
        without.submit("job", str(n))
        longest = max(longest, time.monotonic() - began)
    assert longest < 2
    wait_until(lambda: "the broker is away" in caplog.text, "the log line", PATIENCE)
    assert not without.submit("job", "a")
    assert caplog.text.count("the broker is away") == 1
    assert PASSWORD not in caplog.text


def test_while_the_broker_is_away_who_executes_goes_on_alone(caplog: pytest.LogCaptureFixture) -> None:
    (port,) = free_ports(1)
    url = SecretStr(f"amqp://user:{PASSWORD}@127.0.0.1:{port}//")
    runner = CeleryRunner(Broker(url, SystemClock(), 100), SystemClock(), 2, 100, execute=True)
    job, tick = Recorder(), Recorder()
    runner.register("job", job)
    runner.register("tick", tick)
    runner.every(0.01, "tick")
    runner.start()
    wait_until(lambda: caplog.text.count("the broker is away") == 2, "both threads have said so", PATIENCE)
    assert runner.submit("job", "a")
    job.wait_for(1)
    tick.wait_for(len(tick.calls) + 2)
    assert PASSWORD not in caplog.text
    runner.stop(PATIENCE)


def test_a_broker_no_driver_is_there_for_is_said_without_its_url() -> None:
    with pytest.raises(BrokerUnusable) as caught:
        Broker(SecretStr(f"nonsense://user:{PASSWORD}@host/"), SystemClock(), 1)
    assert PASSWORD not in str(caught.value)


class DeafBroker(Broker):
    """Takes all jobs and delivers those named `heard` alone."""

    @contextmanager
    def receiver(self, jobs: Sequence[str], prefetch: int, on_delivery: OnDelivery) -> Iterator[Receiver]:
        with super().receiver([job for job in jobs if job == "heard"], prefetch, on_delivery) as receiver:
            yield receiver


class LateClock(SystemClock):
    """The machine's clock, further on by `late` seconds."""

    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late


def test_a_broker_that_takes_everything_and_delivers_nothing_is_not_waited_for() -> None:
    clock, job, heard = LateClock(), Recorder(), Recorder()
    broker = DeafBroker(SecretStr("memory://"), clock, 100, prefix=f"deaf-{secrets.token_hex(4)}")
    runner = CeleryRunner(broker, clock, 2, 100, execute=True)
    runner.register("job", job)
    runner.register("heard", heard)
    runner.start()
    try:
        assert runner.submit("job", "a")
        clock.late = 10.0
        runner.submit("job", "b")
        assert job.calls == []
        clock.late = 25.0
        assert runner.submit("job", "c")
        job.wait_for(1)
        assert runner.submit("heard", "d")
        heard.wait_for(1)  # delivered, or run here: both
        wait_until(lambda: runner._consumer.heard_at > clock.monotonic() - 20, "something was delivered", PATIENCE)
        runner.submit("job", "e")
        runner.submit("heard", "f")
        wait_until(lambda: "f" in heard.calls, "jobs go through the broker", PATIENCE)
        assert job.calls == ["c"]
    finally:
        runner.stop(1.0)
