"""A client of the event stream, over real HTTP: reads what comes, by name, id and data."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Told:
    """An event as it arrived; a comment has the name ""."""

    name: str
    data: Mapping[str, Any]
    id: str | None = None


class EventStream:
    """What arrives on one connection, read by a thread of its own."""

    def __init__(self, connection: socket.socket, answer: http.client.HTTPResponse) -> None:
        self.headers = answer.headers
        self.last_id: str | None = None
        self._connection = connection
        self._answer = answer
        self._arrived: queue.Queue[Told | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            while line := self._answer.readline():
                text = line.decode().rstrip("\n")
                if not text:
                    if "data" in fields:
                        data = json.loads(fields["data"])
                        self._arrived.put(Told(fields.get("event", "message"), data, fields.get("id")))
                    fields = {}
                    continue
                name, _, value = text.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                else:
                    self._arrived.put(Told("", {}))
        except (OSError, ValueError, http.client.HTTPException):
            pass  # it was closed, by whichever end
        self._arrived.put(None)

    def next(self, seconds: float = PATIENCE_SECONDS, *, comments: bool = False) -> Told | None:
        """Return the next event; None at the end of the stream. Raises queue.Empty where nothing comes in time."""
        while True:
            told = self._arrived.get(timeout=seconds)
            if told is not None and told.id is not None:
                self.last_id = told.id
            if told is None or told.name or comments:
                return told

    def until(self, wanted: Callable[[Told], bool]) -> list[Told]:
        """Return the events up to the first that is wanted."""
        found: list[Told] = []
        while not found or not wanted(found[-1]):
            told = self.next()
            assert told is not None, f"the stream has ended after {found}"
            found.append(told)
        return found

    def close(self) -> None:
        """Leave; harmless the second time."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_SECONDS)
        self._answer.close()
        self._connection.close()


def ask(root: str, query: str = "", **headers: str) -> tuple[socket.socket, http.client.HTTPResponse]:
    """Ask for the events of a gateway; return the connection and the answer, whatever its status."""
    parts = urlsplit(root)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"{parts.path}/protes/v1/events{query}", headers=headers)
    sock = connection.sock
    assert isinstance(sock, socket.socket)
    return sock, connection.getresponse()


@contextmanager
def following(
    root: str, last_id: str | None = None, params: Mapping[str, Any] | None = None, **headers: str
) -> Iterator[EventStream]:
    """Follow the events of a gateway; the first event, `ready` or `reset`, is there still.

    Where all places are taken, by clients that have left and whom the gateway has not missed yet, it comes again.
    """
    resumed = {"Last-Event-ID": last_id} if last_id is not None else {}
    query = f"?{urlencode(params, doseq=True)}" if params else ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        sock, answer = ask(root, query, **resumed, **headers)
        if answer.status != 503 or time.monotonic() > deadline:
            break
        answer.close()
        sock.close()
        threading.Event().wait(0.2)
    assert answer.status == 200, answer.read()
    stream = EventStream(sock, answer)
    try:
        yield stream
    finally:
        stream.close()
