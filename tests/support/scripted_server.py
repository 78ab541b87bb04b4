"""A real HTTP server on a free port of the loopback interface whose answers and faults are scripted by the test.

    with ScriptedServer() as server:
        server.on("GET", "/services", problem(503), then=answer_json([]))   # one 503, from then on []
        server.on("GET", "/tasks/{id}", lambda request: answer_json(tasks[request.params["id"]]))
        server.inject("POST", "/tasks", CommitThen(Reset()))                 # once: handled, then RST
        ...
        assert server.count("POST", "/tasks") == 1

Rules
- Of several routes that match, the one registered last acts; so defaults come first and a test's own routes after them.
- `on` plays its steps in turn, then `then` for ever; without `then` the last step repeats.
- `inject` plays its steps in turn, then the request falls through to earlier routes.
- In patterns `{name}` stands for part of one path segment and `*` for anything; the method `*` is any method.
- What no route matches is answered 404. Everything is recorded, whatever becomes of it.
- An exception in a step is answered with 500 and raised again when the server's `with` block ends.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from tests.support.behaviours import (
    Answer,
    Behaviour,
    CommitThen,
    Delayed,
    Drip,
    Endless,
    Exchange,
    HangUp,
    Raw,
    Reset,
    Stall,
    Step,
    Truncated,
    answer,
    answer_html,
    answer_json,
    problem,
    redirect,
)
from tests.support.http_messages import Request, read_request

__all__ = [
    "Answer",
    "Behaviour",
    "CommitThen",
    "Delayed",
    "Drip",
    "Endless",
    "Exchange",
    "HangUp",
    "Raw",
    "Request",
    "Reset",
    "Route",
    "ScriptedServer",
    "Stall",
    "Step",
    "Truncated",
    "answer",
    "answer_html",
    "answer_json",
    "problem",
    "redirect",
    "refused_url",
]

_JOIN_SECONDS = 10.0
_SOON_SECONDS = 0.1
_MOST_WAITING = 20


@dataclass(eq=False)
class Route:
    """What `on` and `inject` return; hand it to `ScriptedServer.off` to take it away again."""

    method: str
    pattern: re.Pattern[str]
    steps: deque[Step]
    then: Step | None

    def match(self, request: Request) -> re.Match[str] | None:
        """The match of the route's pattern if method and path fit."""
        return self.pattern.fullmatch(request.path) if self.method in ("*", request.method) else None


