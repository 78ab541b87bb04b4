"""Programs of the system under test: processes that are killed, stopped, given another time, and started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from tests.support.waiting import wait_until

_URL = re.compile(r"https?://[^\s/]+")
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_TAIL_BYTES = 4000
_LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
_SHARED = Path("/dev/shm")
"""Where each program that sees another time keeps a little memory, which outlives a `kill -9`."""


def free_port() -> int:
    """Return a port that is free now: a program that is started again must be found where it was."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def is_free(url: str) -> bool:
    """Tell whether nobody listens at the port of a URL."""
    parts = urlsplit(url)
    try:
        socket.create_server((parts.hostname or "", parts.port or 0)).close()
    except OSError:
        return False
    return True


class WallClock:
    """The time that a program sees, by Debian's faketime; what it measures by the monotonic clock stays true."""

    def __init__(self, file: Path) -> None:
        """Start with the true time, told in this file."""
        self._file = file
        self.jump(0)

    @staticmethod
    def is_installed() -> bool:
        """Whether the library is there."""
        return _LIBRARY.exists()

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program must be started with."""
        return {
            "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # What the library does by itself under this libc takes a wait until a moment of the monotonic clock for one
            # until a moment long past. Python's threads wait so for their turn: each would take it from the other at
            # once, all the time, and a program of several threads would need ten times the processor.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # The times of files are not changed: that takes a lock which all processes of a program share, and one that
            # is killed or stopped while it holds it would stop the others.
            "NO_FAKE_STAT": "1",
        }

    @staticmethod
    def forget(pid: int) -> None:
        """Remove what the library keeps for a process that was killed."""
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            (_SHARED / name).unlink(missing_ok=True)

    def jump(self, seconds: int) -> None:
        """Set the program's time to this far from the true one; it sees so within two seconds."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}s\n")
        new.replace(self._file)


class Program:
    """One program: `python -m ARGUMENTS`, in a process group of its own."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start nothing yet; what it says goes to `NAME.out` and `NAME.log` in the folder."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._out = folder / f"{name}.out"
        self._arguments = arguments
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()
        self._offset = 0
        self.url = ""

    @property
    def pid(self) -> int:
        """Its main process."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def children(self) -> Sequence[int]:
        """The processes that its main process has started, oldest first."""
        try:
            text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except FileNotFoundError:
            return ()
        return tuple(int(each) for each in text.split())

    @property
    def runs(self) -> bool:
        """Whether its main process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start it and return the root URL that it says on its first line; "" where it says none."""
        self.begin()
        return self.ready()

    def begin(self) -> None:
        """Begin to start it."""
        self._offset = self._out.stat().st_size if self._out.exists() else 0
        with self._out.open("ab") as out, self.log.open("ab") as log:
            self._process = self._spawn(out, log)
        self._groups.add(self.pid)

    def ready(self) -> str:
        """Wait until it has started; see `start`."""
        offset = self._offset
        wait_until(lambda: self._has_said(offset) or not self.runs, f"{self.name} starts", _START_SECONDS)
        assert self.runs, f"{self.name} did not start:\n{self.tail()}"
        match = _URL.search(self._said(offset))
        self.url = match.group(0) if match else ""
        return self.url

    def kill(self, pid: int | None = None) -> None:
        """`kill -9` its main process, or another one of it; nothing happens to one that is gone."""
        self.signal(signal.SIGKILL, pid)
        if pid in (None, self.pid) and self._process is not None:
            self._process.wait(_STOP_SECONDS)

    def signal(self, number: signal.Signals, pid: int | None = None) -> None:
        """Send a signal to its main process, or to another one of it."""
        try:
            os.kill(self.pid if pid is None else pid, number)
        except ProcessLookupError:
            return

    def stop(self) -> None:
        """End it and all that it has left behind, at once: whatever is worth a look has been looked at."""
        if self._process is None:
            return
        self.kill()
        for group in self._groups:
            WallClock.forget(group)
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def files(self) -> Mapping[int, int]:
        """Return how many files each of its processes has open, by process id."""
        return {pid: sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) for pid in (self.pid, *self.children)}

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace") if self.log.exists() else ""

    def lines_about(self, word: str) -> Sequence[str]:
        """Return the lines of its log that have a word in them."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if word in line]

    def _spawn(self, out: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *self._arguments],
            stdout=out,
            stderr=log,
            # Nothing that is set for a gateway of whoever runs the tests.
            env={name: value for name, value in os.environ.items() if not name.startswith("PROTES_")}
            | dict(self._environment),
            start_new_session=True,
        )

    def _said(self, offset: int) -> str:
        return self._out.read_bytes()[offset:].decode(errors="replace")

    def _has_said(self, offset: int) -> bool:
        return "\n" in self._said(offset)
