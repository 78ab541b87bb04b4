"""Serve a WSGI app at a port of its own, for processes that serve nothing else."""

import threading
from collections.abc import Callable
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

_SILENT_SECONDS = 10.0
_JOIN_SECONDS = 5.0


class _Handler(WSGIRequestHandler):
    timeout = _SILENT_SECONDS

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


class Serving:
    """An app that is served by threads of this process; for a few readers now and then, not for the world."""

    def __init__(self, app: Callable[..., Any], host: str, port: int) -> None:
        """Bind to the address, and serve.

        Raises:
            OSError: it cannot be bound.
        """
        try:
            self._server = make_server(host, port, app, threaded=True, request_handler=_Handler)
        except SystemExit as ended:  # how werkzeug says that the port is taken
            raise OSError(0, "the address is in use, or none of this machine") from ended
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, name="protes-metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        self._server.server_close()
