"""The page `docs/instances.md`, but for the figures at its end that tests measure: what dialects say of servers."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from protes.tes.dialects.base import Dialect
from protes.tes.dialects.table import DIALECTS

_HEAD = """# Servers behind the gateway

What the gateway knows of each family of TES server, and does about it. A server is recognised by its service-info;
`dialect` in the [settings](settings.md) pins one. One that is not recognised is `unknown`, and treated most carefully.
`tesp-sh` is never recognised: it is `tesp` with commands protected by `sh -c`, for operators whose images have a shell.
What keeps a task from a server is a reason in the routing explanation. This page is made from the code
(`python -m tests.support.dialects.document > docs/instances.md`), and every cell is tested against a server that does
as its family does.
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

_STRICT = "backend_parameters, where strict, unless it names its own"

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
    return "yes, per state" if dialect.listing.states else "yes"


_RELIED_ON: tuple[tuple[str, _Cell], ...] = (
    ("lost submission", lambda each: _SEARCHES[each.searchable]),
    ("certain after", lambda each: _seconds(each.late_commit_seconds if each.read_your_writes else None)),
    ("errors are final", lambda each: _yes(each.final_error)),
    ("cancelled work stops", lambda each: _yes(each.cancel_stops_work)),
    ("many tasks are listed", _listed),
    ("a task is looked at", lambda each: f"every {each.poll_floor_seconds:g} s at most"),
    ("looked at before it is cancelled", lambda each: _yes(each.look_before_cancel)),
    ("a submission is waited for, within `dispatch.create_seconds`", lambda each: _seconds(each.timeouts.post_seconds)),
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
    (_STRICT, lambda each: _names(each.limits.backend_parameters or ())),
    ("tags never sent", lambda each: _names(each.strip_tags)),
    ("`user:password@` in URLs", lambda each: "sent" if each.needs_url_credentials else "taken out"),
)


def _bound(value: float | None, unit: str = "") -> str:
    return "any" if value is None else f"{value:,.0f}{unit}"


def render() -> str:
    """Return the page."""
    return "".join((_HEAD, _FIRST, *_of_dialects(_RELIED_ON), _SECOND, *_of_dialects(_SENT)))


def cells() -> dict[tuple[str, str], str]:
    """Return what the page says: text by name of the dialect and title of the column."""
    return {(name, title): cell(dialect) for name, dialect in DIALECTS.items() for title, cell in (*_RELIED_ON, *_SENT)}


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield "\n" + _line(titles)
    yield "|---" * len(titles) + "|\n"
    yield from map(_line, rows)


def _of_dialects(columns: tuple[tuple[str, _Cell], ...]) -> Iterator[str]:
    rows = ([f"`{name}`", *(cell(DIALECTS[name]) for _, cell in columns)] for name in sorted(DIALECTS))
    return table(["server", *(title for title, _ in columns)], rows)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
