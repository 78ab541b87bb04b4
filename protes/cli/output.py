"""How the command line writes: tables and sentences for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TextIO


class Exit(IntEnum):
    """Exit codes, for scripts."""

    OK = 0
    FAILED = 1
    """The task did not end in COMPLETE, or the gateway refused the request."""
    USAGE = 2
    """Wrong arguments or a configuration that cannot be used."""
    UNREACHABLE = 3
    """The gateway did not answer."""


class CliError(Exception):
    """Ends the command with a sentence on standard error."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        """End with `code`."""
        super().__init__(text)
        self.code = code


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], out: TextIO | None = None) -> None:
    """Print rows in columns as wide as they need, on standard output unless said otherwise."""
    texts = [[_cell(each) for each in row] for row in (headers, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(headers))]
    for number, row in enumerate(texts):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        print(line, file=out or sys.stdout)
        if number == 0:
            print("  ".join("-" * width for width in widths), file=out or sys.stdout)


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, default=str))


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


def _money(cost: Mapping[str, str] | None) -> str:
    return f"{cost['amount']} {cost['currency']}" if cost else ""


def _cell(value: object) -> str:
    return "-" if value is None else str(value).replace("\n", " ")
