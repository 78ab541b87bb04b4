"""The parser of the command line: help with examples, and errors that say what was probably meant."""

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

Command = Callable[[argparse.Namespace], int]
Examples = Sequence[tuple[str, str]]
"""Command lines, each with what it does."""

COLOURS = ("auto", "always", "never")

_CHOICE = re.compile(r"argument (?P<name>[^ :]+): invalid choice: '(?P<word>[^']*)'")


class Parser(argparse.ArgumentParser):
    """A parser that knows examples of its command, and names what comes close to a word that it does not know."""

    def __init__(self, *args: Any, examples: Examples = (), **options: Any) -> None:
        """Take what `ArgumentParser` takes, and examples, which follow the help."""
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **options)
        self.examples = tuple(examples)
        self._end = self.epilog or ""

    def format_help(self) -> str:
        """Return the help, with examples before what stands at its end."""
        shown = [_shown(self.examples)] if self.examples else []
        self.epilog = "\n\n".join([*shown, self._end] if self._end else shown) or None
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """End with the usage, the error, and what may have been meant; exit code 2."""
        near = self._meant(message)
        more = "".join(f"\ndid you mean {each}?" for each in near[:1])
        help_text = "" if more else f"\nsee: {self.prog} --help"
        self.print_usage(_stderr())
        self.exit(2, f"protes: {message}{more}{help_text}\n")

    def options(self) -> Iterator[str]:
        """Yield all options, long ones only."""
        for action in self._actions:
            yield from (each for each in action.option_strings if each.startswith("--"))

    def subcommands(self) -> dict[str, "Parser"]:
        """Return the commands below this one, by name."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return {name: each for name, each in action.choices.items() if isinstance(each, Parser)}
        return {}

    def arguments(self) -> Iterator[argparse.Action]:
        """Yield what may be given, subcommands left out."""
        yield from (each for each in self._actions if not isinstance(each, argparse._SubParsersAction))

    def summary_of(self, name: str) -> str:
        """Return the one line that the list of commands has of a subcommand."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return next((each.help or "" for each in action._choices_actions if each.dest == name), "")
        return ""

    def _meant(self, message: str) -> list[str]:
        found = _CHOICE.search(message)
        if found is not None:
            named = [each for each in self._actions if found["name"] in (each.metavar, each.dest, *each.option_strings)]
            return close(found["word"], [str(choice) for each in named for choice in each.choices or ()])
        if message.startswith("unrecognized arguments: "):
            words = [each for each in message.split()[2:] if each.startswith("--")]
            return [near for word in words for near in close(word.partition("=")[0], [*self.options()])]
        return []


class TopParser(Parser):
    """The parser of the whole command line."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what is left over is the error of the command that was named, whose options are what is meant."""
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = getattr(parsed, "parser", self)
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return parsed


def close(word: str, known: Sequence[str]) -> list[str]:
    """Return what may have been meant by a word that is not known, best first."""
    lower = {each.lower(): each for each in known}
    return [lower[each] for each in get_close_matches(word.lower(), lower, n=3, cutoff=0.6)]


def later(module: str, name: str) -> Command:
    """Import a command's module when it runs: `protes list` need not load a web server."""

    def run(args: argparse.Namespace) -> int:
        function: Command = getattr(import_module(f"protes.cli.{module}"), name)
        return function(args)

    return run


def add_command(commands: Any, name: str, function: Command | None, text: str, examples: Examples = ()) -> Parser:
    """Add a command to the parser, with the options that all commands have.

    Args:
        commands: what `add_subparsers` returned.
        name: its name.
        function: carries it out; None where there are commands below it.
        text: one line that says what it does.
        examples: command lines with what each does.
    """
    command: Parser = commands.add_parser(
        name, help=text, description=f"{text[:1].upper()}{text[1:]}.", examples=examples
    )
    if function is not None:
        command.add_argument(
            "--color", choices=COLOURS, default=argparse.SUPPRESS, help="colours; auto: on a terminal only"
        )
        command.set_defaults(command=function, parser=command)
    return command


def positive(text: str) -> float:
    """Read a number above zero.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above zero, not {text!r}")
    return value


def _shown(examples: Examples) -> str:
    width = max(len(line) for line, _ in examples)
    if width > 60:
        return "examples:\n" + "\n".join(f"  # {what}\n  {line}" for line, what in examples)
    return "examples:\n" + "\n".join(f"  {line.ljust(width)}  # {what}" for line, what in examples)


def _stderr() -> Any:
    import sys

    return sys.stderr
