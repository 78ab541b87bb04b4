"""The parser of the command line, its help, its page, and completion made from it."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.cli.completion import SHELLS, script
from protes.cli.document import render
from protes.cli.main import main
from protes.cli.output import Exit
from protes.cli.parser import EXITS, build_parser
from protes.cli.parsing import Parser, close

ROOT = Path(__file__).parents[2]


def commands(parser: Parser) -> Iterator[Parser]:
    for each in parser.subcommands().values():
        yield from commands(each) if each.subcommands() else (each,)


COMMANDS = list(commands(build_parser({})))


def words_of(line: str) -> list[str]:
    """The arguments of protes in an example: what a shell adds around them is left out."""
    parts = re.split(r"\||\s2?>>?\s", line.replace("<(", "").replace(")", ""))
    [words] = [words for words in map(shlex.split, parts) if "protes" in words]
    return words[words.index("protes") + 1 :]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.prog)
def test_every_command_has_examples_that_are_such(command: Parser) -> None:
    assert command.examples
    for line, what in command.examples:
        assert what
        args = build_parser({}).parse_args(words_of(line))
        assert args.parser.prog == command.prog


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.prog)
def test_every_argument_has_a_meaning(command: Parser) -> None:
    assert [each.dest for each in command.arguments() if not each.help] == []
    help_text = command.format_help()
    assert "examples:" in help_text
    assert command.format_help() == help_text, "asked twice it is the same"


def test_the_page_is_made_from_the_parser() -> None:
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == render()


def test_the_page_does_not_depend_on_who_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = render()
    monkeypatch.setenv("PROTES_URL", "http://elsewhere.example.org")
    monkeypatch.setenv("COLUMNS", "40")
    assert render() == before


def test_exit_codes_are_those_of_the_code() -> None:
    assert [code for code, _ in EXITS] == [each.value for each in Exit]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["lst"], "list"),
        (["sumbit", "x.json"], "submit"),
        (["azure", "provison", "--url", "x"], "provision"),
        (["list", "--jsno"], "--json"),
        (["submit", "x.json", "--wieght=0.3"], "--weight"),
        (["list", "--colour", "never"], "--color"),
        (["completion", "bsh"], "bash"),
        (["list", "--state", "COMPELTE"], "COMPLETE"),
    ],
)
def test_who_mistypes_is_told_what_was_meant(words: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(words)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == Exit.USAGE
    assert f"did you mean {meant}?" in capsys.readouterr().err


def test_what_is_near_nothing_is_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["frobnicate"])
    said = capsys.readouterr().err
    assert "did you mean" not in said
    assert "protes --help" in said
    assert close("zzz", ["list"]) == []


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_an_interval_is_above_zero(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["list", "--watch", "--interval", value])
    assert "above zero" in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_all_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert text == script(shell, build_parser({}))
    for command in COMMANDS:
        assert command.prog.split()[-1] in text
        for option in command.options():
            assert (f"-l {option[2:]}" if shell == "fish" else option) in text


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(shlex.quote(each) for each in words)
    code = (
        f"{script('bash', build_parser({}))}\n"
        f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _protes; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    ended = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert ended.stderr == ""
    return [each for each in ended.stdout.splitlines() if each]


def test_bash_completes() -> None:
    assert completed("protes", "s") == ["serve", "submit", "show"]
    assert completed("protes", "azure", "p") == ["provision-status", "provision"]
    assert "--routing" in completed("protes", "show", "--r")
    assert completed("protes", "list", "--color", "a") == ["auto", "always"]
    assert completed("protes", "logs", "some-id", "--stream", "") == ["stdout", "stderr"]
    assert completed("protes", "completion", "f") == ["fish"]
    assert completed("protes", "submit", "--weight", "") == []


def test_what_talks_to_a_gateway_loads_no_web_server() -> None:
    """A person waits for each command to start."""
    code = (
        "import sys\nfrom protes.cli.main import main\nfrom protes.cli import batches, instances, logs, remote\n"
        "print([each for each in ('connexion', 'flask', 'gunicorn', 'celery', 'pymongo') if each in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert ended.stdout == "[]\n"
