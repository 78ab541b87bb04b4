"""Is a task document right? Its shape by the schema of `openapi/tes.yaml`, its meaning by the specification's prose.

Every error is collected, each with the field's path and its mend.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from connexion.decorators.validation import RequestBodyValidator
from connexion.json_schema import Draft4RequestValidator
from jsonschema import ValidationError

from protes.api.problems import FieldError, invalid

_MOST_ERRORS = 20
_MOST_SHOWN = 60


class BodyValidator(RequestBodyValidator):  # type: ignore[misc]
    """connexion's body validation with our errors: all of them, by path, saying what is right."""

    def validate_schema(self, data: Any, url: str) -> None:
        """Check a body against the operation's schema.

        Raises:
            Problem: 400 with every error.
        """
        del url  # connexion logs it; the error handler logs the path
        errors = [schema_error(error) for error in islice(self.validator.iter_errors(data), _MOST_ERRORS)]
        if errors:
            raise invalid(errors)


class TaskSchema:
    """The schema of `tesTask` in `openapi/tes.yaml`, for tasks that come another way than POST /tasks."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the schema from the OpenAPI document."""
        schema = {"$ref": "#/components/schemas/tesTask", "components": document["components"]}
        self._validator = Draft4RequestValidator(schema)

    def check(self, task: Any) -> None:
        """Check a task's shape.

        Raises:
            Problem: 400 with every error.
        """
        errors = [schema_error(error) for error in islice(self._validator.iter_errors(task), _MOST_ERRORS)]
        if errors:
            raise invalid(errors)


def schema_error(error: ValidationError) -> FieldError:
    """Put a schema violation in words."""
    path = path_of(error.absolute_path)
    found = _shown(error.instance)
    wanted: Any = error.validator_value
    match error.validator:
        case "required":
            found_in: Any = error.instance
            missing = next(name for name in wanted if name not in found_in)
            return FieldError(f"{path}.{missing}" if path else missing, "is required")
        case "type":
            return FieldError(path or "body", f"must be {_type_name(wanted)}, not {found}")
        case "enum":
            return FieldError(path, f"must be one of {', '.join(wanted)}, not {found}")
        case _:
            return FieldError(path or "body", error.message[:200])


def path_of(parts: Sequence[str | int]) -> str:
    """Write a path as people do: `executors[0].command`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def semantic_errors(document: Mapping[str, Any]) -> list[FieldError]:
    """Check what the schema cannot say (TES 1.1.0, descriptions of the fields)."""
    return [
        *_executor_errors(document["executors"]),
        *_input_errors(document.get("inputs", ())),
        *_output_errors(document.get("outputs", ())),
        *_resource_errors(document.get("resources", {})),
        *_absolute(document.get("volumes", ()), "volumes"),
        *(FieldError("tags", "a key must not be empty") for key in document.get("tags", {}) if key == ""),
    ][:_MOST_ERRORS]


def _executor_errors(executors: Sequence[Mapping[str, Any]]) -> Iterator[FieldError]:
    if not executors:
        yield FieldError("executors", "must hold at least one executor")
    for index, executor in enumerate(executors):
        where = f"executors[{index}]"
        if not executor["image"]:
            yield FieldError(f"{where}.image", "must name a container image")
        if not executor["command"]:
            yield FieldError(f"{where}.command", "must hold at least the program to run")
        for field in ("workdir", "stdin", "stdout", "stderr"):
            # Clients that write every field send "" for one that is not set.
            if executor.get(field):
                yield from _absolute_one(executor[field], f"{where}.{field}")


def _input_errors(inputs: Sequence[Mapping[str, Any]]) -> Iterator[FieldError]:
    for index, each in enumerate(inputs):
        where = f"inputs[{index}]"
        yield from _absolute_one(each["path"], f"{where}.path")
        if not each.get("url") and "content" not in each:
            yield FieldError(f"{where}.url", "is required unless content is set")


def _output_errors(outputs: Sequence[Mapping[str, Any]]) -> Iterator[FieldError]:
    for index, each in enumerate(outputs):
        where = f"outputs[{index}]"
        yield from _absolute_one(each["path"], f"{where}.path")
        if not each["url"]:
            yield FieldError(f"{where}.url", "must say where the output goes")
        if any(sign in each["path"] for sign in "*?") and not each.get("path_prefix"):
            yield FieldError(f"{where}.path_prefix", "is required where path has wildcards")


def _resource_errors(resources: Mapping[str, Any]) -> Iterator[FieldError]:
    for field in ("cpu_cores", "ram_gb", "disk_gb"):
        amount = resources.get(field, 0)
        if not 0 <= amount <= 1_000_000:
            yield FieldError(f"resources.{field}", "must be a number from 0 to 1000000")


def _absolute(paths: Sequence[str], where: str) -> Iterator[FieldError]:
    for index, path in enumerate(paths):
        yield from _absolute_one(path, f"{where}[{index}]")


def _absolute_one(path: str, where: str) -> Iterator[FieldError]:
    if not path.startswith("/"):
        yield FieldError(where, "must be an absolute path, starting with /")
    elif "\0" in path:
        yield FieldError(where, "must not hold a NUL character")


def _type_name(types: str | Sequence[str]) -> str:
    names = {"object": "a JSON object", "array": "a list", "string": "a string", "integer": "a whole number"}
    names |= {"number": "a number", "boolean": "true or false", "null": "null"}
    listed = [types] if isinstance(types, str) else types
    return " or ".join(names.get(name, name) for name in listed)


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…"
