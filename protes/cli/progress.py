"""What a person sees while a command waits: one line that moves on a terminal, a line for each change elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from protes.cli import colour
from protes.cli.output import CliError
from protes.clock import Clock

_TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_BAR = 20
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Progress on standard error, so that what is printed can be piped on; a context manager that clears its line."""

    def __init__(self, total: int, clock: Clock, out: TextIO | None = None) -> None:
        """Wait for `total` things."""
        self._total = total
        self._clock = clock
        self._out = out or sys.stderr
        self._begun = clock.monotonic()
        self._turns = 0
        self._last = ""
        self._live = colour.can_redraw(self._out)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def show(self, done: int, name: str, state: str) -> None:
        """Say how many have ended, and in which state the one is that is waited for."""
        if not self._live:
            line = f"{name}: {state}"
            if line != self._last:
                print(line, file=self._out, flush=True)
            self._last = line
            return
        self._turns += 1
        parts = [_TURNING[self._turns % len(_TURNING)], self._bar(done), f"{name} {state}", self._passed()]
        self._out.write(_CLEAR_LINE + "  ".join(each for each in parts if each))
        self._out.flush()

    def pause(self) -> None:
        """Make room for something else to be printed."""
        if self._live and self._turns:
            self._out.write(_CLEAR_LINE)
            self._out.flush()

    def _bar(self, done: int) -> str:
        if self._total < 2:
            return ""
        full = _BAR * done // self._total
        return f"[{'#' * full}{'.' * (_BAR - full)}] {done}/{self._total}"

    def _passed(self) -> str:
        seconds = int(self._clock.monotonic() - self._begun)
        return f"{seconds // 60}:{seconds % 60:02}"


@contextmanager
def waited_for(ids: Sequence[str]) -> Iterator[None]:
    """Name tasks that are waited for no longer, since on a terminal the line that named them is gone by then."""
    try:
        yield
    except (CliError, KeyboardInterrupt):
        print(f"protes: submitted, and no longer waited for: {' '.join(ids)}", file=sys.stderr)
        raise