class ScriptedServer:
    """See the module's text. All methods may be called from any thread, before and while requests arrive."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._routes: list[Route] = []
        self._recorded: list[Request] = []
        self._errors: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepted = 0
        self._stopping = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._listener = _bind(0)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor: threading.Thread | None = None
        self._fillers: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The server's origin, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections have been accepted so far."""
        return self._accepted

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        self._drop_connections()
        while self._fillers:
            self._fillers.pop().close()
        self._wake_reader.close()
        self._wake_writer.close()
        if self._errors and error is None:
            raise self._errors[0]

    # Scripting

    def on(self, method: str, pattern: str, *steps: Step, then: Step | None = None) -> Route:
        """Script a route: each step once, then `then` for ever (by default the last step)."""
        if not steps and then is None:
            raise ValueError("a route needs a step")
        queue = deque(steps)
        return self._add(Route(method, _compile(pattern), queue, then if then is not None else queue.pop()))

    def inject(self, method: str, pattern: str, *steps: Step, times: int = 1) -> Route:
        """Play the steps, `times` times over, on the next matching requests; later ones fall through."""
        return self._add(Route(method, _compile(pattern), deque(steps * times), None))

    def off(self, route: Route) -> None:
        """Take a route away."""
        with self._lock:
            self._routes.remove(route)

    def refuse(self) -> None:
        """Refuse new connections and drop the open ones, as a stopped server does. The port stays reserved."""
        self._stop_listening()
        self._drop_connections()
        self._listener = _bind(self.port)

    def swallow(self) -> None:
        """Answer no attempt to connect, as a firewall does that drops packets, or a host that has gone."""
        self.refuse()
        self._listener.listen(0)
        for _ in range(_MOST_WAITING):
            filler = socket.socket()
            filler.settimeout(_SOON_SECONDS)
            self._fillers.append(filler)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return  # the queue of those that wait to be accepted is full: from now on nobody is answered
        raise RuntimeError("connections are still answered")

    def resume(self) -> None:
        """Accept connections again after `refuse` or `swallow`."""
        while self._fillers:
            self._fillers.pop().close()
        self._listen()

    # What arrived

    def requests(self, method: str = "*", pattern: str = "*") -> list[Request]:
        """The recorded requests that fit, oldest first."""
        route = Route(method, _compile(pattern), deque(), None)
        with self._lock:
            return [request for request in self._recorded if route.match(request)]

    def count(self, method: str = "*", pattern: str = "*") -> int:
        """How many requests that fit have arrived."""
        return len(self.requests(method, pattern))

    def wait_for(
        self, method: str = "*", pattern: str = "*", count: int = 1, timeout_seconds: float = 60.0
    ) -> list[Request]:
        """Wait until `count` requests that fit have arrived and return them; raises TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: self.count(method, pattern) >= count, timeout_seconds):
                found = self.count(method, pattern)
                raise TimeoutError(f"{found} of {count} {method} {pattern} arrived within {timeout_seconds} s")
            return self.requests(method, pattern)

    def forget(self) -> None:
        """Empty the record; routes stay."""
        with self._lock:
            self._recorded.clear()

    # Connections

    def _add(self, route: Route) -> Route:
        with self._lock:
            self._routes.append(route)
        return route

    def _listen(self) -> None:
        self._stopping = threading.Event()
        self._listener.listen(512)
        self._acceptor = threading.Thread(target=self._accept, name=f"scripted-{self.port}")
        self._acceptor.start()

    def _stop_listening(self) -> None:
        self._stopping.set()
        if self._acceptor is not None:
            self._wake_writer.send(b"x")
            self._acceptor.join()
            self._acceptor = None
        self._listener.close()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._wake_reader], [], [])
            if self._wake_reader in ready:
                self._wake_reader.recv(1)
                return
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection, self._stopping))
            with self._lock:
                self._accepted += 1
                self._open.add(connection)
                self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
                thread.start()

    def _drop_connections(self) -> None:
        with self._lock:
            threads, self._threads = self._threads, []
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_JOIN_SECONDS)
            if thread.is_alive():
                raise RuntimeError("a step of the script does not end; it must heed exchange.stopping")

    def _serve(self, connection: socket.socket, stopping: threading.Event) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while (request := _next_request(reader, connection)) is not None:
                    if not self._handle(request, connection, stopping) or stopping.is_set():
                        break
            finally:
                # Forgotten before it closes, so that nobody shuts down a descriptor that has been reused.
                with self._lock:
                    self._open.remove(connection)

    def _handle(self, request: Request, connection: socket.socket, stopping: threading.Event) -> bool:
        with self._lock:
            self._recorded.append(request)
            self._lock.notify_all()
        steps = self._steps(request)
        exchange = Exchange(request, connection, stopping, lambda: next(steps))
        try:
            exchange.resolve(None).play(exchange)
        except Exception as error:  # noqa: BLE001 - handed to the test when the server's block ends
            self._errors.append(error)
            exchange.hang_up()
            problem(500, f"the script failed: {error!r}").play(exchange)
        return exchange.keep_open and request.headers.get("Connection", "").lower() != "close"

    def _steps(self, request: Request) -> Iterator[Step]:
        """One step of each route that matches, last registered first; taken from its queue only when asked for."""
        with self._lock:
            routes = list(reversed(self._routes))
        for route in routes:
            match = route.match(request)
            if match is None:
                continue
            with self._lock:
                step = route.steps.popleft() if route.steps else route.then
            if step is not None:
                yield _bound(step, request, match)
        while True:
            yield problem(404, "no route of the script matches")


@contextlib.contextmanager
def refused_url() -> Iterator[str]:
    """A URL at which connections are refused: the port is bound, so nobody else can take it, but nobody listens."""
    with _bind(0) as placeholder:
        yield f"http://127.0.0.1:{placeholder.getsockname()[1]}"


def _next_request(reader: io.BufferedReader, connection: socket.socket) -> Request | None:
    """The next request; None where the connection ends, or where what arrives is no HTTP, which is answered as such."""
    with contextlib.suppress(OSError):
        try:
            return read_request(reader)
        except (ValueError, http.client.HTTPException):
            connection.sendall(Answer(400).head(content_length=0))
    return None


def _bound(step: Step, request: Request, match: re.Match[str]) -> Step:
    """The step with the parameters of its own route, whichever route hands the request on to it."""
    if isinstance(step, Behaviour):
        return step
    params = {name: unquote(value) for name, value in match.groupdict().items()}
    return partial(_call, step, replace(request, params=params))


def _call(step: Callable[[Request], Behaviour], request: Request, _: Request) -> Behaviour:
    return step(request)


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _compile(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    return re.compile("".join(map(_expression, parts)), re.DOTALL)


def _expression(part: str) -> str:
    if part == "*":
        return ".*"
    return f"(?P<{part[1:-1]}>[^/]+?)" if part.startswith("{") else re.escape(part)
