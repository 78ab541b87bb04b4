"""Serve a WSGI app with gunicorn: worker processes with threads, the app made after fork."""

import os
import signal
import socket
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from protes.http_arrival import Bounds
from protes.http_waiting import PatientWorker

WsgiApp = Callable[..., Any]
Create = Callable[[], tuple[WsgiApp, Callable[[], None]]]
"""Makes the app in the worker process, and what closes it."""

_BOOT_ERROR = 3  # gunicorn ends the server where a worker leaves with this, instead of starting it again for ever
_BACKLOG = 1024
_FIRST_PASSED = 3  # the descriptor that systemd's protocol passes first


class PortTaken(Exception):
    """The address cannot be bound, or what was passed in its stead is of no use; the text says which and why."""


class StartFailed(Exception):
    """What a `Create` raises to end the server with a sentence instead of a traceback."""


class _Arbiter(Arbiter):  # type: ignore[misc]
    """The parent of the worker processes; a hangup is for them, and no reason to end them."""

    def handle_hup(self) -> None:
        self.kill_workers(signal.SIGHUP)


class _Worker(PatientWorker):
    """A worker process that lives through a hangup, from its first moment on."""

    SIGNALS = tuple(each for each in PatientWorker.SIGNALS if each != signal.SIGHUP)

    def init_signals(self) -> None:
        signal.signal(signal.SIGHUP, lambda *_: self.app.hang_up())
        signal.siginterrupt(signal.SIGHUP, False)
        super().init_signals()

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.app.stop()
        super().handle_exit(sig, frame)


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, configured in code alone: no file and no command line of ours reaches it."""

    def __init__(
        self,
        create: Create,
        hang_up: Callable[[], None],
        stop: Callable[[], None],
        bounds: Bounds,
        options: dict[str, Any],
    ) -> None:
        self.bounds = bounds
        self.hang_up = hang_up
        self.stop = stop
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
    may_serve: Callable[[str], None] = lambda _: None,
    on_stop: Callable[[], None] = lambda: None,
    on_child_exit: Callable[[int], None] = lambda _: None,
    bounds: Bounds | None = None,
) -> None:
    """Serve until told to stop (SIGTERM, SIGINT).

    A socket that listens already may be passed by whoever starts this, as systemd does (sd_listen_fds(3)); then nothing
    is bound. As it stays open over a restart, whoever connects meanwhile waits instead of being refused.

    Args:
        create: makes the app, once in each worker process.
        host: address to bind to.
        port: port to bind to; 0 takes any free one.
        threads: request threads per worker.
        workers: worker processes.
        on_ready: is called once with the root URL when the first worker can answer.
        on_hangup: is called in each worker process, within a signal handler, when the server receives SIGHUP.
        on_stop: is called likewise when the process is told to stop; requests under way have ten seconds from then on.
        may_serve: raises ValueError where an address that a passed socket is bound to may not be served.
        on_child_exit: is called in this process with the process id of a worker that has ended.
        bounds: how slow clients may be.

    Raises:
        PortTaken: the address cannot be bound, or what was passed is not one socket of TCP.
    """
    listener = _passed(os.environ, may_serve) or _bind(host, port)
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
        "limit_request_fields": 100,
        "limit_request_field_size": 16_384,  # tokens of some issuers are long
        "limit_request_line": 8190,  # lists with many tag filters have long URLs
        "forwarder_headers": "",  # else whoever is on this machine says by header at which path a request is
        "loglevel": "error",
        "control_socket_disable": True,
        "post_worker_init": ready,
        "child_exit": lambda _arbiter, worker: on_child_exit(worker.pid),
    }
    _Server(create, on_hangup, on_stop, bounds or Bounds(), options).run()


def _passed(environ: MutableMapping[str, str], may_serve: Callable[[str], None]) -> socket.socket | None:
    """Return the socket that was passed to this very process, if one was, and take the word of it out.

    Raises:
        PortTaken: several were passed, or one that nobody can reach by HTTP over TCP, or at which it may not be served.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return None
    number = environ["LISTEN_FDS"]
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    if number != "1":
        raise PortTaken(f"cannot serve at the sockets that were passed: there are {number}, where one is wanted")
    try:
        passed = socket.socket(fileno=_FIRST_PASSED)
    except OSError as error:
        raise PortTaken(f"cannot serve at the socket that was passed: {error.strerror}") from None
    if passed.family not in (socket.AF_INET, socket.AF_INET6) or passed.type != socket.SOCK_STREAM:
        raise PortTaken("cannot serve at the socket that was passed: it is not one of TCP")
    try:
        may_serve(passed.getsockname()[0])
    except ValueError as problem:
        raise PortTaken(f"cannot serve at the socket that was passed: {problem}") from None
    return passed


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
