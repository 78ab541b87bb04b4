"""Write `docs/instances.md` from the dialects: `python -m protes.tes.dialects.document > docs/instances.md`."""

import sys
from collections.abc import Callable, Iterator

from protes.tes.dialects.base import Dialect
from protes.tes.dialects.table import DIALECTS

_HEAD = """# Servers behind the gateway

What the gateway knows of each family of TES server, and does about it. A server is recognised by its service-info;
`dialect` in the [settings](settings.md) pins one. One that is not recognised is `unknown`, and treated most carefully.
What keeps a task from a server is a reason in the routing explanation. This page is made from the code:
`python -m protes.tes.dialects.document > docs/instances.md`.
"""

_FIRST = """
## What is relied on

How a task is found again whose submission had no answer, and after how long it is certain that it never arrived;
whether errors are final and cancelled work stops, which tries elsewhere need ([reliability](reliability.md)); how tasks
are looked at.
"""

_SECOND = """
## What is sent, and what goes elsewhere
"""

_SEARCHES = {"tag": "by its tag", "name_prefix": "by its name", "scan": "newest looked through", None: "never"}

_Cell = Callable[[Dialect], str]


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"


def _names(values: Iterator[str] | frozenset[str] | tuple[str, ...] | None) -> str:
    if values is None:
        return "any"
    return ", ".join(f"`{each}`" for each in sorted(values)) or "none"


def _listed(dialect: Dialect) -> str:
    if dialect.listing is None:
        return "no"
    states = " per state" if dialect.listing.states else ""
    return f"yes{states}, every {dialect.listing.floor_seconds:g} s at most"


_RELIED_ON: tuple[tuple[str, _Cell], ...] = (
    ("lost submission", lambda each: _SEARCHES[each.searchable]),
    ("certain after", lambda each: _seconds(each.late_commit_seconds if each.read_your_writes else None)),
    ("errors are final", lambda each: _yes(each.final_error)),
    ("cancelled work stops", lambda each: _yes(each.cancel_stops_work)),
    ("active tasks are listed", _listed),
    ("a task is looked at", lambda each: f"every {each.poll_floor_seconds:g} s at most"),
    ("looked at before it is cancelled", lambda each: _yes(each.look_before_cancel)),
    ("a submission is waited for", lambda each: _seconds(each.timeouts.post_seconds)),
)

_SENT: tuple[tuple[str, _Cell], ...] = (
    ("fields of TES 1.1 sent", lambda each: _names(each.takes_fields)),
    ("cores", lambda each: "whole" if each.integer_cpu else "any"),
    ("executors", lambda each: _bound(each.limits.max_executors)),
    ("longest run", lambda each: _bound(each.limits.max_runtime_seconds, " s")),
    ("largest task", lambda each: _bound(each.limits.max_document_bytes, " bytes")),
    ("not sent what needs", lambda each: _names(each.limits.unsupported)),
    ("schemes of inputs", lambda each: _names(each.limits.input_schemes)),
    ("schemes of outputs", lambda each: _names(each.limits.output_schemes)),
    ("backend_parameters, where strict", lambda each: _names(each.limits.backend_parameters)),
    ("tags never sent", lambda each: _names(each.strip_tags)),
)


def _bound(value: float | None, unit: str = "") -> str:
    return "any" if value is None else f"{value:,.0f}{unit}"


def render() -> str:
    """Return the page."""
    return "".join((_HEAD, _FIRST, *_table(_RELIED_ON), _SECOND, *_table(_SENT)))


def _table(columns: tuple[tuple[str, _Cell], ...]) -> Iterator[str]:
    yield "\n" + _line(["server", *(title for title, _ in columns)])
    yield "|---" * (len(columns) + 1) + "|\n"
    for name in sorted(DIALECTS):
        yield _line([f"`{name}`", *(cell(DIALECTS[name]) for _, cell in columns)])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(render())
