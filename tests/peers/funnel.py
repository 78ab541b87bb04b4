"""A real Funnel on this machine: one server with its local worker and a database in a file.

It is looked for where `PROTES_FUNNEL` says, and in `build/peers` (`python -m tests.peers.install funnel`).
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import requests
import yaml

from tests.peers import container_program
from tests.peers.install import FUNNEL
from tests.support.waiting import wait_until

BASE = "/ga4gh/tes/v1"
SECONDS = 20.0

# As Funnel's own default; a configuration that says anything of the worker must say all of this, too.
_RUN = (
    "run -i --read-only {{if .RemoveContainer}}--rm{{end}} {{range $k, $v := .Env}}--env {{$k}}={{$v}} {{end}} "
    "{{if .Name}}--name {{.Name}}{{end}} {{if .Workdir}}--workdir {{.Workdir}}{{end}} "
    "{{range .Volumes}}--volume {{.HostPath}}:{{.ContainerPath}}:{{if .Readonly}}ro{{else}}rw{{end}} {{end}} "
    "{{.Image}} {{.Command}}"
)


def executable(environ: Mapping[str, str]) -> Path | None:
    """Return the program, or None where there is none."""
    named = environ.get("PROTES_FUNNEL")
    path = Path(named) if named else FUNNEL
    return path if path.is_file() else None


@dataclass(frozen=True)
class Funnel:
    """One that runs.

    Attributes:
        root: its URL.
        folder: from which its tasks may read files and to which they may write.
    """

    root: str
    folder: Path

    @property
    def url(self) -> str:
        """Of its TES API."""
        return self.root + BASE

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send one request to it, as plain as the test says."""
        return requests.request(method, self.url + path, timeout=SECONDS, **options)

    def create(self, document: Mapping[str, Any]) -> str:
        """Create a task and return its id."""
        answer = self.call("POST", "/tasks", json=document)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def get(self, task_id: str, view: str = "FULL") -> dict[str, Any]:
        """Return one task."""
        answer = self.call("GET", f"/tasks/{task_id}", params={"view": view})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def list(self, **query: str | int) -> dict[str, Any]:
        """Return one page of tasks."""
        answer = self.call("GET", "/tasks", params=query)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def wait(self, task_id: str, *states: str) -> dict[str, Any]:
        """Wait until a task is in one of the states; return it in full."""
        wait_until(lambda: self.get(task_id, "MINIMAL")["state"] in states, f"{task_id} in {states}", SECONDS)
        return self.get(task_id)


@contextmanager
def running(program: Path, folder: Path, docker: ModuleType = container_program) -> Iterator[Funnel]:
    """Run it on free ports, all its files in a folder; its log stays there in `funnel.log`.

    `docker` is the program that stands in for Docker; its containers are in the folder `containers`.
    """
    files, containers, log = folder / "files", folder / "containers", folder / "funnel.log"
    files.mkdir()
    containers.mkdir()
    http, rpc = _free_ports()
    config = folder / "funnel.yaml"
    config.write_text(yaml.safe_dump(_configuration(folder, http, rpc, docker)), encoding="utf-8")
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [str(program), "server", "run", "--config", str(config)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    funnel = Funnel(f"http://127.0.0.1:{http}", files)
    try:
        wait_until(lambda: process.poll() is not None or _answers(funnel), "Funnel answers", SECONDS)
        assert process.poll() is None, f"Funnel has ended: {_tail(log)}"
        yield funnel
        assert process.poll() is None, f"Funnel has ended: {_tail(log)}"
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # A task that is cancelled before its container is there runs on.
        for left in containers.iterdir():
            container_program.remove(containers, left.name)


def _configuration(folder: Path, http: int, rpc: int, docker: ModuleType) -> dict[str, Any]:
    # Without site packages it starts faster; it is started three times for each executor.
    program = f"{sys.executable} -IS {docker.__file__} {folder / 'containers'}"
    return {
        "Database": "boltdb",
        "Compute": "local",
        "EventWriters": ["log"],
        "Logger": {"level": "info"},
        "Server": {"HostName": "127.0.0.1", "HTTPPort": str(http), "RPCPort": str(rpc), "ServiceName": "Funnel"},
        "RPCClient": {"ServerAddress": f"127.0.0.1:{rpc}"},
        "BoltDB": {"Path": str(folder / "funnel.db")},
        "LocalStorage": {"AllowedDirs": [str(folder / "files")]},
        "Worker": {
            "WorkDir": str(folder / "work"),
            "PollingRate": "0.2s",
            "LogUpdateRate": "0.2s",
            "LogTailSize": 10000,
            "MaxParallelTransfers": 2,
            "Container": {
                "DriverCommand": program,
                "RunCommand": _RUN,
                "PullCommand": "pull {{.Image}}",
                "StopCommand": "rm -f {{.Name}}",
            },
        },
    }


def _free_ports() -> tuple[int, int]:
    """Two ports that were free just now; Funnel cannot choose its own."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _answers(funnel: Funnel) -> bool:
    try:
        return funnel.call("GET", "/service-info").status_code == 200
    except requests.ConnectionError:
        return False


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]
