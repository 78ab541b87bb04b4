"""A real RabbitMQ of the test's own: its folder, its ports, its epmd; no service of the machine is touched.

Debian's package has the program; `PROTES_RABBITMQ` names another one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.waiting import wait_until

# Not the one in sbin, which changes the user and with it all that is said here.
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 180.0
_STOP_SECONDS = 30.0
# What an AMQP 0-9-1 client says first, and how the answer of a server that lets it in begins.
_GREETING, _METHOD = b"AMQP\x00\x00\x09\x01", b"\x01"


def executable(environ: Mapping[str, str]) -> Path | None:
    """Return the program, or None where there is none."""
    path = Path(environ.get("PROTES_RABBITMQ", _PROGRAM))
    return path if path.is_file() else None


class RabbitMQ:
    """One server, which can be killed and started again on the same folder and port.

    Attributes:
        url: what clients connect to, with the password.
        password: of its user; it must not be seen anywhere.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        """Prepare a server in an empty folder; it does not run yet."""
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._distribution, self._epmd = free_ports(3)
        self.password = f"rabbit-{secrets.token_hex(12)}"
        self.url = f"amqp://protes:{self.password}@127.0.0.1:{self._port}//"
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._port}\n"
            f"default_user = protes\ndefault_pass = {self.password}\n"
            "disk_free_limit.absolute = 1MB\nlog.console = false\nlog.file = server.log\n",
            encoding="utf-8",
        )
        (folder / "enabled_plugins").write_text("[].\n", encoding="utf-8")

    def start(self) -> None:
        """Start it, and wait until it lets clients in."""
        environ = {
            **os.environ,
            "HOME": str(self._folder),  # where Erlang keeps its cookie
            "RABBITMQ_NODENAME": f"protes{self._epmd}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_RELAXED_COMMAND_CHECK": "1",  # it may be ended though it takes the server for alive
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._program)],
                cwd=self._folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._lets_in, "RabbitMQ answers", _START_SECONDS)

    def kill(self) -> None:
        """Kill -9: what it has not on disk is lost."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def stop(self) -> None:
        """Stop it kindly: it writes everything to disk that is to survive."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(_START_SECONDS)
        self.kill()

    def pause(self) -> None:
        """Keep it from doing anything, connections open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and its epmd."""
        self.kill()
        epmd = shutil.which("epmd")
        if epmd is not None:
            environ = {**os.environ, "ERL_EPMD_PORT": str(self._epmd)}
            subprocess.run([epmd, "-kill"], env=environ, capture_output=True, check=False)

    def files_hold(self, text: str) -> bool:
        """Tell whether any file that it has written holds a text; its configuration aside."""
        files = [*(self._folder / "log").rglob("*"), *(self._folder / "data").rglob("*")]
        return any(text.encode() in file.read_bytes() for file in files if file.is_file())

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def _lets_in(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"RabbitMQ has ended: {(self._folder / 'output').read_text(errors='replace')[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(_GREETING)
                return connection.recv(1) == _METHOD
        except OSError:
            return False


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[RabbitMQ]:
    """Run a server in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RabbitMQ(program, folder)
    try:
        server.start()
        yield server
    finally:
        server.close()


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
