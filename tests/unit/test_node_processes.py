"""Commands as processes: surroundings that cannot be made, a launcher or a node that dies."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protes.clock import SystemClock
from protes.node import launcher
from protes.node.errors import TaskFailed
from protes.node.processes import Order, Process, end_left_over
from tests.support.waiting import wait_until

ENV = {"PATH": os.environ.get("PATH", os.defpath)}


@pytest.fixture
def null() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def start(null: int, *command: str, **fields: Any) -> Process:
    return Process(Order(command, ENV, **{"workdir": "/", **fields}), null, null, null)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(path.read_bytes().rpartition(b")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_the_exit_code_comes_back(null: int) -> None:
    assert start(null, "sh", "-c", "exit 3").wait() == 3


def test_orders_of_any_size(null: int) -> None:
    assert start(null, "true", *["x" * 100_000] * 10).wait() == 0
    assert start(null, "true", "x" * 1_000_000).wait() == 126  # Argument list too long


def test_surroundings_that_cannot_be_made_are_told(null: int) -> None:
    with pytest.raises(TaskFailed, match="could not be run: No such file or directory: /none"):
        start(null, "true", workdir="/none").wait()
    with pytest.raises(TaskFailed, match="could not be run: "):
        start(null, "true", root="/none").wait()


def test_nothing_is_left_open_for_the_command(null: int, tmp_path: Path) -> None:
    out = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)
    Process(Order(["ls", "/proc/self/fd"], ENV, "/"), null, out, null).wait()
    os.close(out)
    assert (tmp_path / "out").read_text().split() == ["0", "1", "2", "3"]  # 3 is the listing of ls itself


def test_a_killed_launcher_takes_the_command_with_it(null: int) -> None:
    process = start(null, "sleep", "600")
    pid = process.identity["pid"]
    wait_until(lambda: len(children(pid)) == 1, "the command runs")
    [command] = children(pid)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(TaskFailed, match="what ran it was killed"):
        process.wait()
    wait_until(lambda: not alive(command), "the command is gone")


def test_terminate_after_the_end_does_nothing(null: int) -> None:
    process = start(null, "true")
    process.wait()
    process.terminate()


def test_the_end_of_the_node_is_the_end_of_its_commands() -> None:
    readable, writable = os.pipe()
    order = {"command": ["sleep", "600"], "env": ENV, "workdir": "/", "root": None, "binds": [], "result": writable}
    with subprocess.Popen(
        [sys.executable, "-I", "-S", launcher.__file__], stdin=subprocess.PIPE, pass_fds=(readable, writable)
    ) as running:
        assert running.stdin is not None
        running.stdin.write(json.dumps({**order, "stdin": readable}).encode() + b"\n")
        running.stdin.flush()
        wait_until(lambda: len(children(running.pid)) == 1, "the command runs")
        [command] = children(running.pid)
        running.stdin.close()
        assert running.wait(60) == 0
        assert not alive(command)
    os.close(writable)
    assert json.loads(os.read(readable, 1000)) == {"exit_code": 143}
    os.close(readable)


def test_what_an_earlier_node_left_running_is_ended(null: int) -> None:
    process = start(null, "sleep", "600")
    identity = process.identity
    wait_until(lambda: len(children(identity["pid"])) == 1, "the command runs")
    end_left_over({**identity, "started": identity["started"] + 1}, SystemClock())  # somebody else's by now
    end_left_over({**identity, "started": 0}, SystemClock())  # cannot be known
    assert alive(identity["pid"])
    end_left_over(identity, SystemClock())
    assert not alive(identity["pid"])
    assert process.wait() == 143
    end_left_over(identity, SystemClock())
