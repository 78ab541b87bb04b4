"""The tasks of an instance of the crash suite: accepted, run by the clock, found, and known again after a crash."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.crash.journal import Journal, read_journal

_FILE = "journal"
_START_SECONDS = 0.05
_PAGE = 256
_FINISHED = frozenset({"COMPLETE", "EXECUTOR_ERROR", "CANCELED"})


@dataclass
class InstanceTask:
    """One task; times are the machine's, in seconds."""

    id: str
    document: Mapping[str, Any]
    state: str = "QUEUED"
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def command(self) -> Sequence[str]:
        """What it is to do: `["run", SECONDS, EXIT_CODE, TEXT]`."""
        command: Sequence[str] = self.document["executors"][0]["command"]
        return command

    def log(self, host: str) -> Mapping[str, Any]:
        """Return its `tesTaskLog`, in full."""
        log: dict[str, Any] = {"logs": [], "outputs": [], "metadata": {"host": host}, "system_logs": ["accepted"]}
        if self.started_at is not None:
            log["start_time"] = _rfc3339(self.started_at)
            executor: dict[str, Any] = {"start_time": _rfc3339(self.started_at)}
            if self.ended_at is not None and self.state != "CANCELED":
                executor |= {"exit_code": int(self.command[2]), "stdout": self.command[3], "stderr": ""}
                executor["end_time"] = _rfc3339(self.ended_at)
            log["logs"] = [executor]
        if self.ended_at is not None:
            log["end_time"] = _rfc3339(self.ended_at)
        return log


@dataclass(order=True)
class _Turn:
    at: float
    number: int
    task: InstanceTask = field(compare=False)


class InstanceTasks:
    """See the module's text. Safe under threads."""

    def __init__(self, folder: Path, name: str) -> None:
        """Know the tasks of an earlier life in this folder."""
        self._name = name
        self._tasks: dict[str, InstanceTask] = {}
        self._changed = threading.Condition()
        self._turns: list[_Turn] = []
        self._numbers = itertools.count()
        for task in tasks_in(folder):
            self._tasks[task.id] = task
            self._schedule(task)
        self._journal = Journal(folder / _FILE)

    def start(self) -> None:
        """Begin to run tasks."""
        threading.Thread(target=self._run, daemon=True).start()

    def create(self, document: Mapping[str, Any]) -> str:
        """Accept a task; it is on disk when this returns, and shown from then on."""
        with self._changed:
            task = InstanceTask(f"{self._name}-{len(self._tasks) + 1:06}", document)
            self._journal.append("create", task.id, document=document)
            self._tasks[task.id] = task
            self._schedule(task)
            self._changed.notify()
            return task.id

    def cancel(self, task_id: str) -> bool:
        """Cancel a task, if it has not ended; return whether there is such a task."""
        with self._changed:
            task = self._tasks.get(task_id)
            if task is not None and task.state not in _FINISHED:
                self._end(task, "CANCELED")
            return task is not None

    def show(self, task_id: str, view: str) -> Mapping[str, Any] | None:
        """Return a task in a view of TES 1.1."""
        with self._changed:
            task = self._tasks.get(task_id)
            return None if task is None else self._shown(task, view)

    def page(self, query: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
        """Return a page of tasks, newest first (TES 1.1.0, `ListTasks`)."""
        first = dict(reversed(query))
        size = int(first.get("page_size", _PAGE))
        with self._changed:
            fitting = [
                task
                for task in reversed(self._tasks.values())
                if task.id < first.get("page_token", "~") and _fits(task, query, first)
            ]
            shown = [self._shown(task, first.get("view", "MINIMAL")) for task in fitting[:size]]
        more = {"next_page_token": fitting[size - 1].id} if len(fitting) > size else {}
        return {"tasks": shown, **more}

    def _shown(self, task: InstanceTask, view: str) -> Mapping[str, Any]:
        shown = {"id": task.id, "state": task.state}
        if view == "MINIMAL":
            return shown
        log = dict(task.log(self._name))
        if view == "BASIC":
            del log["system_logs"]
            log["logs"] = [{key: each[key] for key in each if key not in ("stdout", "stderr")} for each in log["logs"]]
        return {**task.document, **shown, "logs": [log]}

    def _schedule(self, task: InstanceTask) -> None:
        if task.state in _FINISHED:
            return
        at = time.time() + _START_SECONDS if task.started_at is None else task.started_at + float(task.command[1])
        heapq.heappush(self._turns, _Turn(at, next(self._numbers), task))

    def _run(self) -> None:
        with self._changed:
            while True:
                pause = self._turns[0].at - time.time() if self._turns else None
                if pause is None or pause > 0:
                    self._changed.wait(pause)
                    continue
                task = heapq.heappop(self._turns).task
                if task.state == "QUEUED":
                    self._begin(task)
                elif task.state == "RUNNING":
                    self._end(task, "COMPLETE" if task.command[2] == "0" else "EXECUTOR_ERROR")

    def _begin(self, task: InstanceTask) -> None:
        now = time.time()
        self._journal.append("start", task.id, at=now)
        task.state, task.started_at = "RUNNING", now
        self._schedule(task)

    def _end(self, task: InstanceTask, state: str) -> None:
        now = time.time()
        self._journal.append("end", task.id, state=state, at=now)
        task.state, task.ended_at = state, now


def tasks_in(folder: Path) -> Sequence[InstanceTask]:
    """Return the tasks that an instance has in its folder, as its journal has them, oldest first."""
    tasks: dict[str, InstanceTask] = {}
    for line in read_journal(folder / _FILE):
        if line["event"] == "create":
            tasks[line["id"]] = InstanceTask(line["id"], line["document"])
        elif line["event"] == "start":
            tasks[line["id"]].state, tasks[line["id"]].started_at = "RUNNING", line["at"]
        else:
            tasks[line["id"]].state, tasks[line["id"]].ended_at = line["state"], line["at"]
    return list(tasks.values())


def _fits(task: InstanceTask, query: Sequence[tuple[str, str]], first: Mapping[str, str]) -> bool:
    keys = [value for name, value in query if name == "tag_key"]
    values = [value for name, value in query if name == "tag_value"]
    tags = task.document.get("tags", {})
    return (
        first.get("state", task.state) == task.state
        and task.document.get("name", "").startswith(first.get("name_prefix", ""))
        and all(
            key in tags and value in ("", tags[key]) for key, value in itertools.zip_longest(keys, values, fillvalue="")
        )
    )


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
