"""One task from its first input to its last output."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protes.clock import Clock, rfc3339
from protes.node.collecting import Collecting
from protes.node.errors import Interrupted, TaskFailed
from protes.node.files import Roots
from protes.node.paths import clean, fixed_folder, folder_of, is_pattern
from protes.node.processes import Order, Process
from protes.node.records import Record
from protes.node.settings import NodeSettings, PathMode
from protes.node.staging import Staging
from protes.node.web import Web
from protes.node.workspace import Workspace, create_workspace, remove
from protes.tes.states import State

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
"""Of the node's own environment; all else may be nobody's business, tokens for example."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all tasks of a node have in common.

    Attributes:
        settings: the node's.
        mode: how tasks see their paths.
        roots: folders that URLs may name.
        environ: the node's environment variables.
        clock: for stamps and deadlines.
    """

    settings: NodeSettings
    mode: PathMode
    roots: Roots
    environ: Mapping[str, str]
    clock: Clock


def execute(record: Record, surroundings: Surroundings) -> None:
    """Run a queued task to its end, whatever that is."""
    folder = record.folder / "work"
    try:
        state = _Execution(record, surroundings, folder).run()
        why = ""
    except Interrupted:
        state, why = State.SYSTEM_ERROR, ""  # or CANCELED, which `finish` knows
    except TaskFailed as error:
        state, why = State.SYSTEM_ERROR, str(error)
    except OSError as error:
        state, why = State.SYSTEM_ERROR, f"{error.strerror}: {error.filename}" if error.filename else str(error)
    try:
        remove(folder)
    except OSError as error:
        record.note(f"the task's files could not be deleted: {error.strerror}")
    record.finish(state, why)


class _Execution:
    def __init__(self, record: Record, surroundings: Surroundings, folder: Path) -> None:
        self._record = record
        self._folder = folder
        self._task = record.document
        self._by = surroundings
        self._clock = surroundings.clock
        settings = surroundings.settings
        self._workspace: Workspace = create_workspace(
            surroundings.mode,
            folder / "root",
            self._task,
            settings.directory,
            settings.shared,
            tuple(settings.images.values()),
        )
        web = Web(self._clock, record.go_on)
        self._staging = Staging(self._workspace, surroundings.roots, web, record.go_on)
        self._collecting = Collecting(self._workspace, surroundings.roots, web, record.go_on)

    def run(self) -> State:
        """Return the final state.

        Raises:
            Interrupted: the task was cancelled, or the node stops.
            TaskFailed, OSError: it cannot go on.
        """
        self._record.enter(State.INITIALIZING)
        self._prepare()
        self._record.enter(State.RUNNING)
        failed = self._run_executors()
        self._record.go_on()
        problems = self._collect()
        if failed:
            for problem in problems:
                self._record.note(problem)
            return State.EXECUTOR_ERROR
        if problems:
            raise TaskFailed("; ".join(problems))
        return State.COMPLETE

    def _prepare(self) -> None:
        self._workspace.prepare()
        for volume in self._task.get("volumes", ()):
            self._make_folder(volume)
        for given in self._task.get("inputs", ()):
            self._record.set_type(given, self._staging.bring(given))
        for output in self._task.get("outputs", ()):
            if is_pattern(output["path"], output.get("path_prefix")):
                self._make_folder(fixed_folder(output["path"]))
            else:
                # As where a folder is mounted: it is there, the command only fills it.
                self._make_folder(output["path"] if output.get("type") == "DIRECTORY" else folder_of(output["path"]))
        for executor in self._task["executors"]:
            self._make_folder(executor.get("workdir") or "/")

    def _make_folder(self, path: str) -> None:
        if not self._workspace.is_hosts(path):
            self._workspace.locate(path).mkdir(parents=True, exist_ok=True)

    def _run_executors(self) -> bool:
        """Run the commands in their order; return whether one of them has failed the task."""
        for index, executor in enumerate(self._task["executors"]):
            self._record.go_on()
            if self._run_executor(index, executor) != 0 and not executor.get("ignore_error"):
                return True
        return False

    def _run_executor(self, index: int, executor: Mapping[str, Any]) -> int:
        start = rfc3339(self._clock.now())
        with _Streams(self._workspace, self._folder, index, executor) as streams:
            process = Process(self._order(executor), streams.stdin, streams.stdout, streams.stderr)
            with self._record.stopped_by(process.terminate):
                try:
                    self._record.started(process.identity)
                finally:
                    # Also where that could not be written: a command that nobody waits for must not run.
                    if self._record.process is None:
                        process.terminate()
                    code = process.wait()
            texts = {name: self._tail(index, name, file) for name, file in streams.written()}
        with self._record.changing() as log:
            self._record.process = None
            end = rfc3339(self._clock.now())
            log["logs"].append({"start_time": start, "end_time": end, **texts, "exit_code": code})
        return code

    def _order(self, executor: Mapping[str, Any]) -> Order:
        space = self._workspace
        env = {name: value for name, value in self._by.environ.items() if name in _PASSED_ON}
        if executor["image"] in self._by.settings.images:
            stand_in = self._by.settings.images[executor["image"]] / "bin"
            env["PATH"] = f"{stand_in}{os.pathsep}{env.get('PATH', os.defpath)}"
        env |= space.home()
        env["PROTES_NODE_SPEED"] = f"{self._by.settings.speed:g}"
        env |= {name: space.text(value) for name, value in executor.get("env", {}).items()}
        return Order(
            command=[space.text(part) for part in executor["command"]],
            env=env,
            workdir=space.working_folder(executor.get("workdir") or "/"),
            root=str(space.root) if space.private_root else None,
            binds=space.binds,
            writable=space.writable,
        )

    def _tail(self, index: int, name: str, file: int) -> str:
        """Return what a command has written, or the end of it where it is very long."""
        size, most = os.fstat(file).st_size, self._by.settings.log_bytes
        if size > most:
            self._record.note(f"{name} of executor {index} is cut to the last {most} of {size} bytes")
        text = os.pread(file, most, max(0, size - most)).decode("utf-8", errors="replace")
        return text.lstrip("\ufffd") if size > most else text  # the cut may go through a character

    def _collect(self) -> list[str]:
        """Take all outputs out; return what of a successful task's outputs is missing or cannot go where it should."""
        problems = []
        taken: list[Mapping[str, str]] = []
        for output in self._task.get("outputs", ()):
            try:
                collected = self._collecting.take(output)
            except TaskFailed as error:
                problems.append(str(error))
                continue
            taken += collected.files
            if collected.type is not None:
                self._record.set_type(output, collected.type)
            if is_pattern(output["path"], output.get("path_prefix")) and collected.missing:
                self._record.note(collected.missing)  # a pattern may match nothing
            elif collected.missing:
                problems.append(collected.missing)
        with self._record.changing() as log:
            log["outputs"] += taken
        return problems


