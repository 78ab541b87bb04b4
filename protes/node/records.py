"""One task as the node keeps it: in a folder on disk, written before it is shown."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.node.errors import Interrupted
from protes.tes.states import State

_FILE = "task.json"


class Record:
    """A task: its document with state and logs, durable at every change. Safe under threads.

    While the task is active, all of it is in memory; when it has ended, what only the FULL view shows is left on disk.
    """

    def __init__(self, folder: Path, document: dict[str, Any], clock: Clock) -> None:
        """Know the task with this `tesTask`, whose `logs` has its one entry."""
        self.id: str = document["id"]
        self.folder = folder
        self.process: Mapping[str, int] | None = None
        self._document = document
        self._clock = clock
        self._lock = threading.RLock()
        self._partly_on_disk = False
        self._interrupted = False
        self._stopping: Callable[[], None] | None = None

    @classmethod
    def create(cls, folder: Path, document: dict[str, Any], clock: Clock) -> "Record":
        """Make a task durable in a new folder.

        Raises:
            OSError: it cannot be written.
        """
        record = cls(folder, document, clock)
        folder.mkdir()
        # Under its final name at once: until the folders above are synchronised too, nobody has been told of it.
        _write(folder / _FILE, record._text())
        _synchronise(folder)
        _synchronise(folder.parent)
        return record

    @classmethod
    def load(cls, folder: Path, clock: Clock) -> "Record | None":
        """Read a task of an earlier life; None where its creation was not finished, so that nobody knows of it.

        Raises:
            OSError: it cannot be read.
        """
        try:
            stored = json.loads((folder / _FILE).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        record = cls(folder, stored["document"], clock)
        record.process = stored["process"]
        if record.state.finished:
            record._leave_on_disk()
        return record

    @property
    def state(self) -> State:
        """Its state."""
        return State(self._document["state"])

    @property
    def document(self) -> dict[str, Any]:
        """Its document; of a finished task, what the BASIC view shows. Change it in `changing` alone."""
        return self._document

    def ended_before(self, moment: datetime) -> bool:
        """Tell whether it had ended at a time."""
        end = self._document["logs"][0].get("end_time")
        return self.state.finished and end is not None and parse_rfc3339(end) < moment

    def full(self) -> dict[str, Any]:
        """Return a copy of the whole document.

        Raises:
            OSError: it cannot be read.
        """
        with self._lock:
            if not self._partly_on_disk:
                copy: dict[str, Any] = json.loads(json.dumps(self._document))
                return copy
            stored: dict[str, Any] = json.loads((self.folder / _FILE).read_bytes())["document"]
            return stored

    def basic(self) -> dict[str, Any]:
        """Return a copy of what the BASIC view shows."""
        with self._lock:
            return basic(self._document)

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Hold the task's only `tesTaskLog` for changes, and make them durable.

        Raises:
            OSError: they cannot be written.
        """
        with self._lock:
            yield self._document["logs"][0]
            self._save()

    def note(self, text: str) -> None:
        """Add a line to the system logs, durable with the next change; a finished task's stay as they are."""
        with self._lock:
            if not self._partly_on_disk:
                self._document["logs"][0]["system_logs"].append(text)

    def set_type(self, part: dict[str, Any], kind: str) -> None:
        """Fill in the type of one of the task's inputs or outputs, durable with the next change."""
        with self._lock:
            part["type"] = kind

    def started(self, process: Mapping[str, int]) -> None:
        """Remember which process works for the task, on disk before the node may die.

        Raises:
            OSError: it cannot be written; then it is not remembered.
        """
        with self._lock:
            self.process = process
            try:
                self._save()
            except OSError:
                self.process = None
                raise

    def enter(self, state: State) -> None:
        """Go on to an active state.

        Raises:
            Interrupted: the task has been cancelled, or the node stops.
            OSError: it cannot be written.
        """
        with self._lock:
            self.go_on()
            if state is State.INITIALIZING:
                self._document["logs"][0]["start_time"] = rfc3339(self._clock.now())
            self._document["state"] = str(state)
            self._save()

    def go_on(self) -> None:
        """Return where the task is to go on.

        Raises:
            Interrupted: it is not, or it has ended already (cancelled between its turn and its start).
        """
        if self._interrupted or self.state.finished:
            raise Interrupted

    @contextmanager
    def stopped_by(self, stop: Callable[[], None]) -> Iterator[None]:
        """Call `stop` when the task is interrupted meanwhile, at once if it has been already."""
        with self._lock:
            self._stopping = stop
            if self._interrupted:
                stop()
        try:
            yield
        finally:
            with self._lock:
                self._stopping = None

    def cancel(self) -> None:
        """Cancel the task; nothing happens to one that has ended."""
        with self._lock:
            if self.state is State.QUEUED:
                self.finish(State.CANCELED)  # a worker that has just taken it finds that out in `enter`
            elif not self.state.finished and self.state is not State.CANCELING:
                self._document["state"] = str(State.CANCELING)
                self._interrupt()
                self._save()

    def stop(self, why: str) -> None:
        """End the task because the node stops."""
        with self._lock:
            if not self.state.finished:
                self.note(why)
                self._interrupt()

    def _interrupt(self) -> None:
        self._interrupted = True
        if self._stopping is not None:
            self._stopping()

    def finish(self, state: State, why: str = "") -> None:
        """End the task, as CANCELED where that has been asked for. A task that has ended stays as it is."""
        with self._lock:
            if self.state.finished:
                return
            if self.state is State.CANCELING:
                state = State.CANCELED
            if why:
                self.note(why)
            self._document["logs"][0]["end_time"] = rfc3339(self._clock.now())
            self._document["state"] = str(state)
            self.process = None
            try:
                self._save()
            except OSError as error:
                # It will be SYSTEM_ERROR after a restart, as every task whose end is not on disk; so it is now.
                self._document["state"] = str(State.SYSTEM_ERROR)
                self.note(f"the end of the task could not be written: {error.strerror}")
            else:
                self._leave_on_disk()

    def _leave_on_disk(self) -> None:
        self._document = basic(self._document)
        self._partly_on_disk = True

    def _text(self) -> bytes:
        return json.dumps({"document": self._document, "process": self.process}).encode()

    def _save(self) -> None:
        temporary = self.folder / f"{_FILE}.new"
        _write(temporary, self._text())
        temporary.replace(self.folder / _FILE)
        _synchronise(self.folder)


def basic(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the BASIC view shows of a task (TES 1.1.0, parameter `view`), sharing nothing that changes."""
    shown = dict(document)
    if "inputs" in shown:
        shown["inputs"] = [_without(each, "content") for each in shown["inputs"]]
    if "outputs" in shown:
        shown["outputs"] = [dict(each) for each in shown["outputs"]]
    shown["logs"] = [
        {
            **_without(entry, "system_logs"),
            "logs": [_without(log, "stdout", "stderr") for log in entry["logs"]],
            "outputs": list(entry["outputs"]),
            "metadata": dict(entry["metadata"]),
        }
        for entry in shown["logs"]
    ]
    return shown


def _without(document: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in fields}


def _write(path: Path, text: bytes) -> None:
    with path.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _synchronise(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
