"""A broker that dies, stands still and comes back, and a worker that is killed: nothing is lost, nothing runs twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bench.load import post_tasks
from tests.support import rabbitmq
from tests.support.fleet import fleet
from tests.support.gateway_tasks import TES, copies_at, wait_for_all
from tests.support.processes import in_front_of, node
from tests.support.rabbitmq import RabbitMQ
from tests.support.runners import Brokers, Recorder, place
from tests.support.services import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]

PATIENCE = 200.0


@pytest.fixture(scope="module")
def mortal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """Run a RabbitMQ that tests here may kill, and leave running."""
    program = rabbitmq.executable(os.environ)
    if program is None:
        missing(request, "RabbitMQ is not there: make services-install, or name it in PROTES_RABBITMQ")
    with rabbitmq.running(program, tmp_path_factory.mktemp("mortal")) as server:
        yield server


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[str]]:
    """Run two nodes."""
    with ExitStack() as stack:
        yield [stack.enter_context(node(tmp_path / f"node-{number}")) for number in range(2)]


class Poster:
    """Posts tasks one after the other until it is told to stop.

    Attributes:
        ids: of the tasks that were accepted.
        seconds: how long each POST took.
    """

    def __init__(self, url: str) -> None:
        self.ids: list[str] = []
        self.seconds: list[float] = []
        self._url = f"{url}{TES}/tasks"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.wait(0.1):
            load = post_tasks(self._url, 1, 1, None)
            self.ids += load.ids
            self.seconds += load.latencies


def test_rabbitmq_is_killed_under_load_and_comes_back(tmp_path: Path, nodes: list[str], mortal: RabbitMQ) -> None:
    with fleet(tmp_path / "gateway", in_front_of(tmp_path, *nodes), mortal.url) as gateway:
        poster = Poster(gateway.url)
        try:
            wait_until(lambda: copies_at(nodes).total() >= 3, "tasks run", PATIENCE)
            mortal.kill()
            with_broker = len(poster.ids)
            wait_until(lambda: len(poster.ids) >= with_broker + 15, "tasks are accepted without a broker", PATIENCE)
            # Not only accepted: the worker that leads goes on by itself.
            copies = copies_at(nodes).total()
            wait_until(lambda: copies_at(nodes).total() >= copies + 3, "tasks run without a broker", PATIENCE)
            without = len(poster.ids)
            mortal.start()
            wait_until(lambda: gateway.logs().count("the broker is back") >= 4, "everybody is back", PATIENCE)
            wait_until(lambda: len(poster.ids) >= without + 5, "tasks are accepted", PATIENCE)
        finally:
            poster.stop()
        assert wait_for_all(gateway.url, poster.ids, PATIENCE) == {"COMPLETE": len(poster.ids)}
        assert copies_at(nodes) == Counter(poster.ids)
        assert max(poster.seconds) < 10, "nobody waits for a broker"
        assert gateway.files_with(mortal.password) == {"broker-url"}
        assert "Traceback" not in gateway.logs()


def test_a_broker_that_stands_still_keeps_nobody_waiting(mortal: RabbitMQ) -> None:
    with place("celery-rabbitmq", mortal.url) as there:
        runner, job = there.runner(), Recorder()
        runner.register("job", job)
        runner.start()
        runner.submit("job", "before")
        job.wait_for(1)
        mortal.pause()
        try:
            longest, count, until = 0.0, 0, time.monotonic() + 3
            while (began := time.monotonic()) < until:
                runner.submit("job", str(count))
                longest, count = max(longest, time.monotonic() - began), count + 1
        finally:
            mortal.resume()
        assert longest < 2  # who waited for the broker would wait for all of the three seconds
        # What was submitted meanwhile is more than is kept.
        wait_until(lambda: runner.submit("job", "after") and "after" in job.calls, "jobs run again", 60)


def test_jobs_survive_the_restart_of_the_broker(mortal: RabbitMQ) -> None:
    with place("celery-rabbitmq", mortal.url) as there:
        serving, working, job = there.runner(execute=False), there.runner(), Recorder()
        serving.register("job", Recorder())
        working.register("job", job)
        serving.start()
        for n in range(20):
            assert serving.submit("job", str(n))
        with there.broker().sender(["job"]) as sender:
            wait_until(lambda: sender.waiting("job") == 20, "all have arrived", 60)
        mortal.stop()
        mortal.start()
        working.start()
        job.wait_for(20)
        assert sorted(job.calls, key=int) == [str(n) for n in range(20)]


def test_what_a_killed_worker_was_at_is_delivered_to_another_one(
    brokers: Brokers, request: pytest.FixtureRequest
) -> None:
    with place("celery-rabbitmq", brokers.url("rabbitmq", request)) as there:
        serving, other, job = there.runner(execute=False), there.runner(), Recorder()
        serving.register("job", Recorder())
        other.register("job", job)
        serving.start()
        command = [sys.executable, "-m", "tests.support.runner_process", there.prefix]
        environ = {**os.environ, "BROKER_URL": there.url.get_secret_value()}
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            serving.submit("job", "a")
            assert worker.stdout.readline() == "a\n"
            other.start()
            worker.send_signal(signal.SIGKILL)
        job.wait_for(1)
        assert job.calls == ["a"]
