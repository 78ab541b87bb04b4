"""What a task's caller prefers, whichever way it was said (DESIGN.md section 6).

Precedence: tag > backend parameter > header `X-Protes-Weight` > URL > the operator's default. The same key in a tag and
in a backend parameter must have the same value. Only names that do something are known; a typo must not silently change
what a task costs.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from middleware.preference import parse_weight
from protes.api.problems import FieldError

TAG_PREFIX = "protes."
PARAMETER_PREFIX = "protes_"
WEIGHT_HEADER = "X-Protes-Weight"
GATEWAY_TAGS = ("protes_attempt", "protes_gateway")

_RUNTIME = re.compile(r"[1-9][0-9]{0,7}")
_ZONE = re.compile(r"[A-Za-z0-9-]+(:[A-Za-z0-9-]+)?")
_MOST_RUNTIME = 31_536_000
_MOST_ZONES = 64


def _weight(text: str) -> str:
    parse_weight(text)
    return text


def _runtime_seconds(text: str) -> int:
    if not _RUNTIME.fullmatch(text) or int(text) > _MOST_RUNTIME:
        raise ValueError(f"must be a whole number of seconds from 1 to {_MOST_RUNTIME}")
    return int(text)


def _zones(text: str) -> list[str]:
    expected = 'must be a JSON list of cloud:region or country codes, such as ["aws:eu-central-1", "DE"]'
    try:
        zones = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(expected) from None
    if not isinstance(zones, list) or not 0 < len(zones) <= _MOST_ZONES:
        raise ValueError(expected)
    if not all(isinstance(zone, str) and _ZONE.fullmatch(zone) for zone in zones):
        raise ValueError(expected)
    return zones


PREFERENCES: Mapping[str, Callable[[str], Any]] = {
    "weight": _weight,
    "runtime_seconds": _runtime_seconds,
    "allowed_zones": _zones,
}
"""What can be preferred, by its name without prefix, with the reader of its value."""

BACKEND_PARAMETERS = tuple(PARAMETER_PREFIX + name for name in PREFERENCES)


def effective(
    document: Mapping[str, Any], header: str | None, url: str | None, default: str
) -> tuple[dict[str, Any], list[FieldError]]:
    """Work out the effective preference of a task.

    Args:
        document: the task, valid by its schema.
        header: the value of `X-Protes-Weight`, or None.
        url: the weight of the URL's `/w/<weight>`, or None; already checked.
        default: the operator's weight.

    Returns:
        The preference (`weight`, `carrier`, and what else was given) and what is wrong with it.
    """
    errors: list[FieldError] = []
    preference: dict[str, Any] = {"weight": default, "carrier": "default"}
    if url is not None:
        preference |= {"weight": url, "carrier": "url"}
    if header is not None:
        _read(preference, "weight", header, "header", f"header {WEIGHT_HEADER}", errors)
    tags = _under(document.get("tags", {}), TAG_PREFIX, "tags", errors)
    parameters = _backend_parameters(document, errors)
    for name in PREFERENCES:
        if name in tags and name in parameters and tags[name] != parameters[name]:
            errors.append(
                FieldError(f"tags.{TAG_PREFIX}{name}", f"differs from the backend parameter {PARAMETER_PREFIX}{name}")
            )
        elif name in tags:
            _read(preference, name, tags[name], "tag", f"tags.{TAG_PREFIX}{name}", errors)
        elif name in parameters:
            where = f"resources.backend_parameters.{PARAMETER_PREFIX}{name}"
            _read(preference, name, parameters[name], "backend_parameter", where, errors)
    return preference, errors


def reserved_tag_errors(document: Mapping[str, Any], from_gateway: bool) -> list[FieldError]:
    """Refuse the tags that gateways talk through, unless a configured gateway sends the task."""
    if from_gateway:
        return []
    return [
        FieldError(f"tags.{tag}", "is reserved for gateways; list the sender in api.upstream_gateways")
        for tag in GATEWAY_TAGS
        if tag in document.get("tags", {})
    ]


def _read(preference: dict[str, Any], name: str, text: str, carrier: str, where: str, errors: list[FieldError]) -> None:
    try:
        preference[name] = PREFERENCES[name](text)
    except ValueError as error:
        errors.append(FieldError(where, str(error)))
        return
    if name == "weight":
        preference["carrier"] = carrier


def _backend_parameters(document: Mapping[str, Any], errors: list[FieldError]) -> dict[str, str]:
    where = "resources.backend_parameters"
    lowered: dict[str, str] = {}
    for key, value in document.get("resources", {}).get("backend_parameters", {}).items():
        name = key.lower()
        if name.startswith(PARAMETER_PREFIX) and lowered.setdefault(name, value) != value:
            errors.append(FieldError(f"{where}.{name}", "is given twice, with different values"))
    return _under(lowered, PARAMETER_PREFIX, where, errors)


def _under(entries: Mapping[str, str], prefix: str, where: str, errors: list[FieldError]) -> dict[str, str]:
    """Return the entries under our prefix without it; unknown names are errors that name the known ones."""
    ours = {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}
    known = ", ".join(prefix + name for name in PREFERENCES)
    errors.extend(
        FieldError(f"{where}.{prefix}{name[:60]}", f"is not known; known are {known}")
        for name in ours
        if name not in PREFERENCES
    )
    return ours
