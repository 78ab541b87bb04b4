"""How the command line writes: tables and sentences for people, JSON for programs."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TextIO

from protes.cli import colour
from protes.cli.colour import Colour

_PAINTED = frozenset({"STATE", "RESULT"})
_NARROWEST = 12


class Exit(IntEnum):
    """Exit codes, for scripts."""

    OK = 0
    FAILED = 1
    """The task did not end in COMPLETE, the gateway refused the request, or a check failed."""
    USAGE = 2
    """Wrong arguments or a configuration that cannot be used."""
    UNREACHABLE = 3
    """The gateway did not answer."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CliError(Exception):
    """Ends the command with a sentence on standard error."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        """End with `code`."""
        super().__init__(text)
        self.code = code


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], out: TextIO | None = None) -> None:
    """Print rows in columns as wide as they need, on standard output unless said otherwise.

    On a terminal that is narrower, the last column is cut; states have their colours where there are any.
    """
    out = out or sys.stdout
    texts = [[_cell(each) for each in row] for row in (headers, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(headers))]
    if out.isatty():
        _fit(texts, widths, shutil.get_terminal_size().columns)
    for number, row in enumerate(texts):
        cells = [
            text.ljust(width) if column + 1 < len(row) else text
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        if number == 0:
            print(colour.paint("  ".join(cells).rstrip(), Colour.BOLD, out), file=out)
            print("  ".join("-" * width for width in widths), file=out)
        else:
            print("  ".join(_painted(headers, row, cells, out)).rstrip(), file=out)


def as_json(value: Any, *, one_line: bool = False) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=None if one_line else 2, default=str), flush=one_line)


def printable(text: str) -> str:
    """Return the text without what would command a terminal; tabs stay."""
    return "".join(each if each.isprintable() or each == "\t" else "\ufffd" for each in text)


def offers_table(offers: Sequence[Mapping[str, Any]]) -> None:
    """Print offers and reasons, best first."""
    rows = [
        (
            each.get("rank", "-"),
            each["instance"],
            _money(each.get("cost")),
            each.get("seconds"),
            each.get("times", {}).get("queue"),
            each.get("score"),
            each.get("basis"),
            each.get("offer"),
            each["reason"]["text"] if "reason" in each else "",
        )
        for each in offers
    ]
    headers = ("RANK", "INSTANCE", "COST", "SECONDS", "WAIT", "SCORE", "BASIS", "OFFER", "WHY NOT")
    table(*without_empty(headers, rows))


def without_empty(
    headers: Sequence[str], rows: Sequence[Sequence[object]]
) -> tuple[Sequence[str], list[Sequence[object]]]:
    """Leave out columns in which no row says anything."""
    kept = [number for number in range(len(headers)) if any(row[number] not in (None, "") for row in rows)]
    return [headers[number] for number in kept], [[row[number] for number in kept] for row in rows]


def _fit(texts: list[list[str]], widths: list[int], columns: int) -> None:
    """Cut the last column to what the terminal has room for."""
    room = columns - sum(widths[:-1]) - 2 * (len(widths) - 1)
    if not widths or widths[-1] <= room:
        return
    widths[-1] = max(room, _NARROWEST, len(texts[0][-1]))
    for row in texts:
        if len(row[-1]) > widths[-1]:
            row[-1] = row[-1][: widths[-1] - 1] + "…"


def _painted(headers: Sequence[str], row: Sequence[str], cells: Sequence[str], out: TextIO) -> list[str]:
    return [
        colour.paint(cell, colour.of_word(text), out) if header in _PAINTED else cell
        for header, text, cell in zip(headers, row, cells, strict=True)
    ]


def _money(cost: Mapping[str, str] | None) -> str:
    return f"{cost['amount']} {cost['currency']}" if cost else ""


def _cell(value: object) -> str:
    return "-" if value is None else printable(str(value).replace("\n", " "))
