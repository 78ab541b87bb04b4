"""All tasks of a node: made, found, listed, and known again after a restart."""

import bisect
import fcntl
import secrets
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from protes.clock import Clock, rfc3339
from protes.node.processes import end_left_over
from protes.node.records import Record
from protes.node.workspace import remove
from protes.tes.states import State

_KEPT = timedelta(hours=24)
_FORGOTTEN_AT_ONCE = 20


class DirectoryInUse(Exception):
    """Another node works in the directory."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a list is to hold (TES 1.1.0, `ListTasks`).

    Attributes:
        name_prefix: start of the name, "" for any.
        state: state, None for any.
        tags: pairs that must all be there; the value "" stands for any.
        before: only tasks older than the one with this id, "" for all.
        limit: tasks at most.
    """

    name_prefix: str = ""
    state: State | None = None
    tags: Sequence[tuple[str, str]] = ()
    before: str = ""
    limit: int = 256

    def fits(self, record: Record) -> bool:
        """Whether a task is to be listed, wherever the page begins."""
        if self.state is not None and record.state is not self.state:
            return False
        document = record.document
        if not document.get("name", "").startswith(self.name_prefix):
            return False
        tags = document.get("tags", {})
        return all(key in tags and value in ("", tags[key]) for key, value in self.tags)


class Tasks:
    """The tasks in one directory, which belongs to this node alone. Safe under threads."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        """Open the directory, making it where there is none; tasks that were active in an earlier life have ended.

        Raises:
            DirectoryInUse: another node works in it.
            OSError: it cannot be made, read or written.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._belongs_to_us = _lock(directory / "lock")
        self._folder = directory / "tasks"
        self._folder.mkdir(exist_ok=True)
        self._clock = clock
        self._changing = threading.Lock()
        self._records: dict[str, Record] = {record.id: record for record in self._load()}
        self._ids = sorted(self._records)
        self._stamp = int(self._ids[-1].partition("-")[0], 16) if self._ids else 0

    def close(self) -> None:
        """Leave the directory to others."""
        self._belongs_to_us.close()

    def create(self, document: dict[str, Any], metadata: dict[str, str], notes: list[str]) -> Record:
        """Make a task that is on disk when this returns.

        Args:
            document: what the client sent.
            metadata: for the task's log.
            notes: the first lines of its system logs.

        Raises:
            OSError: it cannot be written; then there is no such task.
        """
        now = self._clock.now()
        task_id = self._new_id(now)
        log = {"logs": [], "metadata": metadata, "outputs": [], "system_logs": notes}
        whole = {
            "id": task_id,
            "state": str(State.QUEUED),
            **document,
            "creation_time": rfc3339(now),
            "logs": [log],
        }
        folder = self._folder / task_id
        try:
            record = Record.create(folder, whole, self._clock)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._changing:
            self._records[task_id] = record
            bisect.insort(self._ids, task_id)
        self._forget_old(now)
        return record

    def get(self, task_id: str) -> Record | None:
        """Return a task, or None."""
        return self._records.get(task_id)

    def page(self, query: Query) -> tuple[list[Record], bool]:
        """Return one page, newest first, and whether there is more."""
        found: list[Record] = []
        for record in self._before(query.before):
            if query.fits(record):
                if len(found) == query.limit:
                    return found, True
                found.append(record)
        return found, False

    def _before(self, task_id: str) -> Iterator[Record]:
        with self._changing:
            ids = self._ids[: bisect.bisect_left(self._ids, task_id)] if task_id else self._ids[:]
        records = (self._records.get(each) for each in reversed(ids))
        return (record for record in records if record is not None)

    def _forget_old(self, now: datetime) -> None:
        """Forget tasks that ended long ago, a few with each new one, so that neither memory nor disk fills up."""
        with self._changing:
            oldest = [self._records[each] for each in self._ids[:_FORGOTTEN_AT_ONCE]]
            gone = [record for record in oldest if record.ended_before(now - _KEPT)]
            for record in gone:
                del self._records[record.id]
                self._ids.remove(record.id)
        for record in gone:
            shutil.rmtree(record.folder, ignore_errors=True)

    def _new_id(self, now: datetime) -> str:
        """Return an id that ascends, also when the clock is set back, and cannot be guessed."""
        with self._changing:
            self._stamp = max(self._stamp + 1, int(now.timestamp() * 1_000_000))
            return f"{self._stamp:016x}-{secrets.token_hex(8)}"

    def _load(self) -> Iterator[Record]:
        for folder in sorted(self._folder.iterdir()):
            record = Record.load(folder, self._clock)
            if record is None:
                remove(folder)
                continue
            if not record.state.finished:
                self._end(record)
            yield record

    def _end(self, record: Record) -> None:
        if record.process is not None:
            end_left_over(record.process, self._clock)
        remove(record.folder / "work")
        record.finish(State.SYSTEM_ERROR, "the node died while the task was active; nothing of it runs any more")


def _lock(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DirectoryInUse(f"another node works in {path.parent}") from None
    return file
