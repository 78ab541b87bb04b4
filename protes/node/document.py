"""The task document that POST /tasks takes (TES 1.1.0, `tesTask`): read, checked, and kept as it was sent."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from protes.api.problems import FieldError, Problem, invalid
from protes.node import urls
from protes.node.paths import is_pattern

_MOST_ERRORS = 20
_DEEPEST = 32
_LARGEST_AMOUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What the largest task may ask for; None: anything."""

    cpu_cores: int
    ram_gb: float | None
    disk_gb: float | None


def read(body: bytes, limits: Limits) -> tuple[dict[str, Any], list[str]]:
    """Read the body of POST /tasks.

    Nulls, unknown fields and those that only a server sets are left out, as clients in the wild send them.

    Returns:
        The document with the fields that the client sent, and what to tell in the task's system logs.

    Raises:
        Problem: 400 with every error, each with the path of its field.
    """
    try:
        sent = _cleaned(json.loads(body, parse_constant=_no_constant))
    except RecursionError:
        raise Problem(400, "body: is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, f"body: is not JSON: {error}") from None
    try:
        document = Task.model_validate(sent).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise invalid([_in_words(each) for each in error.errors()[:_MOST_ERRORS]]) from None
    errors = list(_meaning(document, limits))[:_MOST_ERRORS]
    if errors:
        raise invalid(errors)
    return document, _without_backend_parameters(document)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _cleaned(value: Any, depth: int = 0) -> Any:
    """Leave out members that are null, and check that all text is text.

    Raises:
        RecursionError: it is nested deeper than any task.
        ValueError: it holds half of a surrogate pair, which no file and no process can be given.
    """
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(each, depth + 1) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_cleaned(each, depth + 1) for each in value]
    if isinstance(value, str):
        value.encode()
    return value


def _system_text(text: str) -> str:
    """Check what is handed to the operating system."""
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path, starting with /")
    if ".." in path.split("/"):
        raise ValueError("must not hold the part ..")
    return _system_text(path)


def _own_place(path: str) -> str:
    if not _absolute(path).strip("/."):
        raise ValueError("must name something below /")
    return path


def _absolute_or_unset(path: str) -> str:
    # Clients that write every field send "" for one that is not set.
    return _absolute(path) if path else path


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError("must be the name of an environment variable: not empty, without =")
    return _system_text(name)


def _amount(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not 0 <= value <= _LARGEST_AMOUNT:
        raise ValueError(f"must be a number from 0 to {_LARGEST_AMOUNT}")
    return int(value) if value == int(value) else value


SystemText = Annotated[str, AfterValidator(_system_text)]
Place = Annotated[str, AfterValidator(_own_place)]
OptionalPath = Annotated[str, AfterValidator(_absolute_or_unset)]
Amount = Annotated[int | float, PlainValidator(_amount)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class Input(_Part):
    """`tesInput`."""

    name: str = ""
    description: str = ""
    url: str = ""
    path: Place
    type: Annotated[str, Field(pattern="^(FILE|DIRECTORY)$")] = "FILE"
    content: str = ""
    streamable: bool = False


class Output(_Part):
    """`tesOutput`."""

    name: str = ""
    description: str = ""
    url: str
    path: Place
    path_prefix: OptionalPath = ""
    type: Annotated[str, Field(pattern="^(FILE|DIRECTORY)$")] = "FILE"


class Executor(_Part):
    """`tesExecutor`."""

    image: Annotated[str, Field(min_length=1)]
    command: Annotated[list[SystemText], Field(min_length=1)]
    workdir: OptionalPath = ""
    stdin: OptionalPath = ""
    stdout: OptionalPath = ""
    stderr: OptionalPath = ""
    env: dict[Annotated[str, AfterValidator(_variable)], SystemText] = {}
    ignore_error: bool = False


class Resources(_Part):
    """`tesResources`."""

    cpu_cores: Amount = 1
    preemptible: bool = False
    ram_gb: Amount = 0
    disk_gb: Amount = 0
    zones: list[str] = []
    backend_parameters: dict[str, str] = {}
    backend_parameters_strict: bool = False


class Task(_Part):
    """`tesTask`, what a client may say of it."""

    name: str = ""
    description: str = ""
    inputs: list[Input] = []
    outputs: list[Output] = []
    resources: Resources = Resources()
    executors: Annotated[list[Executor], Field(min_length=1)]
    volumes: list[Place] = []
    tags: dict[str, str] = {}


def _in_words(error: Mapping[str, Any]) -> FieldError:
    where = ""
    for part in error["loc"]:
        if part == "[key]":
            continue
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    match error["type"]:
        case "missing":
            text = "is required"
        case "string_pattern_mismatch":
            text = "must be FILE or DIRECTORY"
        case "model_type":
            text = "must be a JSON object"
        case "too_short" | "string_too_short":
            text = "must not be empty"
        case _:
            text = str(error["msg"]).removeprefix("Value error, ")
    return FieldError(where or "body", text)


def _meaning(document: Mapping[str, Any], limits: Limits) -> Iterator[FieldError]:
    """Check what goes beyond single fields (TES 1.1.0, descriptions)."""
    for index, each in enumerate(document.get("inputs", ())):
        if each.get("content"):
            continue  # the URL is to be ignored
        if each.get("url"):
            yield from _url(each["url"], f"inputs[{index}].url")
        elif "content" not in each:
            yield FieldError(f"inputs[{index}].url", "is required unless content is set")
    for index, each in enumerate(document.get("outputs", ())):
        yield from _url(each["url"], f"outputs[{index}].url")
        prefix = each.get("path_prefix")
        if is_pattern(each["path"], prefix):
            if not prefix:
                yield FieldError(f"outputs[{index}].path_prefix", "is required where path has wildcards")
            elif not each["path"].startswith(prefix):
                yield FieldError(f"outputs[{index}].path_prefix", "must be what path starts with")
    yield from _resources(document.get("resources", {}), limits)


def _url(url: str, where: str) -> Iterator[FieldError]:
    fault = urls.fault_of(url)
    if fault:
        yield FieldError(where, fault)


def _resources(resources: Mapping[str, Any], limits: Limits) -> Iterator[FieldError]:
    most = {"cpu_cores": limits.cpu_cores, "ram_gb": limits.ram_gb, "disk_gb": limits.disk_gb}
    for field, limit in most.items():
        if limit is not None and resources.get(field, 0) > limit:
            yield FieldError(f"resources.{field}", f"must be at most {limit:g}, which is what this node has")
    if resources.get("backend_parameters_strict"):
        for key in resources.get("backend_parameters", ()):
            yield FieldError(f"resources.backend_parameters.{key}", "is not supported; this node supports none")


def _without_backend_parameters(document: dict[str, Any]) -> list[str]:
    """Leave out what is not supported, as the specification asks, and say so."""
    dropped = document.get("resources", {}).pop("backend_parameters", {})
    return [f"the backend parameter {key} is not supported and has been left out" for key in dropped]
