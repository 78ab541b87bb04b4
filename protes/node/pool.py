"""Run tasks in the order they came, as many at once as the node has cores."""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from protes.node.task_files import Task
from protes.node.tasks import TaskRegistry
from protes.tes.states import State

logger = logging.getLogger(__name__)

_STOP_SECONDS = 8.0
STOPPED = "the node was stopped before the task ended"


class Outcome(Protocol):
    """How a task ended."""

    @property
    def state(self) -> State:
        """The final state."""

    @property
    def log(self) -> dict[str, Any]:
        """The `tesTaskLog`."""


class Work(Protocol):
    """A task being run."""

    def run(self) -> Outcome:
        """Run it to its end."""

    def cancel(self) -> None:
        """Make `run` return CANCELED soon; from any thread, any number of times."""


@dataclass(frozen=True, slots=True)
class Started:
    """What runs, and how many slots it holds."""

    task: Task
    work: Work
    slots: int


class Pool:
    """Worker threads; every task holds at least one slot, so there are never more threads than slots.

    First in, first out: a task that needs more slots than are free waits at the head, and none behind it overtakes it,
    so that it is never starved.
    """

    def __init__(self, slots: int, registry: TaskRegistry, prepare: Callable[[Task], Work]) -> None:
        """Start the workers; `prepare` makes what runs a task, without doing any of it."""
        self._slots = slots
        self._free = slots
        self._registry = registry
        self._prepare = prepare
        self._queue: deque[Task] = deque()
        self._running: dict[str, Started] = {}
        self._canceled: set[str] = set()
        self._closing = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._serve, name=f"slot-{n}", daemon=True) for n in range(slots)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Queue a task."""
        with self._changed:
            canceled = task.id in self._canceled  # by somebody who found it in a list before it came here
            if not canceled:
                self._queue.append(task)
                self._changed.notify()
        if canceled:
            self._cancel_waiting(task)

    def cancel(self, task: Task) -> None:
        """Cancel a task: at once where it waits, else as soon as its processes are gone; nothing where it has ended."""
        with self._changed:
            waiting = task in self._queue
            if waiting:
                self._queue.remove(task)
                self._changed.notify_all()  # the next at the head may need fewer slots
            started = self._running.get(task.id)
            if not task.state.finished:
                self._canceled.add(task.id)
            if started is not None:
                self._registry.move(task, State.CANCELING)
        if waiting:
            self._cancel_waiting(task)
        elif started is not None:
            started.work.cancel()

    def close(self) -> None:
        """Stop: running tasks are killed and end in SYSTEM_ERROR; waiting ones do so at the next start."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            running = list(self._running.values())
            self._changed.notify_all()
        for started in running:
            started.work.cancel()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _cancel_waiting(self, task: Task) -> None:
        self._registry.finish(task, State.CANCELED, _empty_log("canceled before it was started"))
        with self._changed:
            self._canceled.discard(task.id)

    def _serve(self) -> None:
        while (started := self._take()) is not None:
            try:
                self._run(started)
            finally:
                self._give_back(started)

    def _take(self) -> Started | None:
        """Wait for the head of the queue to fit and take it; None when the pool closes."""
        with self._changed:
            while not self._closing:
                if self._queue and slots_of(self._queue[0], self._slots) <= self._free:
                    task = self._queue.popleft()
                    started = Started(task, self._prepare(task), slots_of(task, self._slots))
                    self._free -= started.slots
                    self._running[task.id] = started
                    self._registry.move(task, State.INITIALIZING)
                    return started
                self._changed.wait()
            return None

    def _run(self, started: Started) -> None:
        try:
            outcome = started.work.run()
            state, log = outcome.state, outcome.log
        except Exception:
            # A fault of ours must not take the slot with it.
            logger.exception("task %s: it could not be run", started.task.id)
            state, log = State.SYSTEM_ERROR, _empty_log("the node failed to run the task; its log says why")
        with self._changed:
            stopped = state is State.CANCELED and started.task.id not in self._canceled
        if stopped:
            # CANCELED is for what a client asked for (DESIGN.md section 4).
            state, log = State.SYSTEM_ERROR, {**log, "system_logs": [*log.get("system_logs", ()), STOPPED]}
        self._registry.finish(started.task, state, log)

    def _give_back(self, started: Started) -> None:
        with self._changed:
            del self._running[started.task.id]
            self._canceled.discard(started.task.id)
            self._free += started.slots
            self._changed.notify_all()


def slots_of(task: Task, slots: int) -> int:
    """Return how many of a node's slots a task holds: its cores, rounded up."""
    document: Mapping[str, Any] = task.contents.document if task.contents else {}
    cores: float = document.get("resources", {}).get("cpu_cores", 1)
    return min(slots, max(1, math.ceil(cores)))


def _empty_log(line: str) -> dict[str, Any]:
    return {"logs": [], "outputs": [], "system_logs": [line]}
