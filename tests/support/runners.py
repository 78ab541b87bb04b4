"""What the suites of runners share: a handler that says what happened, and brokers to run on."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from protes.clock import Clock, SystemClock
from protes.runner.broker import Broker, Sender
from protes.runner.celery_runner import CeleryRunner
from protes.runner.protocol import Runner
from protes.runner.threads import ThreadRunner
from tests.support import rabbitmq, redis
from tests.support.services import missing
from tests.support.waiting import wait_until

PATIENCE = 30.0

KINDS = (
    "threads",
    "celery-memory",
    pytest.param("celery-rabbitmq", marks=pytest.mark.services),
    pytest.param("celery-redis", marks=pytest.mark.services),
)
BROKERS = KINDS[1:]


class Recorder:
    """A handler that says what it was called with, and waits where the test wants it to.

    Attributes:
        calls: the keys it was called with, in order.
        at_once: per key, the most calls that ran at the same time.
        gate: closed by `gate.clear()`, lets calls through when set.
    """

    def __init__(self) -> None:
        """Start with the gate open."""
        self.calls: list[str] = []
        self.at_once: dict[str, int] = {}
        self.gate = threading.Event()
        self.gate.set()
        self._running: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, key: str) -> None:
        """Note the call, and pass the gate."""
        with self._lock:
            self.calls.append(key)
            self._running.append(key)
            self.at_once[key] = max(self.at_once.get(key, 0), self._running.count(key))
        assert self.gate.wait(2 * PATIENCE)
        with self._lock:
            self._running.remove(key)

    @property
    def running(self) -> int:
        """How many calls run."""
        with self._lock:
            return len(self._running)

    def wait_for(self, calls: int) -> None:
        """Wait until it was called so many times and all calls have ended, if the gate is open."""
        wait_until(lambda: len(self.calls) >= calls, f"{calls} calls, only {self.calls}", PATIENCE)
        if self.gate.is_set():
            wait_until(lambda: self.running == 0, "the calls' end", PATIENCE)


class Brokers:
    """The brokers of a test run; those that are servers are started when they are asked for first."""

    def __init__(self, folder: Path) -> None:
        """Keep servers' files in this folder."""
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._urls = {"threads": "", "memory": "memory://"}

    def url(self, kind: str, request: pytest.FixtureRequest) -> str:
        """Return the URL of a broker, "" for threads; skip the test where there is none, or fail it."""
        kind = kind.removeprefix("celery-")
        if kind not in self._urls:
            if kind == "rabbitmq":
                program = rabbitmq.executable(os.environ)
                if program is None:
                    missing(request, "RabbitMQ is not there: make services-install, or name it in PROTES_RABBITMQ")
                server = self._stack.enter_context(rabbitmq.running(program, self._folder / kind))
                self._urls[kind] = server.url
            else:
                pytest.importorskip("redis")
                program = redis.executable(os.environ)
                if program is None:
                    missing(request, "Redis is not there: make services-install, or name it in PROTES_REDIS")
                self._urls[kind] = self._stack.enter_context(redis.running(program, self._folder / kind)).url
        return self._urls[kind]

    def close(self) -> None:
        """End the servers."""
        self._stack.close()


class Twice(Broker):
    """A broker that delivers everything twice."""

    @contextmanager
    def sender(self, jobs: Sequence[str]) -> Iterator[Sender]:
        """Yield what sends each message twice."""
        with super().sender(jobs) as sender:
            send = sender.send

            def send_twice(job: str, key: str) -> None:
                send(job, key)
                send(job, key)

            sender.send = send_twice  # type: ignore[method-assign]
            yield sender


class Place:
    """One kind of runner, of which a test makes as many as it likes: they share what waits, as processes do."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = SecretStr(url)
        self.prefix = f"test-{secrets.token_hex(6)}"
        self._made: list[Runner] = []

    def broker(self, limit: int = 1000, kind: type[Broker] = Broker, clock: Clock | None = None) -> Broker:
        """Make a broker with queues of this test's own."""
        return kind(self.url, clock or SystemClock(), limit, prefix=self.prefix)

    def runner(self, threads: int = 2, queue_limit: int = 1000, *, execute: bool = True, twice: bool = False) -> Runner:
        """Make a runner; it is stopped after the test."""
        made: Runner
        if self.kind == "threads":
            made = ThreadRunner(SystemClock(), threads, queue_limit)
        else:
            broker = self.broker(kind=Twice if twice else Broker)
            made = CeleryRunner(broker, SystemClock(), threads, queue_limit, execute=execute)
        self._made.append(made)
        return made

    def close(self) -> None:
        """Stop all runners that were made."""
        for each in self._made:
            each.stop(PATIENCE)


@contextmanager
def place(kind: str, url: str) -> Iterator[Place]:
    """Yield a place for runners of this kind; no thread may be left of it."""
    threads = set(threading.enumerate())
    made = Place(kind, url)
    try:
        yield made
    finally:
        made.close()
    wait_until(lambda: set(threading.enumerate()) <= threads, "no thread is left")
