"""The command `protes` (DESIGN.md section 6)."""

import os
import sys
from collections.abc import Sequence

from protes.cli import colour, credentials
from protes.cli.output import CliError, Exit
from protes.cli.parser import build_parser
from protes.cli.parsing import Command


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = build_parser(os.environ).parse_args(argv)
    command: Command = args.command
    try:
        with colour.chosen(args.color, os.environ), credentials.shown(args, os.environ):
            return command(args)
    except CliError as error:
        print(f"protes: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
