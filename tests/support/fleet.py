"""A gateway past one process: an API that only serves, workers, a broker between them, one store."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from protes.demo.processes import Server, ServerFailed

_START_SECONDS = 60.0


class Worker(Server):
    """A `protes worker`."""

    def __init__(self, config: Path, log: Path, *arguments: str) -> None:
        """Start it."""
        super().__init__("worker", ["protes", "worker", "--config", str(config), *arguments], log, {})

    def ready(self) -> None:
        """Wait until it takes jobs."""
        try:
            line = self._lines.get(timeout=_START_SECONDS)
        except queue.Empty:
            line = ""
        if "takes jobs" not in line:
            self.stop()
            raise ServerFailed(f"the worker did not start:\n{self._log.read_text(encoding='utf-8')[-2000:]}")

    def kill(self) -> None:
        """Kill -9."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self, seconds: float) -> int:
        """Tell it to stop, wait for that, and return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self._process.wait(seconds)

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(encoding="utf-8")


class Fleet:
    """The processes of one gateway.

    Attributes:
        folder: where its files are; nothing in it may hold the broker's password but one.
        url: of the API.
        workers: that run, or have run.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object], broker_url: str) -> None:
        """Write the configuration; a folder is the store unless the settings name another one."""
        folder.mkdir()
        self.folder = folder
        self.url = ""
        self.workers: list[Worker] = []
        secret = folder / "broker-url"
        secret.write_text(broker_url + "\n", encoding="utf-8")
        runner = {"kind": "celery", "broker_url_file": str(secret), "threads": 4, "grace_seconds": 10}
        merged = {"store": {"url": str(folder / "data")}, "runner": runner, **settings}
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump({"custom": merged}), encoding="utf-8")

    def add_worker(self) -> Worker:
        """Start one more worker and wait until it takes jobs."""
        worker = Worker(self.config, self.folder / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        worker.ready()
        return worker

    def logs(self) -> str:
        """Return what all processes have logged."""
        return "".join(file.read_text(encoding="utf-8") for file in sorted(self.folder.glob("*.log")))

    def files_with(self, text: str) -> set[str]:
        """Return the names of the files that hold a text."""
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        return {file.name for file in files if text.encode() in file.read_bytes()}


@contextmanager
def fleet(folder: Path, settings: Mapping[str, object], broker_url: str, workers: int = 2) -> Iterator[Fleet]:
    """Run an API that only serves, and workers."""
    made = Fleet(folder, settings, broker_url)
    arguments = ["protes", "serve", "--api-only", "--port", "0", "--config", str(made.config)]
    server = Server("api", arguments, folder / "api.log", {})
    try:
        for _ in range(workers):
            made.add_worker()
        made.url = server.url()
        yield made
    except BaseException:
        print(made.logs())  # pytest shows it
        raise
    finally:
        for each in (*made.workers, server):
            each.stop()
