"""How commands end: output that nobody takes, Ctrl-C, a gateway that is restarted while somebody waits."""

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from protes.cli import remote
from protes.cli.output import CliError, Exit
from protes.cli.progress import Progress, waited_for
from protes.clock import ManualClock


def run(words: Sequence[str], out: int) -> tuple[int, str]:
    """Run the command with this as its output, buffered as it is for a person; return code and errors."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "protes", *words]
    ended = subprocess.run(
        command, stdout=out, stderr=subprocess.PIPE, env=environ, text=True, timeout=100, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("words", [("--version",), ("completion", "bash"), ("offers", "--help")])
def test_a_pipe_that_is_closed_early_is_no_error_however_little_is_printed(words: Sequence[str]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        assert run(words, writes) == (Exit.OK, "")
    finally:
        os.close(writes)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_output_that_finds_no_room_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        code, said = run(("completion", "fish"), full.fileno())
    assert (code, said) == (Exit.FAILED, "protes: standard output: No space left on device\n")


@pytest.mark.parametrize("why", [KeyboardInterrupt(), CliError("the gateway does not answer", Exit.UNREACHABLE)])
def test_who_no_longer_waits_is_told_what_goes_on(why: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(why)), waited_for(["one", "two"]):
        raise why
    assert capsys.readouterr().err == "protes: submitted, and no longer waited for: one two\n"


class Client:
    """py-tes' client of a gateway that does not answer between these two moments."""

    def __init__(self, clock: ManualClock, away: tuple[float, float]) -> None:
        self._clock = clock
        self._away = away

    def get_task(self, task_id: str, view: str) -> Any:
        now = self._clock.monotonic()
        if self._away[0] <= now < self._away[1]:
            raise requests.ConnectionError
        state = "COMPLETE" if now >= 120 else "RUNNING"
        return type("Task", (), {"state": state, "as_dict": lambda _: {"id": task_id, "state": state}})()


def waited(away: tuple[float, float], out: io.StringIO) -> dict[str, Any]:
    clock = ManualClock()
    return remote.wait(Client(clock, away), "a", 1000.0, Progress(1, clock, out), clock=clock)


def test_waiting_outlasts_a_restart_of_the_gateway() -> None:
    out = io.StringIO()
    assert waited((30.0, 80.0), out)["state"] == "COMPLETE"
    assert out.getvalue() == "a: RUNNING\na: the gateway does not answer\na: RUNNING\na: COMPLETE\n"


def test_waiting_ends_with_a_gateway_that_stays_away() -> None:
    with pytest.raises(CliError, match="does not answer") as ended:
        waited((30.0, 1000.0), io.StringIO())
    assert ended.value.code == Exit.UNREACHABLE


def test_a_task_is_told_by_its_last_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    logs = [{"metadata": {"protes.instance": each}, "logs": []} for each in ("first", "second")]
    remote.print_task({"id": "a", "state": "RUNNING", "logs": logs}, False)
    assert "protes.instance: second" in capsys.readouterr().out
