"""Colours, where a person looks (https://no-color.org, `TERM=dumb`, `--color`)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import TextIO

_choice: ContextVar[str] = ContextVar("colour", default="auto")
_dumb: ContextVar[bool] = ContextVar("dumb", default=False)
_RESET = "\x1b[0m"


class Colour(StrEnum):
    """Codes of ANSI terminals (ECMA-48, SGR)."""

    BOLD = "\x1b[1m"
    DIM = "\x1b[2m"
    RED = "\x1b[31m"
    GREEN = "\x1b[32m"
    YELLOW = "\x1b[33m"
    CYAN = "\x1b[36m"


_OF_WORDS = {
    Colour.GREEN: ("COMPLETE", "ok"),
    Colour.CYAN: ("RUNNING", "INITIALIZING"),
    Colour.RED: ("EXECUTOR_ERROR", "SYSTEM_ERROR", "PREEMPTED", "unreachable", "ejected", "fail"),
    Colour.YELLOW: ("CANCELED", "CANCELING", "PAUSED", "draining", "unprobed", "warn"),
    Colour.DIM: ("QUEUED", "UNKNOWN", "retired", "skip"),
}
_BY_WORD = {word: colour for colour, words in _OF_WORDS.items() for word in words}


@contextmanager
def chosen(choice: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Use colours as asked for: `always`, `never`, or `auto`, which heeds the environment and the terminal."""
    quiet = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    tokens = _choice.set("never" if choice == "auto" and quiet else choice), _dumb.set(environ.get("TERM") == "dumb")
    try:
        yield
    finally:
        _choice.reset(tokens[0])
        _dumb.reset(tokens[1])


def wanted(out: TextIO) -> bool:
    """Tell whether what goes to `out` is to be coloured."""
    choice = _choice.get()
    return choice == "always" or (choice == "auto" and out.isatty())


def can_redraw(out: TextIO) -> bool:
    """Tell whether `out` is a terminal on which a line can be written anew."""
    return out.isatty() and not _dumb.get()


def paint(text: str, colour: Colour | None, out: TextIO) -> str:
    """Return the text in a colour, or as it is where there are none."""
    return f"{colour}{text}{_RESET}" if colour is not None and wanted(out) else text


def of_word(word: str) -> Colour | None:
    """Return the colour of a state, of a task or of an instance; None for any other word."""
    return _BY_WORD.get(word)
