"""What a task's caller prefers, whichever way it was said (DESIGN.md section 6).

Precedence: tag > backend parameter > header `X-Protes-Weight` > URL > the profile's > the operator's default. The same
key in a tag and in a backend parameter must have the same value. Only names that do something are known; a typo must
not silently change what a task costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protes.api.preference_values import READERS
from protes.api.problems import FieldError
from protes.callbacks.policy import check as check_callback

TAG_PREFIX = "protes."
PARAMETER_PREFIX = "protes_"
WEIGHT_HEADER = "X-Protes-Weight"
GATEWAY_TAGS = ("protes_attempt", "protes_gateway")

_CHOOSING = ("weight", "value_of_time")
"""Two ways to say the same thing: the higher carrier's wins whole."""


BACKEND_PARAMETERS = tuple(PARAMETER_PREFIX + name for name in READERS)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was said about the preference outside the task document.

    Attributes:
        header: the value of `X-Protes-Weight`, or None.
        url_weight: the weight of the URL's `/w/<weight>`, or None; already checked.
        url_profile: the name of the URL's `/profiles/<name>`, or None; already checked.
        default: the operator's weight.
        profiles: the operator's profiles: name -> weight, or None where it has none of its own.
        max_retries: the most retries that a task may ask for.
        callback_hosts: hosts that webhooks may go to.
        callback_http: webhooks may go to `http://` URLs.
    """

    header: str | None = None
    url_weight: str | None = None
    url_profile: str | None = None
    default: str = "0.5"
    profiles: Mapping[str, str | None] = field(default_factory=dict)
    max_retries: int = 5
    callback_hosts: tuple[str, ...] = ()
    callback_http: bool = False


def effective(document: Mapping[str, Any], around: Surroundings) -> tuple[dict[str, Any], list[FieldError]]:
    """Work out the effective preference of a task, valid by its schema.

    Returns:
        The preference (`weight`, `carrier`, and what else was given) and what is wrong with it. Where a
        `value_of_time` is in force, `weight` is the operator's default and says nothing.
    """
    errors: list[FieldError] = []
    header: dict[str, tuple[Any, str]] = {}
    if around.header is not None:
        _read(header, "weight", around.header, "header", f"header {WEIGHT_HEADER}", errors)
    tags = _under(document.get("tags", {}), TAG_PREFIX, "tags", errors)
    parameters = _backend_parameters(document, errors)
    said: dict[str, tuple[Any, str]] = {}
    for name in READERS:
        if name in tags and name in parameters and tags[name] != parameters[name]:
            errors.append(
                FieldError(f"tags.{TAG_PREFIX}{name}", f"differs from the backend parameter {PARAMETER_PREFIX}{name}")
            )
        elif name in tags:
            _read(said, name, tags[name], "tag", _where(name, "tag"), errors)
        elif name in parameters:
            where = _where(name, "backend_parameter")
            _read(said, name, parameters[name], "backend_parameter", where, errors)
    if "profile" not in said and around.url_profile is not None:
        said["profile"] = (around.url_profile, "url")
    errors += _contradictions(said, around)
    chosen, carrier = _chosen(said, header, around)
    others = {name: value for name, (value, _) in said.items() if name not in _CHOOSING}
    return {"weight": around.default, **chosen, "carrier": carrier, **others}, errors


def _chosen(
    said: Mapping[str, tuple[Any, str]], header: Mapping[str, tuple[Any, str]], around: Surroundings
) -> tuple[dict[str, Any], str]:
    """Return the weight or the value of time that is in force, and what carried it."""
    for carrier in ("tag", "backend_parameter"):
        for name in _CHOOSING:
            if name in said and said[name][1] == carrier:
                return {name: said[name][0]}, carrier
    if header:
        return {"weight": header["weight"][0]}, "header"
    if around.url_weight is not None:
        return {"weight": around.url_weight}, "url"
    profile = said["profile"][0] if "profile" in said else None
    of_profile = around.profiles.get(profile) if profile is not None else None
    return ({"weight": of_profile}, "profile") if of_profile is not None else ({}, "default")


def _contradictions(said: Mapping[str, tuple[Any, str]], around: Surroundings) -> list[FieldError]:
    """Find what is well written but cannot be: names that lead nowhere, two values that exclude each other."""
    errors: list[FieldError] = []
    if all(name in said for name in _CHOOSING) and said["weight"][1] == said["value_of_time"][1]:
        errors.append(FieldError(_place("value_of_time", said), "excludes a weight: give one of them"))
    if "profile" in said and said["profile"][0] not in around.profiles:
        known = ", ".join(sorted(around.profiles)) or "none"
        errors.append(FieldError(_place("profile", said), f"there is no such profile; known are {known}"))
    if "retries" in said and said["retries"][0] > around.max_retries:
        errors.append(FieldError(_place("retries", said), f"must be {around.max_retries} at most here"))
    if "callback_url" in said:
        try:
            check_callback(said["callback_url"][0], around.callback_hosts, around.callback_http)
        except ValueError as problem:
            errors.append(FieldError(_place("callback_url", said), str(problem)))
    if "offer" in said and "instances" in said:
        errors.append(FieldError(_place("offer", said), f"names its instance; leave out {TAG_PREFIX}instances"))
    return errors


def reserved_tag_errors(document: Mapping[str, Any], from_gateway: bool) -> list[FieldError]:
    """Refuse the tags that gateways talk through, unless a configured gateway sends the task."""
    if from_gateway:
        return []
    return [
        FieldError(f"tags.{tag}", "is reserved for gateways; list the sender in api.upstream_gateways")
        for tag in GATEWAY_TAGS
        if tag in document.get("tags", {})
    ]


def _place(name: str, said: Mapping[str, tuple[Any, str]]) -> str:
    """Return the path of the field that said it."""
    return _where(name, said[name][1])


def _where(name: str, carrier: str) -> str:
    if carrier == "tag":
        return f"tags.{TAG_PREFIX}{name}"
    return f"resources.backend_parameters.{PARAMETER_PREFIX}{name}"


def _read(
    said: dict[str, tuple[Any, str]], name: str, text: str, carrier: str, where: str, errors: list[FieldError]
) -> None:
    try:
        said[name] = (READERS[name](text), carrier)
    except ValueError as error:
        errors.append(FieldError(where, str(error)))


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
    known = ", ".join(prefix + name for name in READERS)
    errors.extend(
        FieldError(f"{where}.{prefix}{name[:60]}", f"is not known; known are {known}")
        for name in ours
        if name not in READERS
    )
    return ours
