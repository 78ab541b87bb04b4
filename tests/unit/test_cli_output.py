"""Tables, colours, progress and looks: what people see, and what programs see in its place."""

import io
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.cli import colour, looking
from protes.cli.logs import appended
from protes.cli.looking import Look
from protes.cli.output import CliError, Exit, printable, table
from protes.cli.progress import Progress
from protes.clock import ManualClock

RED = "\x1b[31m"


class Terminal(io.StringIO):
    """Text that goes to a terminal."""

    def isatty(self) -> bool:
        return True


def drawn(out: io.StringIO, choice: str = "auto", **environ: str) -> str:
    with colour.chosen(choice, environ):
        table(("ID", "STATE"), [("a", "SYSTEM_ERROR"), ("b", "COMPLETE")], out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("out", "choice", "environ", "coloured"),
    [
        (Terminal(), "auto", {}, True),
        (io.StringIO(), "auto", {}, False),
        (Terminal(), "auto", {"NO_COLOR": "1"}, False),
        (Terminal(), "auto", {"NO_COLOR": ""}, True),
        (Terminal(), "auto", {"TERM": "dumb"}, False),
        (Terminal(), "never", {}, False),
        (io.StringIO(), "always", {}, True),
        (io.StringIO(), "always", {"NO_COLOR": "1"}, True),
    ],
)
def test_colours_are_where_a_person_wants_them(
    out: io.StringIO, choice: str, environ: dict[str, str], coloured: bool
) -> None:
    text = drawn(out, choice, **environ)
    assert (f"{RED}SYSTEM_ERROR" in text) is coloured
    assert ("\x1b" in text) is coloured


def test_a_table_in_colours_has_the_same_columns() -> None:
    plain = drawn(io.StringIO())
    painted = drawn(io.StringIO(), "always")
    for code in (*colour.Colour, "\x1b[0m"):
        painted = painted.replace(code, "")
    assert [line.rstrip() for line in painted.splitlines()] == plain.splitlines()


def test_on_a_narrow_terminal_the_last_column_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    rows = [("abc", "x" * 100)]
    out, piped = Terminal(), io.StringIO()
    table(("ID", "TROUBLE"), rows, out)
    table(("ID", "TROUBLE"), rows, piped)
    assert max(len(line) for line in out.getvalue().splitlines()[1:]) == 30
    assert "…" in out.getvalue()
    assert "x" * 100 in piped.getvalue()


def test_what_others_wrote_cannot_command_a_terminal() -> None:
    out = io.StringIO()
    table(("NAME",), [("\x1b]0;owned\x07\x1b[2J",)], out)
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()


@given(st.text())
def test_printable_text_is_left_alone_and_the_rest_is_as_long(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert printable(shown) == shown


def test_progress_elsewhere_is_a_line_for_each_change() -> None:
    out = io.StringIO()
    with Progress(2, ManualClock(), out) as progress:
        for state in ("QUEUED", "QUEUED", "RUNNING", "COMPLETE"):
            progress.show(0, "a", state)
    assert out.getvalue() == "a: QUEUED\na: RUNNING\na: COMPLETE\n"


def test_progress_on_a_terminal_is_one_line_that_is_cleared() -> None:
    out, clock = Terminal(), ManualClock()
    with Progress(4, clock, out) as progress:
        progress.show(1, "b", "RUNNING")
        clock.advance(65)
        progress.show(2, "c", "QUEUED")
    text = out.getvalue()
    assert "\n" not in text
    assert "[#####...............] 1/4  b RUNNING  0:00" in text
    assert "2/4  c QUEUED  1:05" in text
    assert text.endswith("\r\x1b[K")


def test_progress_on_a_dumb_terminal_does_not_move() -> None:
    out = Terminal()
    with colour.chosen("auto", {"TERM": "dumb"}), Progress(1, ManualClock(), out) as progress:
        progress.show(0, "a", "QUEUED")
    assert out.getvalue() == "a: QUEUED\n"


def looks(*states: Any) -> Iterator[Any]:
    """Looks at these states, of which an error is raised; the last one is over."""
    for number, state in enumerate(states):
        yield (
            state
            if isinstance(state, CliError)
            else Look({"state": state}, partial(print, state), number + 1 == len(states))
        )


def watch(json: bool, *states: Any) -> int:
    coming = looks(*states)

    def look() -> Look:
        seen = next(coming)
        if isinstance(seen, CliError):
            raise seen
        assert isinstance(seen, Look)
        return seen

    return looking.show(Namespace(watch=True, json=json, interval=2.0), look, ManualClock())


def test_watching_prints_what_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(False, "QUEUED", "QUEUED", "RUNNING", "COMPLETE") == Exit.OK
    assert capsys.readouterr().out == "QUEUED\n\nRUNNING\n\nCOMPLETE\n"


def test_watching_for_programs_is_a_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(True, "QUEUED", "QUEUED", "COMPLETE") == Exit.OK
    assert capsys.readouterr().out == '{"state": "QUEUED"}\n{"state": "COMPLETE"}\n'


def test_watching_outlasts_a_gateway_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    away = CliError("away", Exit.UNREACHABLE)
    assert watch(False, "QUEUED", away, away, "COMPLETE") == Exit.OK
    printed = capsys.readouterr()
    assert printed.out == "QUEUED\n\nCOMPLETE\n"
    assert "it is asked again" in printed.err
    with pytest.raises(CliError):
        watch(False, away)
    with pytest.raises(CliError):
        watch(False, "QUEUED", CliError("no task with this id"))


def test_watching_on_a_terminal_draws_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr("sys.stdout", out)
    assert watch(False, "QUEUED", "COMPLETE") == Exit.OK
    assert out.getvalue() == "\x1b[2J\x1b[H\x1b[JQUEUED\n\x1b[H\x1b[JCOMPLETE\n"


@given(st.text(), st.text())
def test_what_is_appended_is_what_is_new(before: str, more: str) -> None:
    assert appended(before, before + more) == more


def test_what_is_appended_is_found_where_the_beginning_was_cut() -> None:
    text = "".join(f"line {number}\n" for number in range(1000))
    assert appended(text, text[500:] + "more\n") == "more\n"
    assert appended(text, "quite another") == "\n[...]\nquite another"
