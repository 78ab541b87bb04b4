"""What a scripted server does with a request: answers, and faults as real networks and real servers have them.

A *step* is a `Behaviour`, or a callable that takes the recorded `Request` and returns one: stateful fakes are
such callables.
Behaviours act through an `Exchange`: one request on one connection, with the means to answer, reset, wait or hand on.

    Behaviour
    ├── Answer            a well-formed HTTP answer (answer, answer_json, answer_html, redirect, problem)
    ├── Reset             RST instead of an answer
    ├── HangUp            a clean close instead of an answer
    ├── Stall             no answer until released
    ├── Drip              an answer that arrives byte by byte
    ├── Truncated         a body shorter than its Content-Length
    ├── Endless           a body without end
    ├── Raw               bytes that need not be HTTP
    ├── Delayed           waits, then plays another step
    └── CommitThen        lets the request be handled, drops that answer and plays another step ("commit, then reset")
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias

from tests.support.http_messages import Request

_NO_BODY = frozenset({204, 304})


class Exchange:
    """One request on one connection. `keep_open` tells the server whether the connection serves another request."""

    def __init__(
        self,
        request: Request,
        connection: socket.socket,
        stopping: threading.Event,
        underlying: Callable[[], Step],
    ) -> None:
        self.request = request
        self.stopping = stopping
        self.keep_open = True
        self._connection = connection
        self._underlying = underlying

    def send(self, data: bytes) -> bool:
        """Send bytes as they are; False once the client has gone away."""
        try:
            self._connection.sendall(data)
        except OSError:
            self.keep_open = False
            return False
        return True

    def hang_up(self) -> None:
        """Close the connection after this exchange."""
        self.keep_open = False

    def reset(self) -> None:
        """Close the connection with RST after this exchange, dropping what is still unsent."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.keep_open = False

    def wait(self, seconds: float) -> bool:
        """Wait; False if the server is stopping, in which case the behaviour should end."""
        return not self.stopping.wait(seconds)

    def resolve(self, step: Step | None) -> Behaviour:
        """The behaviour that a step stands for; None stands for what an earlier route would have done.

        A callable is called here, so this is the moment when a stateful fake handles the request.
        """
        chosen = self._underlying() if step is None else step
        while not isinstance(chosen, Behaviour):
            chosen = chosen(self.request)
        return chosen


class Behaviour(ABC):
    """What happens on the wire in return for a request."""

    @abstractmethod
    def play(self, exchange: Exchange) -> None:
        """Act; runs in the connection's own thread and may block until `exchange.stopping` is set."""


Step: TypeAlias = Behaviour | Callable[[Request], Behaviour]


@dataclass(frozen=True)
class Answer(Behaviour):
    """A well-formed HTTP/1.1 answer; Content-Length is added, so connections stay usable."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self, *, content_length: int | None) -> bytes:
        """Status line and headers; without a length the end of the connection ends the body."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.status in _NO_BODY:
            pass
        elif content_length is None:
            lines.append("Connection: close")
        else:
            lines.append(f"Content-Length: {content_length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def play(self, exchange: Exchange) -> None:
        bodiless = exchange.request.method == "HEAD" or self.status in _NO_BODY
        exchange.send(self.head(content_length=len(self.body)) + (b"" if bodiless else self.body))
        if self.headers.get("Connection", "").lower() == "close":
            exchange.hang_up()


def answer(status: int = 200, body: bytes | str = b"", content_type: str = "text/plain", **headers: str) -> Answer:
    """An answer with any body. Further headers as keywords, `_` for `-`: `answer(503, Retry_After="1")`."""
    data = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, data, {"Content-Type": content_type, **named})


