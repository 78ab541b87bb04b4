"""Engines as processes: started, waited for, interrupted; and where their programs are."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.engines.install import environment_of
from tests.support.services import missing

WORKFLOWS = Path(__file__).parent / "workflows"

_PASSED_ON = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_KILL_SECONDS = 15.0


def environment(request: pytest.FixtureRequest, name: str) -> Path:
    """Return the folder of an engine's environment; without it the test is skipped, or fails under CI's option."""
    folder = environment_of(name)
    if folder is None:
        missing(request, f"{name} is not installed; make engines-install does it")
    return folder


class Run:
    """One run of an engine, its output in a file."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it in `folder`."""
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                arguments,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Whoever is started in the background by a shell ignores it, and so would the engine.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )

    @property
    def said(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def wait(self, seconds: float = 240.0) -> int:
        """Wait for its end and return the exit code; fail with its output where it takes too long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"not ended within {seconds:g} s:\n{self.said[-4000:]}")

    def succeed(self, seconds: float = 240.0) -> None:
        """Wait for its end; fail with its output unless the exit code is 0."""
        code = self.wait(seconds)
        assert code == 0, f"exit code {code}:\n{self.said[-6000:]}"

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send it a signal, as who presses Ctrl-C does."""
        os.kill(self._process.pid, number)

    def close(self) -> None:
        """End what is left of it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(_KILL_SECONDS)
            except ProcessLookupError:
                self._process.wait()
                return
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def running(arguments: Sequence[str], engine: Path, folder: Path, env: Mapping[str, str]) -> Iterator[Run]:
    """Run a program in a folder, with an engine's environment first in PATH and a home there."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    surroundings = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    surroundings |= {"PATH": f"{engine / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(home), **env}
    run = Run(arguments, surroundings, folder, folder / "run.log")
    try:
        yield run
    finally:
        run.close()
