"""The demo's servers: child processes that say on their first line of output where they serve."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_URL = re.compile(r"https?://[^\s/]+")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class ServerFailed(Exception):
    """A server did not start; the text holds the end of its log."""


class Server:
    """One child process."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, environment: dict[str, str]) -> None:
        """Start `python -m ARGUMENTS` in a process group of its own; errors go to the file `log`."""
        self.name = name
        self._log = log
        self._errors = log.open("w", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 (our own modules)
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        assert self._process.stdout is not None  # noqa: S101 (it is a pipe)
        threading.Thread(target=self._drain, args=(self._process.stdout,), daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id, also of its group."""
        return self._process.pid

    def url(self) -> str:
        """Wait until the server is ready and return the root URL it serves.

        Raises:
            ServerFailed: it ended, or took too long.
        """
        try:
            line = self._lines.get(timeout=_START_SECONDS)
        except queue.Empty:
            line = ""
        match = _URL.search(line)
        if match is None:
            self.stop()
            tail = self._log.read_text(encoding="utf-8")[-2000:]
            raise ServerFailed(f"{self.name} did not start:\n{tail}")
        return match.group(0)

    def stop(self) -> None:
        """End the process, first kindly."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()
        if not self._errors.closed:
            self._errors.close()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _drain(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put("")
