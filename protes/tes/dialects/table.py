"""All dialects, and how a server is recognised by its service-info.

To add one:

1. `DIALECTS.md` says what its server does; write a file beside this one with a `Dialect` that states where it departs
   from the defaults of `base.py`, each with the reason where it is not plain. Where data cannot say it, derive a
   dataclass from `Dialect` and override one of its small functions.
2. Add a row to `_ROWS`: the dialect, and what its service-info looks like. Rows are tried from the top; configuration
   may pin a dialect that has no fingerprint.
3. The tests that go over `DIALECTS` hold for it from then on.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from protes.tes.dialects.base import Dialect
from protes.tes.dialects.funnel import FUNNEL
from protes.tes.dialects.node import NODE
from protes.tes.dialects.protes import PROTES
from protes.tes.dialects.unknown import UNKNOWN

GATEWAY_HEADER = "X-Protes-Gateway"
"""A protes sends its gateway id in this header of service-info (DESIGN.md section 4, "Loops")."""

_GATEWAY_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

Headers: TypeAlias = Mapping[str, str]
Fingerprint: TypeAlias = Callable[[Mapping[str, Any], Headers], bool]


def gateway_id(headers: Headers) -> str | None:
    """Return the id of the protes that sent these headers, or None where it is none."""
    value = next((value for name, value in headers.items() if name.lower() == GATEWAY_HEADER.lower()), "").strip()
    return value if _GATEWAY_ID.fullmatch(value) else None


def _has_id(value: str) -> Fingerprint:
    return lambda info, _: info.get("id") == value


def _is_gateway(_: Mapping[str, Any], headers: Headers) -> bool:
    return gateway_id(headers) is not None


def _anything(*_: object) -> bool:
    return True


_ROWS: tuple[tuple[Dialect, Fingerprint], ...] = (
    (PROTES, _is_gateway),
    (NODE, _has_id("org.ga4gh.protes.node")),
    (FUNNEL, _has_id("org.ga4gh.funnel")),
    (UNKNOWN, _anything),
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect, _ in _ROWS}
"""By name."""


def fingerprint(service_info: Mapping[str, Any], headers: Headers) -> Dialect:
    """Recognise a server, never by `type.version` (DIALECTS.md 2.1 rule 4).

    Args:
        service_info: its service-info, or {} where it has none.
        headers: those of that answer.
    """
    return next(dialect for dialect, fits in _ROWS if fits(service_info, headers))


def dialect_named(name: str) -> Dialect:
    """Return a dialect by its name.

    Raises:
        ValueError: there is none of that name; the text says which there are.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise ValueError(f"unknown dialect {name!r}; known are {', '.join(sorted(DIALECTS))}") from None
