"""Commands that show something as it is now, once or, with `--watch`, again and again."""

import io
import json
import os
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from protes.cli import colour
from protes.cli.output import CliError, Exit, as_json
from protes.clock import Clock, SystemClock

_HOME = "\x1b[H\x1b[J"
_CLEAR = "\x1b[2J"


@dataclass(frozen=True)
class Look:
    """What was seen.

    Attributes:
        document: for programs.
        draw: prints it for people.
        over: nothing of it will change any more.
    """

    document: Any
    draw: Callable[[], None]
    over: bool = False


def show(args: Namespace, look: Callable[[], Look], clock: Clock | None = None) -> int:
    """Print what is seen as JSON or for people; with `args.watch` whenever it has changed, until it is over.

    On a terminal each look takes the place of the one before. Elsewhere looks that differ follow each other, as JSON
    with one line each.

    Raises:
        CliError: what the first look raises; later ones go on where the gateway does not answer.
    """
    if not args.watch:
        seen = look()
        as_json(seen.document) if args.json else seen.draw()
        return Exit.OK
    clock, before, seen = clock or SystemClock(), "", look()
    if colour.can_redraw(sys.stdout) and not args.json:
        sys.stdout.write(_CLEAR)
    while True:
        before = _print_changed(args, seen, before)
        if seen.over:
            return Exit.OK
        seen = _look_again(args, look, clock)


def _look_again(args: Namespace, look: Callable[[], Look], clock: Clock) -> Look:
    while True:
        clock.wait(threading.Event(), args.interval)
        try:
            return look()
        except CliError as error:
            if error.code != Exit.UNREACHABLE:
                raise
            print(f"protes: {error}; it is asked again", file=sys.stderr)


def _print_changed(args: Namespace, seen: Look, before: str) -> str:
    if args.json:
        text = json.dumps(seen.document, sort_keys=True, default=str)
        if text != before:
            as_json(seen.document, one_line=True)
        return text
    text = _drawn(seen)
    if colour.can_redraw(sys.stdout):
        print(f"{_HOME}{text}", end="", flush=True)
    elif text != before:
        print(f"\n{text}" if before else text, end="", flush=True)
    return text


def _drawn(seen: Look) -> str:
    """Return what `draw` prints, coloured as it would be where our output goes to."""
    text = io.StringIO()
    with colour.chosen("always" if colour.wanted(sys.stdout) else "never", os.environ), redirect_stdout(text):
        seen.draw()
    return text.getvalue()
