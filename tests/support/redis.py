"""A real Redis of the test's own, on its own folder and port; no service of the machine is touched.

Debian's package has the program; `PROTES_REDIS` names another one.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.rabbitmq import free_ports
from tests.support.waiting import wait_until

_START_SECONDS = 30.0


def executable(environ: Mapping[str, str]) -> Path | None:
    """Return the program, or None where there is none."""
    found = environ.get("PROTES_REDIS") or shutil.which("redis-server")
    return Path(found) if found and Path(found).is_file() else None


class Redis:
    """One server, which can be killed and started again on the same folder and port; every write goes to disk.

    Attributes:
        url: what clients connect to.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        """Prepare a server in an empty folder; it does not run yet."""
        self._program = program
        self._folder = folder
        (self._port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it lets clients in."""
        options = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", str(self._folder))
        self._process = subprocess.Popen(
            [str(self._program), "--port", str(self._port), "--bind", "127.0.0.1", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "Redis answers", _START_SECONDS)

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[Redis]:
    """Run a server in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Redis(program, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
