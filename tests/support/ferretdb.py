"""A server that speaks MongoDB's protocol: the one that `MONGODB_URI` names, or FerretDB on this machine.

FerretDB is looked for where `PROTES_FERRETDB` says, and in `build/peers` (`python -m tests.peers.install ferretdb`).
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pymongo import MongoClient

from tests.peers.install import FERRETDB

ABSENT = "FerretDB is not there: make services-install, or name it in PROTES_FERRETDB, or a server in MONGODB_URI"
_SECONDS = 30.0


def executable(environ: Mapping[str, str]) -> Path | None:
    """Return the program, or None where there is none."""
    named = environ.get("PROTES_FERRETDB")
    path = Path(named) if named else FERRETDB
    return path if path.is_file() else None


class FerretDB:
    """One that may be killed and started again, on the same port with the same data."""

    def __init__(self, program: Path, folder: Path) -> None:
        """Start nothing yet; data and log are in the folder."""
        self._program = program
        self._data = folder / "data"
        self._data.mkdir(exist_ok=True)
        self._log = folder / "ferretdb.log"
        self._address = "127.0.0.1:0"
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Of the server, without a database."""
        return f"mongodb://{self._address}/"

    @property
    def address(self) -> str:
        """Host and port."""
        return self._address

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        arguments = [str(self._program), "-listen", self._address, "-data", f"{self._data}/"]
        with self._log.open("a", encoding="utf-8") as log:
            # It ends with its standard input, and so with the tests, however these end.
            process = self._process = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=lambda: lines.put(process.stdout.readline() if process.stdout else ""))
        reader.start()
        try:
            line = lines.get(timeout=_SECONDS)
        except queue.Empty:
            line = ""
        if not line.startswith("mongodb://"):
            self.kill()
            reader.join()
            raise AssertionError(f"FerretDB did not start: {self._log.read_text(encoding='utf-8')[-2000:]}")
        reader.join()
        self._address = urlsplit(line.strip()).netloc

    def kill(self) -> None:
        """End it as kill -9 does."""
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


@contextmanager
def running(program: Path, folder: Path) -> Iterator[FerretDB]:
    """Run one."""
    server = FerretDB(program, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def server_url(environ: Mapping[str, str], folder: Path) -> Iterator[str | None]:
    """Return the URL of a server, starting one where none is named; None where there is nothing to start."""
    if named := environ.get("MONGODB_URI"):
        yield named
        return
    program = executable(environ)
    if program is None:
        yield None
        return
    with running(program, folder) as server:
        yield server.url


def with_database(url: str, name: str) -> str:
    """Return the URL of a database of a server."""
    parts = urlsplit(url)
    query = parts.query
    if "@" in parts.netloc and "authsource=" not in query.lower():
        # Who the user is depends on the database otherwise.
        query = "&".join(filter(None, (query, f"authSource={parts.path.strip('/') or 'admin'}")))
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", query, ""))


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Return the URL of a new database, which is dropped afterwards."""
    name = f"protes_test_{uuid.uuid4().hex[:12]}"
    try:
        yield with_database(url, name)
    finally:
        drop(url, name)


def drop(url: str, name: str) -> None:
    """Remove a database, if it is there."""
    with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(name)


def is_mongodb(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether it is MongoDB itself, which has plans to show and sparse indexes."""
    return bool(environ.get("MONGODB_URI"))
