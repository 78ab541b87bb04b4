"""A load as workflow engines make it: every task has a key, and what is not answered is sent again until it is."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import requests

TES = "/ga4gh/tes/v1"
_THREADS = 8
_TIMEOUT_SECONDS = 10.0
_PAUSE_SECONDS = 0.2
_SHARE_CANCELLED, _SHARE_FAILING = 0.08, 0.05
_LONGEST_RUN_SECONDS = 2.0


@dataclass
class Wish:
    """One task that the client wants to run.

    Attributes:
        number: of the task, from 0.
        seconds: how long it is to run.
        exit_code: with which it is to end.
        cancelled: the client cancels it when it has an answer, after a while.
        id: what the gateway answered, once it did.
        tries: how often it was sent.
    """

    number: int
    seconds: float
    exit_code: int
    cancelled: bool
    id: str = ""
    tries: int = 0

    @property
    def text(self) -> str:
        """What it writes."""
        return f"output of {self.number}"

    @property
    def document(self) -> dict[str, object]:
        """The task."""
        command = ["run", f"{self.seconds:.3f}", str(self.exit_code), self.text]
        return {"name": f"task-{self.number}", "executors": [{"image": "alpine", "command": command}]}


def wishes(seed: int, count: int) -> Sequence[Wish]:
    """Return as many tasks, some of which fail and some of which are cancelled midway: the same for the same seed."""
    chance = random.Random(seed)
    return [
        Wish(
            number,
            chance.uniform(0, _LONGEST_RUN_SECONDS),
            3 if chance.random() < _SHARE_FAILING else 0,
            chance.random() < _SHARE_CANCELLED,
        )
        for number in range(count)
    ]


@dataclass
class Engine:
    """Submits tasks in threads, evenly over a time.

    Attributes:
        url: root URL of the gateway.
        run: a word for this run, so that keys are new.
        tasks: what to submit.
        seconds: over how long.
        patience_seconds: how long to try one request at most.
        problems: answers that no engine could live with.
    """

    url: str
    run: str
    tasks: Sequence[Wish]
    seconds: float
    patience_seconds: float
    problems: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin."""
        begun = time.monotonic()
        numbers = itertools.count()
        for _ in range(_THREADS):
            thread = threading.Thread(target=self._work, args=(numbers, begun), daemon=True)
            thread.start()
            self._threads.append(thread)

    def join(self) -> None:
        """Wait until everything is submitted, and cancelled where it is to be."""
        until = time.monotonic() + self.seconds + 2 * self.patience_seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "the client has not ended"

    def stop(self) -> None:
        """Try nothing again."""
        self._ended.set()

    def _work(self, numbers: Iterator[int], begun: float) -> None:
        cancels: list[tuple[float, Wish]] = []
        while (number := next(numbers)) < len(self.tasks):
            wish = self.tasks[number]
            self._ended.wait(max(0.0, begun + number * self.seconds / len(self.tasks) - time.monotonic()))
            self._submit(wish)
            if wish.cancelled and wish.id:
                cancels.append((time.monotonic() + wish.seconds / 2, wish))
            cancels = self._cancel_due(cancels, time.monotonic())
        for at, wish in cancels:
            self._ended.wait(max(0.0, at - time.monotonic()))
            self._cancel(wish)

    def _submit(self, wish: Wish) -> None:
        headers = {"Idempotency-Key": f"{self.run}-{wish.number:08}-key"}
        answer = self._call("/tasks", wish, json=wish.document, headers=headers)
        if answer is not None:
            wish.id = str(answer.json()["id"])

    def _cancel_due(self, cancels: list[tuple[float, Wish]], now: float) -> list[tuple[float, Wish]]:
        for at, wish in cancels:
            if at <= now:
                self._cancel(wish)
        return [each for each in cancels if each[0] > now]

    def _cancel(self, wish: Wish) -> None:
        self._call(f"/tasks/{wish.id}:cancel", wish)

    def _call(self, path: str, wish: Wish, **options: object) -> requests.Response | None:
        """POST until it is answered; what the server may mend is tried again, a refusal is a problem."""
        until = time.monotonic() + self.patience_seconds
        last = ""
        while time.monotonic() < until and not self._ended.is_set():
            wish.tries += 1
            try:
                answer = requests.post(self.url + TES + path, timeout=_TIMEOUT_SECONDS, **options)  # type: ignore[arg-type]
            except requests.RequestException as error:
                last = type(error).__name__
            else:
                if answer.status_code == 200:
                    return answer
                last = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code < 500 and answer.status_code != 429:
                    break
                if answer.status_code == 503 and "Retry-After" not in answer.headers:
                    self.problems.append(f"503 without Retry-After: {answer.text[:300]}")
            self._ended.wait(_PAUSE_SECONDS)
        self.problems.append(f"POST {path} of task {wish.number}: {last}")
        return None
