"""Serve a WSGI app with gunicorn: worker processes with threads, the app made after fork."""

import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

WsgiApp = Callable[..., Any]
Create = Callable[[], tuple[WsgiApp, Callable[[], None]]]
"""Makes the app in the worker process, and what closes it."""

_BOOT_ERROR = 3  # gunicorn ends the server where a worker leaves with this, instead of starting it again for ever
_BACKLOG = 1024


class PortTaken(Exception):
    """The address cannot be bound; the text says which and why."""


class StartFailed(Exception):
    """What a `Create` raises to end the server with a sentence instead of a traceback."""


class _Arbiter(Arbiter):  # type: ignore[misc]
    """The parent of the worker processes; a hangup is for them, and no reason to end them."""

    def handle_hup(self) -> None:
        self.kill_workers(signal.SIGHUP)


class _Worker(ThreadWorker):  # type: ignore[misc]
    """A worker process that lives through a hangup, from its first moment on."""

    SIGNALS = tuple(each for each in ThreadWorker.SIGNALS if each != signal.SIGHUP)

    def init_signals(self) -> None:
        signal.signal(signal.SIGHUP, lambda *_: self.app.hang_up())
        signal.siginterrupt(signal.SIGHUP, False)
        super().init_signals()


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured in code alone: no file and no command line of ours reaches it."""

    def __init__(self, create: Create, hang_up: Callable[[], None], options: dict[str, Any]) -> None:
        self.hang_up = hang_up
        self._create = create
        self._options = options
        self._close: Callable[[], None] | None = None
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)
        self.cfg.set("worker_exit", lambda _arbiter, _worker: self.close())

    def load(self) -> WsgiApp:
        try:
            app, self._close = self._create()
        except StartFailed as error:
            sys.stderr.write(f"protes: {error}\n")
            sys.exit(_BOOT_ERROR)
        return app

    def close(self) -> None:
        if self._close is not None:
            self._close()

    def run(self) -> None:
        _Arbiter(self).run()


def serve(
    create: Create,
    *,
    host: str,
    port: int,
    threads: int,
    workers: int = 1,
    on_ready: Callable[[str], None],
    on_hangup: Callable[[], None] = lambda: None,
) -> None:
    """Serve until told to stop (SIGTERM, SIGINT).

    Args:
        create: makes the app, once in each worker process.
        host: address to bind to.
        port: port to bind to; 0 takes any free one.
        threads: request threads per worker.
        workers: worker processes.
        on_ready: is called once with the root URL when the first worker can answer.
        on_hangup: is called in each worker process, within a signal handler, when the server receives SIGHUP.

    Raises:
        PortTaken: the address cannot be bound.
    """
    listener = _bind(host, port)
    url = _url(host, listener.getsockname()[1])  # now: gunicorn takes the descriptor over

    def ready(worker: Any) -> None:
        if worker.age == 1:
            on_ready(url)

    options = {
        "bind": f"fd://{listener.detach()}",
        "workers": workers,
        "worker_class": _Worker,
        "threads": threads,
        "keepalive": 75,  # longer than clients keep idle connections, so that it is they who close them
        "graceful_timeout": 10,
        "limit_request_line": 8190,  # lists with many tag filters have long URLs
        "loglevel": "error",
        "control_socket_disable": True,
        "post_worker_init": ready,
    }
    _Server(create, on_hangup, options).run()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise PortTaken(f"cannot serve at {host} port {port}: {error.strerror}") from None
    except OverflowError:
        raise PortTaken(f"cannot serve at {host}: {port} is no port, they go from 0 to 65535") from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
