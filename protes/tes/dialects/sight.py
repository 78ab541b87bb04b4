"""What a server is recognised by, and the small questions that fingerprints are made of (DIALECTS.md 1.1)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

LEGACY_INFO_PATH = "/tasks/service-info"
"""Where TES 0.4 and older have service-info, below the base path."""

GATEWAY_HEADER = "X-Protes-Gateway"
"""A protes sends its gateway id in this header of service-info (DESIGN.md section 4, "Loops")."""

_GATEWAY_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?![\d.])(.*)", re.ASCII | re.DOTALL)

Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a server.

    Attributes:
        info: its service-info, {} where it has none.
        headers: those of that answer.
        path: below the base path, where that answer was; "" where there was none.
    """

    info: Mapping[str, Any]
    headers: Headers
    path: str


Fingerprint: TypeAlias = Callable[[Sight], bool]


def gateway_id(headers: Headers) -> str | None:
    """Return the id of the protes that sent these headers, or None where it is none."""
    value = next((value for name, value in headers.items() if name.lower() == GATEWAY_HEADER.lower()), "").strip()
    return value if _GATEWAY_ID.fullmatch(value) else None


def has_id(value: str) -> Fingerprint:
    """Recognise by `id`."""
    return lambda seen: seen.info.get("id") == value


def is_legacy(seen: Sight) -> bool:
    """Whether service-info has the shape of TES 0.4 and older: neither `id` nor `type`."""
    return not {"id", "type"} & seen.info.keys()


def text_of(seen: Sight, *names: str) -> str:
    """Return a text in service-info, through nested objects; "" where there is none."""
    value: object = seen.info
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def version_of(text: str) -> tuple[tuple[int, int, int], str] | None:
    """Read `v0.12.2-5-gabc` as ((0, 12, 2), "-5-gabc"); None where it is no such version."""
    match = _VERSION.fullmatch(text.strip())
    return (((int(match[1]), int(match[2]), int(match[3])), match[4])) if match else None