def answer_json(document: object, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""
    return answer(status, json.dumps(document), "application/json", **headers)


def answer_html(status: int = 200, text: str = "<!doctype html><title>Welcome</title>") -> Answer:
    """What a web server in front of, or instead of, the API says."""
    return answer(status, text, "text/html; charset=utf-8")


def problem(status: int, detail: str = "scripted", **headers: str) -> Answer:
    """An error answer with a JSON body: `problem(503, Retry_After="2")`."""
    return answer_json({"status": status, "title": "Scripted", "detail": detail}, status, **headers)


def redirect(location: str, status: int = 302) -> Answer:
    """A redirect."""
    return answer(status, Location=location)


@dataclass(frozen=True)
class Reset(Behaviour):
    """RST instead of an answer, as from a crashed server or a middlebox."""

    def play(self, exchange: Exchange) -> None:
        exchange.reset()


@dataclass(frozen=True)
class HangUp(Behaviour):
    """A clean close without an answer."""

    def play(self, exchange: Exchange) -> None:
        exchange.hang_up()


class Stall(Behaviour):
    """No answer until `release` is called or the server stops; then `then` is played, or the connection closes.

    With `then` it holds a request at a known point: `stall.wait_entered()`, act, `stall.release()`.
    """

    def __init__(self, then: Step | None = None) -> None:
        self._then = then
        self._condition = threading.Condition()
        self._entered = 0
        self._released = False

    def wait_entered(self, count: int = 1, timeout_seconds: float = 60.0) -> None:
        """Wait until so many requests have been held; raises TimeoutError."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._entered >= count, timeout_seconds):
                raise TimeoutError(f"{self._entered} of {count} requests arrived within {timeout_seconds} s")

    def release(self) -> None:
        """Let go of every held request, and of later ones at once."""
        with self._condition:
            self._released = True
            self._condition.notify_all()

    def play(self, exchange: Exchange) -> None:
        with self._condition:
            self._entered += 1
            self._condition.notify_all()
            # The server's stop is an event, not this condition: look at it often enough not to hold up a test's end.
            while not (self._released or exchange.stopping.is_set()):
                self._condition.wait(0.02)
        if self._then is None or exchange.stopping.is_set():
            exchange.hang_up()
        else:
            exchange.resolve(self._then).play(exchange)


@dataclass(frozen=True)
class Drip(Behaviour):
    """An answer sent byte by byte; with `head=True` the status line and headers drip as well."""

    answer: Answer
    interval_seconds: float = 0.05
    head: bool = False

    def play(self, exchange: Exchange) -> None:
        head = self.answer.head(content_length=len(self.answer.body))
        slow = head + self.answer.body if self.head else self.answer.body
        if not self.head:
            exchange.send(head)
        for byte in slow:
            if not (exchange.send(bytes([byte])) and exchange.wait(self.interval_seconds)):
                exchange.hang_up()
                return


@dataclass(frozen=True)
class Truncated(Behaviour):
    """An answer whose Content-Length promises `missing` bytes more than come before the connection closes."""

    answer: Answer
    missing: int = 10

    def play(self, exchange: Exchange) -> None:
        length = len(self.answer.body)
        exchange.send(self.answer.head(content_length=length + self.missing) + self.answer.body)
        exchange.hang_up()


@dataclass(frozen=True)
class Endless(Behaviour):
    """A body that goes on until the client leaves or the server stops; ended by the connection's end."""

    chunk: bytes = b" " * 65536
    start: bytes = b"["
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    def play(self, exchange: Exchange) -> None:
        exchange.hang_up()
        going = exchange.send(Answer(200, b"", self.headers).head(content_length=None) + self.start)
        while going and not exchange.stopping.is_set():
            going = exchange.send(self.chunk)


@dataclass(frozen=True)
class Raw(Behaviour):
    """Bytes as they are, then a close: answers that are not HTTP, broken headers, broken chunks."""

    data: bytes

    def play(self, exchange: Exchange) -> None:
        exchange.send(self.data)
        exchange.hang_up()


@dataclass(frozen=True)
class Delayed(Behaviour):
    """Latency: waits, then plays `step`, or without one what an earlier route would have done."""

    seconds: float
    step: Step | None = None

    def play(self, exchange: Exchange) -> None:
        if exchange.wait(self.seconds):
            exchange.resolve(self.step).play(exchange)
        else:
            exchange.hang_up()


@dataclass(frozen=True)
class CommitThen(Behaviour):
    """Lets `handler` (or without one an earlier route) handle the request, drops its answer, then plays `fault`.

    The server has done the work and the client cannot know: `server.inject("POST", "/tasks", CommitThen(Reset()))`.
    """

    fault: Step
    handler: Step | None = None

    def play(self, exchange: Exchange) -> None:
        exchange.resolve(self.handler)
        exchange.resolve(self.fault).play(exchange)
