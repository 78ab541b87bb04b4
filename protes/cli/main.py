"""The command `protes` (DESIGN.md section 6)."""

import errno
import os
import sys
from collections.abc import Sequence

from protes.cli import colour, credentials
from protes.cli.output import CliError, Exit
from protes.cli.parser import build_parser
from protes.cli.parsing import Command

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    code: int = Exit.OK
    try:
        try:
            code = _run(argv)
        finally:
            sys.stdout.flush()  # at the interpreter's end nobody could tell what goes wrong with it
    except BrokenPipeError:
        _close_output()  # whoever read it has seen enough
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _close_output()
        print(f"protes: standard output: {error.strerror}", file=sys.stderr)
        return Exit.FAILED
    return code


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser(os.environ).parse_args(argv)
    command: Command = args.command
    try:
        with colour.chosen(args.color, os.environ), credentials.shown(args, os.environ):
            return command(args)
    except CliError as error:
        print(f"protes: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _close_output() -> None:
    """See that nothing more is written to standard output, also not at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
