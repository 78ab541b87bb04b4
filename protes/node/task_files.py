"""A node's tasks on disk: one folder each, with `task.json` that is whole at every moment."""

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from protes.node.process_groups import ProcessGroup
from protes.tes.states import State

logger = logging.getLogger(__name__)

TASK_ID = re.compile(r"[0-9a-f]{30}")
_FILE, _NEW_FILE, _WORK = "task.json", "task.json.new", "work"


@dataclass(frozen=True, slots=True)
class Contents:
    """What may be large of a task.

    Attributes:
        document: the client's task, normalised.
        log: its `tesTaskLog`, once it has ended.
    """

    document: Mapping[str, Any]
    log: Mapping[str, Any] | None = None


@dataclass(slots=True, eq=False)
class Task:
    """One task of a node.

    Attributes:
        id: sorts by creation.
        creation_time: RFC 3339.
        state: its state.
        contents: document and log; None where they are large and the task has ended: then they are on disk alone.
        end_time: RFC 3339, once it has ended.
        warnings: what the system log says before all else.
        groups: process groups started for it.
        name: its name.
        tags: its tags.
    """

    id: str
    creation_time: str
    state: State
    contents: Contents | None
    end_time: str | None = None
    warnings: tuple[str, ...] = ()
    groups: list[ProcessGroup] = field(default_factory=list)
    name: str = field(init=False)
    tags: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take out of the document what lists are filtered by."""
        document = self.contents.document if self.contents else {}
        self.name = document.get("name", "")
        self.tags = document.get("tags", {})


class TaskFiles:
    """The folder of all tasks."""

    def __init__(self, directory: Path) -> None:
        """Use `directory`, made where it is missing."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def work_folder(self, task_id: str) -> Path:
        """Return the folder a task runs in."""
        return self._directory / task_id / _WORK

    def create(self, task: Task) -> None:
        """Write a new task; it is on disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        folder = self._directory / task.id
        folder.mkdir()
        self.write(task, durable=True)
        _sync_folder(self._directory)

    def write(self, task: Task, *, durable: bool) -> int:
        """Replace the file of a task whose contents are in memory; return its size in bytes.

        Args:
            task: the task.
            durable: return only when it is on disk for good, not just safe from the end of this process.

        Raises:
            OSError: it cannot be written.
        """
        folder = self._directory / task.id
        raw = json.dumps(_encode(task), ensure_ascii=False, separators=(",", ":")).encode()
        with (folder / _NEW_FILE).open("wb") as file:
            file.write(raw)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        (folder / _NEW_FILE).replace(folder / _FILE)
        if durable:
            _sync_folder(folder)
        return len(raw)

    def read(self, task_id: str) -> tuple[Task, int]:
        """Return a task as written, with its size in bytes.

        Raises:
            OSError: it is not there or cannot be read.
            ValueError: it is not what `write` wrote.
        """
        raw = (self._directory / task_id / _FILE).read_bytes()
        try:
            return _decode(task_id, json.loads(raw)), len(raw)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a task: {error!r}") from None

    def read_all(self) -> Iterator[tuple[Task, int]]:
        """Yield every task with its size, oldest first; the rest of a creation that was never answered is removed."""
        for name in sorted(each.name for each in self._directory.iterdir()):
            if not TASK_ID.fullmatch(name):
                continue
            try:
                yield self.read(name)
            except FileNotFoundError:
                self.remove(name)
            except (OSError, ValueError) as error:
                logger.warning("task %s cannot be read and is left alone: %s", name, error)

    def remove_work(self, task_id: str) -> None:
        """Remove what a task worked with."""
        _remove(self.work_folder(task_id))

    def remove(self, task_id: str) -> None:
        """Remove a task whole."""
        _remove(self._directory / task_id)


def _encode(task: Task) -> dict[str, Any]:
    assert task.contents is not None  # noqa: S101 (large contents leave memory when the last word is written)
    return {
        "state": task.state,
        "creation_time": task.creation_time,
        "end_time": task.end_time,
        "warnings": task.warnings,
        "groups": [asdict(group) for group in task.groups],
        "document": task.contents.document,
        "log": task.contents.log,
    }


def _decode(task_id: str, stored: dict[str, Any]) -> Task:
    return Task(
        id=task_id,
        creation_time=stored["creation_time"],
        state=State(stored["state"]),
        contents=Contents(stored["document"], stored["log"]),
        end_time=stored["end_time"],
        warnings=tuple(stored["warnings"]),
        groups=[ProcessGroup(**group) for group in stored["groups"]],
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove a folder, also where a task took our own permissions away; what stays is said and harms nothing."""
    if not folder.exists():
        return
    if _holds_mounts(folder):
        # Tasks mount folders of the host in namespaces of their own; should one ever show here, it must not be emptied.
        logger.error("%s is left alone: something is mounted in it", folder)
        return
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        folder.chmod(0o700)
        for root, names, _ in os.walk(folder):
            for name in names:
                _open_up(Path(root, name))
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        logger.warning("%s cannot be removed", folder)


def _open_up(folder: Path) -> None:
    if not folder.is_symlink():
        with suppress(OSError):
            folder.chmod(0o700)


def _holds_mounts(folder: Path) -> bool:
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return False
    # Spaces in mount points are written \\040 (proc(5)).
    inside = str(folder.resolve()).replace(" ", "\\040") + "/"
    return any(line.split(" ")[4].startswith(inside) for line in mounts)
