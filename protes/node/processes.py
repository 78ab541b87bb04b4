"""Commands as processes: started through `launcher.py`, waited for, ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from protes.clock import Clock
from protes.node import launcher
from protes.node.errors import TaskFailed

_PATIENCE_SECONDS = launcher.GRACE_SECONDS + 3.0
"""After so long the launcher is not waited for any more and is killed with its group."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run, as the command must see it.

    Attributes:
        command: program and arguments.
        env: all of its environment.
        workdir: folder to start in.
        root: folder to become its root, None for the host's.
        binds: paths of the host that are mounted into that root.
        writable: those of them that the command may write.
    """

    command: Sequence[str]
    env: Mapping[str, str]
    workdir: str
    root: str | None = None
    binds: Sequence[str] = ()
    writable: Sequence[str] = ()


class Process:
    """One command under way, with everything it starts. Safe under threads."""

    def __init__(self, order: Order, stdin: int, stdout: int, stderr: int) -> None:
        """Start it with these descriptors, which stay the caller's.

        Raises:
            OSError: no process can be made.
        """
        self._lock = threading.Lock()
        self._ended = False
        self._result, writable = os.pipe()
        try:
            self._launcher = subprocess.Popen(  # noqa: S603 (to run what a client sends is what a node is for)
                [sys.executable, "-I", "-S", launcher.__file__],
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(stdin, writable),
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            os.close(self._result)
            raise
        finally:
            os.close(writable)
        self._tell({**asdict(order), "stdin": stdin, "result": writable})

    @property
    def identity(self) -> dict[str, int]:
        """Return what tells this process from a later one with the same number; `end_left_over` reads it."""
        return {"pid": self._launcher.pid, "started": _started(self._launcher.pid) or 0}

    def wait(self) -> int:
        """Wait until nothing of it is left; return the command's exit code (128 + N where signal N ended it).

        Raises:
            TaskFailed: the command could not be given its surroundings, or its launcher was killed.
        """
        told = b""
        while chunk := os.read(self._result, 1 << 16):
            told += chunk
        os.close(self._result)
        with self._lock:  # only now, so that `terminate` never signals a number that is somebody else's
            self._launcher.wait()
            self._ended = True
        assert self._launcher.stdin is not None  # noqa: S101 (it is a pipe)
        self._launcher.stdin.close()
        answer: dict[str, Any] = json.loads(told or b'{"failure": "what ran it was killed"}')
        if "failure" in answer:
            raise TaskFailed(f"the command could not be run: {answer['failure']}")
        return int(answer["exit_code"])

    def terminate(self) -> None:
        """Have it ended: SIGTERM to all of it, SIGKILL after 2 s. Returns at once."""
        if self._signal(signal.SIGTERM):
            last = threading.Timer(_PATIENCE_SECONDS, self._kill)
            last.daemon = True
            last.start()

    def _kill(self) -> None:
        with self._lock:
            if not self._ended:
                os.killpg(self._launcher.pid, signal.SIGKILL)

    def _signal(self, number: int) -> bool:
        with self._lock:
            if not self._ended:
                os.kill(self._launcher.pid, number)
            return not self._ended

    def _tell(self, order: Mapping[str, Any]) -> None:
        assert self._launcher.stdin is not None  # noqa: S101 (it is a pipe)
        left = memoryview(json.dumps(order).encode() + b"\n")
        try:
            while left:
                left = left[self._launcher.stdin.write(left) or 0 :]
        except BrokenPipeError:
            return  # it was killed at once; `wait` says so


def end_left_over(identity: Mapping[str, int], clock: Clock) -> None:
    """End a process that an earlier life of the node has started, if it still runs, and wait until it has gone.

    Its launcher does so by itself when the node dies; this makes sure of it. Where the system cannot tell when a
    process was started, nothing is killed: its number may be somebody else's.
    """
    pid = identity["pid"]
    if not _is_alive(identity):
        return
    os.kill(pid, signal.SIGTERM)
    until = clock.monotonic() + _PATIENCE_SECONDS
    while _is_alive(identity):
        if clock.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            return
        clock.wait(threading.Event(), 0.02)


def _is_alive(identity: Mapping[str, int]) -> bool:
    return identity["started"] != 0 and _started(identity["pid"]) == identity["started"]


def _started(pid: int) -> int | None:
    """Return when a process was started, in the kernel's ticks since boot; None where that cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
