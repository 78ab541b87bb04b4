"""A gateway whose listening socket is held by somebody else, as by systemd, and stays open while it is restarted."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import yaml

from tests.support.waiting import wait_until

# What systemd does: it says whose the descriptor 3 is.
_PASS_ON = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 0</dev/null'
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class Standing:
    """A gateway that can be stopped and started again behind one socket."""

    def __init__(self, listener: socket.socket, folder: Path) -> None:
        """Serve at this socket, with the configuration and the data in this folder; not started yet."""
        self._listener = listener
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def database(self) -> Path:
        """The file of its store."""
        return self._folder / "data" / "protes.db"

    def start(self) -> None:
        """Start it, and wait until it says that it serves."""
        arguments = [sys.executable, "-m", "protes", "serve", "--port", "0"]
        arguments += ["--data", str(self._folder / "data"), "--config", str(self._folder / "config.yaml")]
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _PASS_ON, "sh", *arguments],
                stdin=self._listener.fileno(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=dict(os.environ),
                start_new_session=True,
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert self.url in said, said + (self._folder / "log").read_text()[-4000:]

    def stop(self) -> None:
        """Tell it to stop, and wait until it has."""
        if self._process is not None:
            process, self._process = self._process, None
            _end(process)

    def restart(self) -> None:
        """Stop it and start it again; who connects meanwhile waits."""
        self.stop()
        self.start()

    def replace(self) -> None:
        """Start another one at the same socket and store, then stop this one; nobody waits."""
        before = self._process
        self.start()
        if before is not None:
            _end(before)


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def standing(folder: Path, settings: dict[str, object]) -> Iterator[Standing]:
    """Run a gateway in a folder behind a socket of our own."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"custom": settings}))
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        gateway = Standing(listener, folder)
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()


@contextmanager
def polled(url: str) -> Iterator[list[str]]:
    """Get a URL over and over, each time with a new connection; yield what went wrong."""
    wrong: list[str] = []
    done = threading.Event()
    counted = [0]

    def poll() -> None:
        while not done.is_set():
            try:
                answer = requests.get(url, timeout=100, headers={"Connection": "close"})
                if answer.status_code != 200:
                    wrong.append(f"{answer.status_code}: {answer.text}")
            except requests.RequestException as error:
                wrong.append(repr(error))
            counted[0] += 1
            done.wait(0.02)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        wait_until(lambda: counted[0] > 0, "the first poll is answered")
        yield wrong
    finally:
        done.set()
        thread.join(110)