class _Streams:
    """The files that are a command's standard input, output and error."""

    def __init__(self, workspace: Workspace, folder: Path, index: int, executor: Mapping[str, Any]) -> None:
        self._workspace = workspace
        self._folder = folder
        self._index = index
        self._executor = executor
        self.stdin = self.stdout = self.stderr = -1

    def __enter__(self) -> "_Streams":
        try:
            self.stdin = self._open_input()
            self.stdout = self._open_output("stdout")
            self.stderr = self._open_output("stderr")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def written(self) -> tuple[tuple[str, int], ...]:
        """Return the descriptors that the command wrote to, with the names of their fields in the log."""
        return (("stdout", self.stdout), ("stderr", self.stderr))

    def _open_input(self) -> int:
        path = self._executor.get("stdin")
        if not path:
            return os.open(os.devnull, os.O_RDONLY)
        try:
            return os.open(self._workspace.locate(path), os.O_RDONLY)
        except OSError as error:
            raise TaskFailed(f"stdin of executor {self._index}: {path}: {error.strerror}") from None

    def _open_output(self, name: str) -> int:
        path = self._executor.get(name)
        place = self._workspace.locate(path) if path else self._folder / f"{name}-{self._index}"
        place.parent.mkdir(parents=True, exist_ok=True)
        # Appending, so that stdout and stderr may be one file.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        if name == "stdout" or not path or clean(path) != clean(self._executor.get("stdout") or "/"):
            flags |= os.O_TRUNC
        return os.open(place, flags, 0o644)

    def _close(self) -> None:
        for descriptor in (self.stdin, self.stdout, self.stderr):
            if descriptor >= 0:
                os.close(descriptor)
