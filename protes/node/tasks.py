"""The tasks a node knows: in memory for reading, on disk for the next start."""

import bisect
import fcntl
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.node.process_groups import identify, still_there
from protes.node.task_files import Contents, Task, TaskFiles
from protes.tes.states import ACTIVE, State, may_follow

logger = logging.getLogger(__name__)

_KEPT_FOR = timedelta(hours=24)
_MOST_KEPT = 100_000
_SMALL_BYTES = 64 * 1024
"""Ended tasks up to this size stay in memory whole; of larger ones, contents are read from disk."""
RESTARTED = "the node was restarted before the task ended"


class DirectoryInUse(Exception):
    """Another node works in the directory."""


class UnknownTask(Exception):
    """There is no task with this id."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks a list holds (TES 1.1.0, `ListTasks`).

    Attributes:
        name_prefix: start of the name.
        state: the state.
        tags: tags and their values; None for any value.
    """

    name_prefix: str = ""
    state: State | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)

    def matches(self, task: Task) -> bool:
        """Tell whether the list holds a task."""
        if self.state is not None and task.state is not self.state:
            return False
        if not task.name.startswith(self.name_prefix):
            return False
        return all(key in task.tags and value in (None, task.tags[key]) for key, value in self.tags.items())


class TaskRegistry:
    """All tasks of a node. Safe under threads."""

    def __init__(self, directory: Path, clock: Clock, kill_group: Callable[[int], None]) -> None:
        """Take the directory over: tasks that had not ended are ended, their processes first.

        Raises:
            DirectoryInUse: another node works in it.
            OSError: it cannot be used.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._files = TaskFiles(directory / "tasks")
        self._claim = (directory / "lock").open("wb")
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._claim.close()
            raise DirectoryInUse(f"another node works in {directory}") from None
        self._tasks: dict[str, Task] = {}
        self._ids: list[str] = []  # ascending: oldest first
        self._active: set[str] = set()
        self._ended: deque[tuple[datetime, str]] = deque()
        self._last_stamp = 0
        self._load(kill_group)

    def create(self, document: Mapping[str, Any], warnings: Sequence[str] = ()) -> Task:
        """Add a task, QUEUED; it is on disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        now = self._clock.now()
        task = Task(self._new_id(now), rfc3339(now), State.QUEUED, Contents(document), warnings=tuple(warnings))
        try:
            self._files.create(task)
        except OSError:
            self._files.remove(task.id)
            raise
        with self._lock:
            self._add(task)
            self._active.add(task.id)
        return task

    def get(self, task_id: str) -> Task:
        """Return a task.

        Raises:
            UnknownTask: there is none.
        """
        with self._lock:
            try:
                return self._tasks[task_id]
            except KeyError:
                raise UnknownTask(task_id) from None

    def contents(self, task: Task) -> Contents:
        """Return document and log of a task.

        Raises:
            UnknownTask: it has just been removed.
        """
        kept = task.contents
        if kept is not None:
            return kept
        try:
            stored = self._files.read(task.id)[0].contents
        except FileNotFoundError:
            raise UnknownTask(task.id) from None
        assert stored is not None  # noqa: S101 (what is read from disk is whole)
        return stored

    def page(self, wanted: Filter, size: int, before: str | None = None) -> tuple[list[Task], str | None]:
        """List tasks, newest first.

        Args:
            wanted: which.
            size: how many at most.
            before: only tasks older than this id.

        Returns:
            The tasks, and the id to go on `before`, None on the last page.
        """
        with self._lock:
            # Whoever syncs asks for active states again and again; they are few among many.
            ids = sorted(self._active) if wanted.state in ACTIVE else self._ids
            place = len(ids) if before is None else bisect.bisect_left(ids, before)
            found: list[Task] = []
            while place > 0:
                place -= 1
                task = self._tasks[ids[place]]
                if not wanted.matches(task):
                    continue
                if len(found) == size:
                    return found, found[-1].id
                found.append(task)
            return found, None

    def work_folder(self, task: Task) -> Path:
        """Return the folder a task runs in; it is removed when the task has ended."""
        return self._files.work_folder(task.id)

    def move(self, task: Task, state: State) -> None:
        """Bring a task into another active state, where it may follow; nothing is written (a restart ends the task)."""
        with self._lock:
            if may_follow(task.state, state):
                task.state = state

    def started(self, task: Task, group: int) -> None:
        """Record a process group of a task, so that the next start can end it should this process be killed."""
        described = identify(group)
        if described is None:
            return
        task.groups.append(described)
        try:
            self._files.write(task, durable=False)
        except OSError as error:
            logger.warning("task %s: its process group is not recorded: %s", task.id, error)

    def finish(self, task: Task, state: State, log: Mapping[str, Any]) -> None:
        """End a task; its work folder is gone and its end on disk before anybody sees it."""
        self._files.remove_work(task.id)
        now = self._clock.now()
        lines = [*task.warnings, *log.get("system_logs", ())]
        ended = Task(
            id=task.id,
            creation_time=task.creation_time,
            state=state,
            contents=Contents(self.contents(task).document, {**log, "system_logs": lines} if lines else log),
            end_time=rfc3339(now),
            warnings=task.warnings,
        )
        size = 0
        try:
            size = self._files.write(ended, durable=True)
        except OSError as error:
            logger.error("task %s: its end %s cannot be written: %s", task.id, state, error)
        with self._lock:
            task.contents = ended.contents if size <= _SMALL_BYTES else None
            task.groups, task.end_time = [], ended.end_time
            task.state = state
            self._active.discard(task.id)
            self._ended.append((now, task.id))
        self._sweep(now)

    def close(self) -> None:
        """Give the directory back."""
        self._claim.close()

    def _new_id(self, now: datetime) -> str:
        """Make an id that sorts after all before it (microseconds, 14 digits), with 64 random bits."""
        with self._lock:
            self._last_stamp = max(int(now.timestamp() * 1_000_000), self._last_stamp + 1)
            return f"{self._last_stamp:014x}{secrets.token_hex(8)}"

    def _add(self, task: Task) -> None:
        self._tasks[task.id] = task
        bisect.insort(self._ids, task.id)  # threads may come here in another order than that of their ids

    def _load(self, kill_group: Callable[[int], None]) -> None:
        unfinished: list[Task] = []
        for task, size in self._files.read_all():
            self._add(task)
            self._last_stamp = max(self._last_stamp, int(task.id[:14], 16))
            if task.end_time is None:
                unfinished.append(task)
                continue
            self._ended.append((parse_rfc3339(task.end_time), task.id))
            if size > _SMALL_BYTES:
                task.contents = None
        self._ended = deque(sorted(self._ended))
        for task in unfinished:
            for group in task.groups:
                if still_there(group):
                    kill_group(group.id)
            self.finish(task, State.SYSTEM_ERROR, {"logs": [], "outputs": [], "system_logs": [RESTARTED]})
        self._sweep(self._clock.now())

    def _sweep(self, now: datetime) -> None:
        """Forget tasks that ended long ago, and the oldest ends where there are too many."""
        gone: list[str] = []
        with self._lock:
            while self._ended and (now - self._ended[0][0] > _KEPT_FOR or len(self._ended) > _MOST_KEPT):
                task_id = self._ended.popleft()[1]
                del self._tasks[task_id]
                del self._ids[bisect.bisect_left(self._ids, task_id)]
                gone.append(task_id)
        for task_id in gone:
            self._files.remove(task_id)
