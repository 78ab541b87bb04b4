"""A proxy in front of a TES server that writes down what an engine asks, and which tasks it made."""

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_PATIENCE_SECONDS = 60.0
_NOT_PASSED_ON = {"host", "connection", "content-length", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        method: of HTTP.
        target: path and query, as the engine sent them.
        headers: as the engine sent them, names in lower case.
        body: as the engine sent it.
        status: of the answer.
        answer: its body.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes

    @property
    def shape(self) -> str:
        """Method and target, with `ID` for the task's id."""
        return f"{self.method} {re.sub(r'(?<=/tasks/)(?!service-info)[A-Za-z0-9_-]+', 'ID', self.target)}"


@dataclass(slots=True)
class Recorder:
    """What went through.

    Attributes:
        url: the root URL to give to an engine.
        asked: every request, in the order of their answers.
    """

    url: str
    asked: list[Asked] = field(default_factory=list)

    @property
    def shapes(self) -> set[str]:
        """The kinds of requests that there were."""
        return {each.shape for each in self.asked}

    @property
    def created(self) -> list[str]:
        """The ids of tasks made, in order."""
        made = (each for each in self.asked if each.method == "POST" and each.target.endswith("/tasks"))
        return [str(json.loads(each.answer)["id"]) for each in made if each.status == 200]

    def sent(self) -> list[dict[str, Any]]:
        """Return the tasks as the engine sent them, in order."""
        return [json.loads(each.body) for each in self.asked if each.shape.endswith("/tasks")]


@dataclass(frozen=True, slots=True)
class Adapting:
    """What is changed on the way, for a server that is not all that engines need.

    Attributes:
        rewrite: makes the target that the server is asked for.
        headers: are sent instead of the engine's.
        answers: documents that the server is not asked for, by target.
    """

    rewrite: Callable[[str], str] = lambda target: target
    headers: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@contextmanager
def recording(root: str, adapting: Adapting | None = None) -> Iterator[Recorder]:
    """Run a proxy in front of the server at `root`."""
    handler = type("_Bound", (_Handler,), {"server_root": urlsplit(root), "adapting": adapting or Adapting()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
    handler.asked = recorder.asked  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_root: Any
    adapting: Adapting
    asked: list[Asked]

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        headers |= self.adapting.headers
        status, named, content = self._answered(headers, body)
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.asked.append(Asked(self.command, self.path, seen, body, status, content))
        self.send_response(status)
        for name, value in named:
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        try:
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # who asked has lost patience

    def _answered(self, headers: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return status, headers and body of the answer."""
        if self.path in self.adapting.answers:
            document = self.adapting.answers[self.path]
            return 200, [("Content-Type", "application/json")], json.dumps(document).encode()
        upstream = http.client.HTTPConnection(self.server_root.netloc, timeout=_PATIENCE_SECONDS)
        try:
            target = self.server_root.path + self.adapting.rewrite(self.path)
            upstream.request(self.command, target, body or None, headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()
