"""The clocks that jump: a program under one sees the jumps, and works as fast as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.crash.programs import Program, WallClock
from tests.support.services import missing

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

_HOUR = 3600
_SLACK = 120.0
_SECONDS = 120.0
_HOLDS_ITS_TURN = """
import select, sys, threading, time
sys.setswitchinterval(600)
gate, taken = threading.Event(), []
def other():
    gate.wait()
    taken.append(True)
threading.Thread(target=other).start()
gate.set()
end = time.monotonic() + 0.5
while time.monotonic() < end:
    pass
print("taken" if taken else "kept", time.time(), flush=True)
before = time.time()
while time.time() > before - 3600:
    select.select([], [], [], 0.05)
print(time.time())
"""
"""Holds the interpreter for half a second while another thread waits ten minutes for it; then waits for a jump."""


@pytest.fixture(name="clock")
def _clock(request: pytest.FixtureRequest, tmp_path: Path) -> WallClock:
    if not WallClock.is_installed():
        missing(request, "faketime is not installed: make services-install")
    return WallClock(tmp_path / "clock")


def test_a_thread_waits_for_its_turn_however_far_the_clock_is_off(clock: WallClock) -> None:
    clock.jump(_HOUR)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS_ITS_TURN],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **clock.environment},
    ) as program:
        assert program.stdout is not None
        turn, ahead = program.stdout.readline().split()
        assert float(ahead) == pytest.approx(time.time() + _HOUR, abs=_SLACK)
        clock.jump(-_HOUR)
        behind = program.communicate(timeout=_SECONDS)[0]
        assert float(behind) == pytest.approx(time.time() - _HOUR, abs=_SLACK)
        assert turn == "kept", "waits of threads end at once: the program spins"


def test_nothing_is_left_of_a_program_that_was_killed(clock: WallClock, tmp_path: Path) -> None:
    arguments = ["--folder", str(tmp_path / "one"), "--name", "one"]
    program = Program("one", ["tests.crash.jumping", "tests.crash.instance", *arguments], tmp_path, clock.environment)
    program.start()
    left = [Path("/dev/shm") / name for name in (f"faketime_shm_{program.pid}", f"sem.faketime_sem_{program.pid}")]
    assert any(each.exists() for each in left)
    program.signal(signal.SIGKILL)
    program.stop()
    assert not any(each.exists() for each in left)
