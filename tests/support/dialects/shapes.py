"""TES documents as servers write them: which fields there are, and the ways in which empty ones are shown.

`every_field` shows all of them, zeros or nulls; `without_zeros` shows none that is empty; `camel` changes the keys;
`unknown_fields` finds what a strict server refuses.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

FIELDS: Mapping[str, Mapping[str, Any]] = {
    "task": {
        "id": "",
        "state": "UNKNOWN",
        "name": "",
        "description": "",
        "inputs": [],
        "outputs": [],
        "resources": None,
        "executors": [],
        "volumes": [],
        "tags": {},
        "logs": [],
        "creation_time": "",
    },
    "input": {
        "name": "",
        "description": "",
        "url": "",
        "path": "",
        "type": "FILE",
        "content": "",
        "streamable": False,
    },
    "output": {"name": "", "description": "", "url": "", "path": "", "path_prefix": "", "type": "FILE"},
    "resources": {
        "cpu_cores": 0,
        "preemptible": False,
        "ram_gb": 0,
        "disk_gb": 0,
        "zones": [],
        "backend_parameters": {},
        "backend_parameters_strict": False,
    },
    "executor": {
        "image": "",
        "command": [],
        "workdir": "",
        "stdin": "",
        "stdout": "",
        "stderr": "",
        "env": {},
        "ignore_error": False,
    },
    "task_log": {"logs": [], "metadata": {}, "start_time": "", "end_time": "", "outputs": [], "system_logs": []},
    "executor_log": {"start_time": "", "end_time": "", "stdout": "", "stderr": "", "exit_code": 0},
    "output_log": {"url": "", "path": "", "size_bytes": "0"},
}
"""The fields of TES 1.1.0 by object, each with its zero."""

SINCE_1_1 = frozenset({"streamable", "path_prefix", "backend_parameters", "backend_parameters_strict", "ignore_error"})
"""Those that TES 1.0 did not have."""

_NESTED: Mapping[tuple[str, str], str] = {
    ("task", "inputs"): "input",
    ("task", "outputs"): "output",
    ("task", "resources"): "resources",
    ("task", "executors"): "executor",
    ("task", "logs"): "task_log",
    ("task_log", "logs"): "executor_log",
    ("task_log", "outputs"): "output_log",
}

_MAPS = frozenset({"tags", "env", "metadata", "backend_parameters"})
"""Their keys belong to the client and are never changed."""


def every_field(document: Mapping[str, Any], kind: str = "task", *, nulls: bool = False) -> dict[str, Any]:
    """Show every field of an object: what is missing as its zero, or as null."""
    shown: dict[str, Any] = dict(document)
    for name, zero in FIELDS[kind].items():
        value, child = document.get(name), _NESTED.get((kind, name))
        if value is None:
            shown[name] = None if nulls else copy.deepcopy(zero)
        elif child is not None:
            shown[name] = (
                [every_field(each, child, nulls=nulls) for each in value]
                if isinstance(value, list)
                else every_field(value, child, nulls=nulls)
            )
    return shown


def without_zeros(document: Any) -> Any:
    """Leave out everything empty, zero or false, at every depth but in maps and lists of texts."""
    if isinstance(document, list):
        return [without_zeros(each) for each in document]
    if not isinstance(document, Mapping):
        return document
    slim = {name: value if name in _MAPS else without_zeros(value) for name, value in document.items()}
    return {name: value for name, value in slim.items() if value not in ("", 0, None, [], {}, False)}


def camel(document: Any) -> Any:
    """Write the keys in camelCase."""
    if isinstance(document, list):
        return [camel(each) for each in document]
    if not isinstance(document, Mapping):
        return document
    return {camel_name(name): value if name in _MAPS else camel(value) for name, value in document.items()}


def camel_name(name: str) -> str:
    """size_bytes -> sizeBytes."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def snake(document: Any) -> Any:
    """Write the keys that `camel` makes in snake_case again."""
    if isinstance(document, list):
        return [snake(each) for each in document]
    if not isinstance(document, Mapping):
        return document
    return {_SNAKE.get(name, name): value if name in _MAPS else snake(value) for name, value in document.items()}


def unknown_fields(document: Mapping[str, Any], known: frozenset[str], kind: str = "task") -> Iterator[str]:
    """Yield the names of fields that are not of the specification, or not among `known`."""
    for name, value in document.items():
        if name not in FIELDS[kind] or name not in known:
            yield name
        child = _NESTED.get((kind, name))
        if child is not None:
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, Mapping):
                    yield from unknown_fields(each, known, child)


ALL_FIELDS = frozenset(name for fields in FIELDS.values() for name in fields)
FIELDS_OF_1_0 = ALL_FIELDS - SINCE_1_1
_SNAKE: Mapping[str, str] = {camel_name(name): name for name in ALL_FIELDS}


def in_view(document: Mapping[str, Any], view: str) -> dict[str, Any]:
    """Cut a full task down to a view, as TES 1.1.0 says."""
    if view == "MINIMAL":
        return {"id": document["id"], "state": document["state"]}
    if view == "FULL":
        return dict(document)
    inputs = [_without(each, "content") for each in document.get("inputs") or ()]
    logs = [
        {
            **_without(log, "system_logs"),
            "logs": [_without(each, "stdout", "stderr") for each in log.get("logs") or ()],
        }
        for log in document.get("logs") or ()
    ]
    return {**document, **({"inputs": inputs} if "inputs" in document else {}), "logs": logs}


def _without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
