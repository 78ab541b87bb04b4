"""What stands between a store and its MongoDB, and answers wrongly where a test says so."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self

import bson

Fault = Literal["refuse", "lose the answer"]

_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
_BODY = _HEADER.size + 5
"""Of an OP_MSG: after the flags, and the kind of its first section."""


class MongoProxy:
    """Passes the commands of any number of clients on to a server; a context manager.

    Attributes:
        fault: what becomes of inserts into `collection`: None: they are passed on; "refuse": the server is not asked,
            and the answer is that every document is refused; "lose the answer": they are passed on, and the connection
            breaks when they have been answered.
        times: how often at most; None: always.
        faults: how often it happened.
    """

    def __init__(self, host: str, port: int, collection: str = "tasks") -> None:
        """Listen on a port of its own."""
        self.fault: Fault | None = None
        self.times: int | None = None
        self.faults = 0
        self._server = (host, port)
        self._collection = collection
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    @property
    def address(self) -> str:
        """Host and port to connect to."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._listener, *self._open):
            _close(each)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _start(self, run: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(self._server)
            self._open += (client, server)
            self._start(self._serve, client, server)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """Pass command after command on, and its answer back."""
        with client, server:
            try:
                while message := _read(client):
                    refusal = self._refusal(message)
                    if refusal is not None:
                        client.sendall(refusal)
                        continue
                    server.sendall(message)
                    answer = _read(server)
                    if not answer or self._is_meant(message, "lose the answer"):
                        return
                    client.sendall(answer)
            except OSError:
                return  # one of them is gone

    def _refusal(self, message: bytes) -> bytes | None:
        if not self._is_meant(message, "refuse"):
            return None
        error = {"index": 0, "code": 121, "errmsg": "Document failed validation"}
        body = b"\0\0\0\0\0" + bson.encode({"ok": 1.0, "n": 0, "writeErrors": [error]})
        _, number, _, _ = _HEADER.unpack_from(message)
        return _HEADER.pack(_HEADER.size + len(body), 0, number, _OP_MSG) + body

    def _is_meant(self, message: bytes, fault: Fault) -> bool:
        """Tell whether the fault befalls a message, and count it."""
        if self.fault != fault or self.times == 0 or _HEADER.unpack_from(message)[3] != _OP_MSG:
            return False
        (size,) = struct.unpack_from("<i", message, _BODY)
        if bson.decode(message[_BODY : _BODY + size]).get("insert") != self._collection:
            return False
        self.faults += 1
        self.times = None if self.times is None else self.times - 1
        return True


def _read(connection: socket.socket) -> bytes:
    """Return a whole message; nothing where the connection has ended."""
    head = _exactly(connection, _HEADER.size)
    return head + _exactly(connection, _HEADER.unpack(head)[0] - _HEADER.size) if head else b""


def _exactly(connection: socket.socket, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        piece = connection.recv(size - len(read))
        if not piece:
            return b""
        read += piece
    return bytes(read)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):  # closed already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
