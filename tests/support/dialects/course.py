"""The tasks of a fake, and their course as the test decides it."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Sequence
from typing import Any

from tests.support.dialects.held import ExecutorRun, HeldTask


class Tasks:
    """Keeps tasks. A family says how they are named, what is kept of them, and how they end.

    Attributes:
        tasks: by id, oldest first.
        odd_ids: ids that the first tasks get, however odd.
    """

    def __init__(self) -> None:
        """Begin without tasks."""
        self.tasks: dict[str, HeldTask] = {}
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self.odd_ids: Sequence[str] = ()

    def copies(self, marker: str) -> list[HeldTask]:
        """The tasks with a marker."""
        with self._lock:
            return [task for task in self.tasks.values() if task.marker == marker]

    def crowd(self, count: int, state: str = "COMPLETE") -> None:
        """Have tasks of others there."""
        for number in range(count):
            task = self._keep({"name": f"other {number}", "executors": [{"image": "alpine", "command": ["true"]}]})
            task.state = state

    def double(self, task_id: str) -> None:
        """Have a task there twice, as when a request was repeated on its way."""
        with self._lock:
            self._keep(copy.deepcopy(self.tasks[task_id].document))

    def have(self, document: dict[str, Any]) -> HeldTask:
        """Have a task there that nobody has submitted."""
        return self._keep(document)

    def start(self, task_id: str) -> None:
        """Let a task run."""
        with self._lock:
            task = self.tasks[task_id]
            task.state = "RUNNING"
            task.runs = [ExecutorRun()]

    def finish(self, task_id: str, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        """Let a task's executors end: all well but the last one, which has this exit code and wrote these."""
        with self._lock:
            task = self.tasks[task_id]
            earlier = self.executors_run(task) - 1
            task.runs = [ExecutorRun(0)] * earlier + [ExecutorRun(exit_code, stdout, stderr)]
            task.state = self.end_state(exit_code)
            task.working = False

    def fail(self, task_id: str) -> None:
        """Let a task end as SYSTEM_ERROR, with a line that says why."""
        with self._lock:
            task = self.tasks[task_id]
            task.state, task.working = "SYSTEM_ERROR", False
            task.system_logs.append("the machine has gone")

    def preempt(self, task_id: str) -> None:
        """Take a task's machine away; what then becomes of the task differs."""
        with self._lock:
            self.tasks[task_id].state = "PREEMPTED"

    def set_state(self, task_id: str, state: str) -> None:
        """Put a task into a state."""
        with self._lock:
            self.tasks[task_id].state = state

    def forget(self, task_id: str) -> None:
        """Lose a task."""
        with self._lock:
            del self.tasks[task_id]

    # What a family may do in its own way

    def new_id(self, number: int) -> str:
        """The id of the task with a number, which counts from 1."""
        return f"task-{number:06}"

    def kept(self, document: dict[str, Any]) -> dict[str, Any]:
        """The task as it is kept: what it drops or changes silently."""
        return document

    def end_state(self, exit_code: int) -> str:
        """The state of a task whose last executor ended so."""
        return "COMPLETE" if exit_code == 0 else "EXECUTOR_ERROR"

    def executors_run(self, task: HeldTask) -> int:
        """How many executors leave a log."""
        return len(task.document["executors"])

    def _keep(self, document: dict[str, Any]) -> HeldTask:
        with self._lock:
            task = self._new(document)
            self.tasks[task.id] = task
            return task

    def _new(self, document: dict[str, Any]) -> HeldTask:
        number = next(self._numbers)
        task_id = self.odd_ids[number - 1] if number <= len(self.odd_ids) else self.new_id(number)
        return HeldTask(task_id, self.kept(document), number)
