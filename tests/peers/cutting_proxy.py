"""A TCP proxy in front of a real server that loses an answer after the server has given it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_CHUNK = 65536


class CuttingProxy:
    """Passes everything on both ways, but for the answers that `cut` names; a context manager.

    Attributes:
        cuts: how many answers it has kept back.
    """

    def __init__(self, url: str) -> None:
        """Stand in front of the server of this URL."""
        self._target = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._start = b""
        self.cuts = 0

    @property
    def url(self) -> str:
        """The same URL, through the proxy."""
        port = self._listener.getsockname()[1]
        return urlunsplit(self._target._replace(netloc=f"127.0.0.1:{port}"))

    def cut(self, method: str) -> None:
        """The next request of this method reaches the server; in the place of its answer comes a reset."""
        with self._lock:
            self._start = f"{method} ".encode()

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A shutdown wakes the thread that waits in accept; a close alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection((self._target.hostname or "", self._target.port or 80))
        lost = threading.Event()
        with self._lock:
            self._open |= {client, server}
        requests = threading.Thread(target=self._pass_requests, args=(client, server, lost), daemon=True)
        requests.start()
        self._pass_answers(server, client, lost)
        requests.join(10)
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pass_requests(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := client.recv(_CHUNK):
                with self._lock:
                    if self._start and chunk.startswith(self._start):
                        self._start = b""
                        lost.set()
                server.sendall(chunk)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _pass_answers(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(_CHUNK):
                if lost.is_set():
                    # The server has answered, so it has the task. Nothing lingers: the client sees a reset.
                    self.cuts += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                client.sendall(chunk)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD if lost.is_set() else socket.SHUT_RDWR)
