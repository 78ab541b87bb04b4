"""The command `protes node`: what it prints, what it refuses, and what a kill leaves behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.nodes import NodeClient, sh
from tests.support.waiting import wait_until


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", NodeClient, str]]:
    """Run the command and yield its process, a client, and its first line."""
    command = [sys.executable, "-m", "protes.node", "--port", "0", "--directory", str(folder), *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, NodeClient(line.split(" at ")[1].split("/ga4gh")[0]), line
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "protes.node", *arguments], capture_output=True, text=True, timeout=100
    )


def test_it_says_where_it_serves_in_exactly_one_line_and_stops_kindly(tmp_path: Path) -> None:
    with started(tmp_path / "n", "--name", "budget", "--slots", "1", "--root", str(tmp_path / "r")) as (
        process,
        node,
        line,
    ):
        assert line.startswith(f"protes node budget serves TES at {node.base} (")
        assert line.endswith((" (namespace paths)\n", " (mapped paths)\n"))
        info = node.call("GET", "/service-info").json()
        assert info["name"] == "budget"
        assert info["storage"][0] == (tmp_path / "r").as_uri()
        assert node.wait(node.create(sh("true")), "COMPLETE")
        task_id = node.create(sh("exec sleep 600"))
        node.wait(task_id, "RUNNING")
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=60)
        assert rest == ""
        assert "Traceback" not in errors
        assert process.returncode == 0


def test_a_killed_node_leaves_no_process_and_knows_its_tasks_again(tmp_path: Path) -> None:
    with started(tmp_path / "n") as (process, node, _):
        finished = node.create(sh("echo out"))
        node.wait(finished, "COMPLETE")
        running = node.create(sh("exec sleep 612.25"))
        node.wait(running, "RUNNING")
        wait_until(lambda: sleeps() > 0, "the command runs")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
    with started(tmp_path / "n") as (_, node, _):
        assert node.get(finished)["logs"][0]["logs"][0]["stdout"] == "out\n"
        assert node.state(running) == "SYSTEM_ERROR"
        wait_until(lambda: sleeps() == 0, "the command is gone")


def sleeps() -> int:
    """Count the processes of the test's own long command."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += path.read_bytes() == b"sleep\x00612.25\x00"
        except OSError:
            continue
    return count


def test_a_taken_port_and_a_taken_directory_are_told(tmp_path: Path) -> None:
    with started(tmp_path / "n") as (_, node, _):
        port = node.root.rpartition(":")[2]
        other = run("--port", port, "--directory", str(tmp_path / "m"))
        assert other.returncode == 2
        assert other.stderr.count("\n") == 1
        assert f"port {port}" in other.stderr
        assert other.stdout == ""
        same = run("--port", "0", "--directory", str(tmp_path / "n"))
        assert same.returncode != 0
        assert "another node works in" in same.stderr
        assert "Traceback" not in same.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "node.example"])
def test_it_does_not_open_the_machine_to_others_by_accident(tmp_path: Path, host: str) -> None:
    refused = run("--host", host, "--port", "0", "--directory", str(tmp_path / "n"))
    assert refused.returncode == 2
    assert "--token-file" in refused.stderr
    assert "--open" in refused.stderr


def test_it_can_be_opened_to_others(tmp_path: Path) -> None:
    with started(tmp_path / "n", "--host", "0.0.0.0", "--open") as (_, node, _):
        port = node.root.rpartition(":")[2]
        assert NodeClient(f"http://127.0.0.1:{port}").call("GET", "/tasks").status_code == 200


def test_the_token_comes_from_a_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    absent = run("--token-file", str(token), "--directory", str(tmp_path / "n"))
    assert absent.returncode == 2
    assert str(token) in absent.stderr
    token.write_text(" \n")
    empty = run("--token-file", str(token), "--directory", str(tmp_path / "n"))
    assert empty.returncode == 2
    assert "is empty" in empty.stderr
    token.write_text("sesame-sesame\n")
    with started(tmp_path / "n", "--token-file", str(token)) as (_, node, _):
        assert node.call("GET", "/tasks").status_code == 401
        assert node.call("GET", "/tasks", headers={"Authorization": "Bearer sesame-sesame"}).status_code == 200


@pytest.mark.parametrize("arguments", [("--slots", "0"), ("--slots", "x"), ("--speed", "-1"), ("--ram-gb", "nan")])
def test_numbers_must_make_sense(arguments: tuple[str, str]) -> None:
    refused = run(*arguments)
    assert refused.returncode == 2
    assert arguments[0] in refused.stderr


@pytest.mark.parametrize("shared", ["/", "n", "n/below", "."])
def test_what_tasks_must_not_write_is_not_shared(tmp_path: Path, shared: str) -> None:
    done = run("--port", "0", "--directory", str(tmp_path / "n"), "--shared", str(tmp_path / shared))
    assert done.returncode == 2
    assert done.stderr.startswith("protes node: --shared ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    ("family", "kind", "number", "says"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM, "1", "it is not one of TCP"),
        (socket.AF_INET, socket.SOCK_DGRAM, "1", "it is not one of TCP"),
        (socket.AF_INET, socket.SOCK_STREAM, "2", "there are 2, where one is wanted"),
        (None, None, "1", "Socket operation on non-socket"),
    ],
)
def test_a_socket_that_is_of_no_use_is_refused_in_a_sentence(
    tmp_path: Path, family: int | None, kind: int | None, number: str, says: str
) -> None:
    passing = f'LISTEN_PID=$$ LISTEN_FDS={number} exec "$@" 3<&0 0</dev/null'
    command = ["sh", "-c", passing, "sh", sys.executable, "-m", "protes.node", "--directory", str(tmp_path / "n")]
    with (tmp_path / "file").open("w+") if family is None else socket.socket(family, kind or 0) as given:
        done = subprocess.run(command, stdin=given.fileno(), capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert done.stderr.startswith("protes node: cannot serve at the socket")
    assert done.stderr.endswith(f"{says}\n")
    assert len(done.stderr.splitlines()) == 1
