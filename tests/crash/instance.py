"""A small real TES instance for the crash suite: `python -m tests.crash.instance --folder DIR --name NAME ...`.

It is told how long a task runs by the task itself: the command is `["run", SECONDS, EXIT_CODE, TEXT]`, where TEXT is
what it writes to standard output. Nothing is executed: what is under test is the bookkeeping in front of it.

Every accepted POST is in the journal before it is answered or shown, and what it has accepted goes on after `kill -9`
as at a server whose tasks run on machines of their own: by the time that has passed. A search sees every accepted task
at once. `--reset-share` of the POSTs get a connection reset in the place of their answer: a third of them was committed
before, a third is committed a moment later, and a third never.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.crash.instance_tasks import InstanceTasks

BASE = "/ga4gh/tes/v1"
_TASK = re.compile(re.escape(BASE) + r"/tasks/([^/:]+)(:cancel)?")
_INFO: Mapping[str, Mapping[str, str]] = {
    "node": {"id": "org.ga4gh.protes.node", "version": "1.1.0"},
    "funnel": {"id": "org.ga4gh.funnel", "version": "0.12.2"},
}
_LATE_SECONDS = 1.5
"""After a reset; every dialect here waits for longer than that."""


class Faults:
    """Which POSTs are reset, and how: the same for the same seed and order. Safe under threads."""

    def __init__(self, share: float, seed: int) -> None:
        """Reset `share` of the POSTs."""
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def next(self) -> str | None:
        """Return `before`, `after` or `late`: where a commit stands to the reset (`before`: none follows); or None."""
        with self._lock:
            if self._random.random() >= self._share:
                return None
            return self._random.choice(("before", "after", "late"))


class _Server(ThreadingHTTPServer):
    """Holds what the handlers share; gives connections that come in a burst room to wait."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int, tasks: InstanceTasks, faults: Faults, dialect: str, name: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.tasks, self.faults, self.dialect, self.name = tasks, faults, dialect, name

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if parts.path == f"{BASE}/service-info":
            self._answer(200, self._service_info())
        elif parts.path == f"{BASE}/tasks":
            self._answer(200, self.server.tasks.page(query))
        elif match := _TASK.fullmatch(parts.path):
            shown = self.server.tasks.show(unquote(match[1]), dict(query).get("view", "MINIMAL"))
            self._answer(200, shown) if shown is not None else self._answer(404, {"error": "task not found"})
        else:
            self._answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        if path == f"{BASE}/tasks":
            self._create(json.loads(body))
        elif (match := _TASK.fullmatch(path)) and match[2]:
            known = self.server.tasks.cancel(unquote(match[1]))
            self._answer(200, {}) if known else self._answer(404, {"error": "task not found"})
        else:
            self._answer(404, {"error": "no such path"})

    def _create(self, document: dict[str, Any]) -> None:
        fault = self.server.faults.next()
        if fault in (None, "after"):
            task_id = self.server.tasks.create(document)
        if fault is None:
            self._answer(200, {"id": task_id})
            return
        self._reset()
        if fault == "late":
            threading.Event().wait(_LATE_SECONDS)
            self.server.tasks.create(document)

    def _reset(self) -> None:
        """Have the client see a reset in the place of an answer."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closes for good though the handler still holds files on it.
        socket.socket(fileno=self.connection.detach()).close()

    def finish(self) -> None:
        if self.connection.fileno() >= 0:
            super().finish()

    def _service_info(self) -> Mapping[str, Any]:
        info = _INFO[self.server.dialect]
        return {
            "id": info["id"],
            "name": self.server.name,
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": info["version"]},
            "organization": {"name": "Example", "url": "https://example.org"},
            "version": info["version"],
            "storage": ["file:///"],
        }

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the journal says it all."""


def main() -> None:
    """Serve until killed; the first line of output says where."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dialect", choices=sorted(_INFO), default="node")
    parser.add_argument("--reset-share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    tasks = InstanceTasks(options.folder, options.name)
    server = _Server(options.port, tasks, Faults(options.reset_share, options.seed), options.dialect, options.name)
    tasks.start()
    print(f"{options.name} serves TES at http://127.0.0.1:{server.server_port}{BASE}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
