"""A gateway that would let the world in does not start unless that is said."""

import os
import socket
import subprocess
import sys
from pathlib import Path

SERVE = [sys.executable, "-m", "protes", "serve", "--port", "0", "--data"]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PROTES_")}


def test_a_public_address_is_refused_in_a_sentence(tmp_path: Path) -> None:
    command = [*SERVE, str(tmp_path), "--host", "0.0.0.0"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=110)
    assert done.returncode == 2
    assert "auth.mode is none" in done.stderr
    assert "docs/authentication.md" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_public_socket_that_was_passed_is_refused_too(tmp_path: Path) -> None:
    """The settings say loopback; what is served is what systemd was told."""
    passing = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 0</dev/null'
    command = ["sh", "-c", passing, "sh", *SERVE, str(tmp_path)]
    with socket.create_server(("0.0.0.0", 0)) as given:
        done = subprocess.run(
            command, env=environment(), stdin=given.fileno(), capture_output=True, text=True, timeout=110
        )
    assert done.returncode == 2
    assert "cannot serve at the socket that was passed" in done.stderr
    assert "auth.mode is none" in done.stderr
