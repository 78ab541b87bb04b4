"""Is a task document right for this node? Shape and meaning by TES 1.1.0, every error with its field's path."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from protes.node.problems import FieldError
from protes.node.settings import NodeSettings

_MOST_ERRORS = 20
_SCHEMES = ("file", "http", "https")
_EXECUTOR_PATHS = ("workdir", "stdin", "stdout", "stderr")

Errors = Iterator[FieldError]
Check = Callable[[Any, str], Errors]


def errors_of(document: Mapping[str, Any], settings: NodeSettings) -> list[FieldError]:
    """Return what is wrong with a task document that holds no nulls; its meaning only where the shape is right."""
    found = list(_TASK(document, ""))
    if not found:
        found = [*_meaning(document), *_resources(document.get("resources", {}), settings)]
    return found[:_MOST_ERRORS]


def _text(value: Any, where: str) -> Errors:
    if not isinstance(value, str):
        yield FieldError(where, "must be a string")
    elif "\0" in value:
        yield FieldError(where, "must not hold a NUL character")


def _content(value: Any, where: str) -> Errors:
    if not isinstance(value, str):
        yield FieldError(where, "must be a string")


def _flag(value: Any, where: str) -> Errors:
    if not isinstance(value, bool):
        yield FieldError(where, "must be true or false")


def _amount(value: Any, where: str) -> Errors:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    # Compared before it is made a float: a JSON integer may be larger than any float.
    if not number or not 0 <= value <= 1_000_000 or not math.isfinite(value):
        yield FieldError(where, "must be a number from 0 to 1000000")


def _file_type(value: Any, where: str) -> Errors:
    if value not in ("FILE", "DIRECTORY"):
        yield FieldError(where, "must be FILE or DIRECTORY")


def _list_of(check: Check) -> Check:
    def check_list(value: Any, where: str) -> Errors:
        if not isinstance(value, list):
            yield FieldError(where, "must be a list")
            return
        for index, item in enumerate(value):
            yield from check(item, f"{where}[{index}]")

    return check_list


def _texts_by_name(value: Any, where: str) -> Errors:
    if not isinstance(value, dict):
        yield FieldError(where, "must be an object of strings")
        return
    for name, item in value.items():
        yield from _text(item, f"{where}.{name}")


def _object(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    def check_object(value: Any, where: str) -> Errors:
        if not isinstance(value, dict):
            yield FieldError(where or "body", "must be a JSON object")
            return
        prefix = f"{where}." if where else ""
        for name in required:
            if name not in value:
                yield FieldError(prefix + name, "is required")
        for name, check in fields.items():
            if name in value:
                yield from check(value[name], prefix + name)

    return check_object


_FILE: dict[str, Check] = {"name": _text, "description": _text, "url": _text, "path": _text, "type": _file_type}
_INPUT = _object({**_FILE, "content": _content, "streamable": _flag}, ("path",))
_OUTPUT = _object({**_FILE, "path_prefix": _text}, ("path", "url"))
_EXECUTOR = _object(
    {
        "image": _text,
        "command": _list_of(_text),
        **dict.fromkeys(_EXECUTOR_PATHS, _text),
        "env": _texts_by_name,
        "ignore_error": _flag,
    },
    ("image", "command"),
)
_RESOURCES = _object(
    {
        "cpu_cores": _amount,
        "ram_gb": _amount,
        "disk_gb": _amount,
        "preemptible": _flag,
        "zones": _list_of(_text),
        "backend_parameters": _texts_by_name,
        "backend_parameters_strict": _flag,
    }
)
_TASK = _object(
    {
        "name": _text,
        "description": _text,
        "inputs": _list_of(_INPUT),
        "outputs": _list_of(_OUTPUT),
        "resources": _RESOURCES,
        "executors": _list_of(_EXECUTOR),
        "volumes": _list_of(_text),
        "tags": _texts_by_name,
    },
    ("executors",),
)


def _meaning(document: Mapping[str, Any]) -> Errors:
    if not document["executors"]:
        yield FieldError("executors", "must hold at least one executor")
    for index, executor in enumerate(document["executors"]):
        yield from _executor(executor, f"executors[{index}]")
    for index, each in enumerate(document.get("inputs", ())):
        yield from _input(each, f"inputs[{index}]")
    for index, each in enumerate(document.get("outputs", ())):
        yield from _output(each, f"outputs[{index}]")
    for index, path in enumerate(document.get("volumes", ())):
        yield from _absolute(path, f"volumes[{index}]")


def _executor(executor: Mapping[str, Any], where: str) -> Errors:
    if not executor["image"]:
        yield FieldError(f"{where}.image", "must name a container image")
    if not executor["command"] or not executor["command"][0]:
        yield FieldError(f"{where}.command", "must hold at least the program to run")
    for field in _EXECUTOR_PATHS:
        if executor.get(field):  # clients that write every field send "" for one that is not set
            yield from _absolute(executor[field], f"{where}.{field}")
    for name in executor.get("env", {}):
        if not name or "=" in name or "\0" in name:
            yield FieldError(f"{where}.env", f"{name!r} cannot be the name of an environment variable")


def _input(each: Mapping[str, Any], where: str) -> Errors:
    yield from _absolute(each["path"], f"{where}.path")
    if each.get("content"):
        if each.get("type") == "DIRECTORY":
            yield FieldError(f"{where}.type", "must be FILE where content is set")
    elif each.get("url"):
        yield from _url(each["url"], f"{where}.url")
    elif "content" not in each:
        yield FieldError(f"{where}.url", "is required unless content is set")


def _output(each: Mapping[str, Any], where: str) -> Errors:
    yield from _absolute(each["path"], f"{where}.path")
    if not each["url"]:
        yield FieldError(f"{where}.url", "must say where the output goes")
    else:
        yield from _url(each["url"], f"{where}.url")
    # A bracket alone is no sign of one: names hold them.
    if any(sign in each["path"] for sign in "*?") and not each.get("path_prefix"):
        yield FieldError(f"{where}.path_prefix", "is required where path has wildcards")


def _url(url: str, where: str) -> Errors:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        yield FieldError(where, "must be a URL")
        return
    if not url.startswith("/") and scheme not in _SCHEMES:
        yield FieldError(where, "must be an absolute path or a URL whose scheme is file, http or https")


def _absolute(path: str, where: str) -> Errors:
    if not path.startswith("/"):
        yield FieldError(where, "must be an absolute path, starting with /")


def _resources(resources: Mapping[str, Any], settings: NodeSettings) -> Errors:
    has = {"cpu_cores": settings.slots, "ram_gb": settings.ram_gb, "disk_gb": settings.disk_gb}
    for field, most in has.items():
        if most is not None and resources.get(field, 0) > most:
            yield FieldError(f"resources.{field}", f"must be at most {most:g}, which is what this node has")
    if resources.get("backend_parameters_strict") and resources.get("backend_parameters"):
        yield FieldError("resources.backend_parameters", "must be empty where strict: this node supports none")
