"""Makes the document that an instance is sent from the client's (DIALECTS.md 2.2). Pure.

It is built anew from the fields of the specification: nothing that a client added, nothing empty, nothing that a
server sets.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from protes.tes.dialects.base import FIELDS_OF_1_1, Dialect
from protes.tes.urls import without_credentials

ATTEMPT_TAG = "protes_attempt"
"""Carries the marker; no dots, since Funnel on MongoDB cannot filter by a key that has one."""

GATEWAY_TAG = "protes_gateway"
"""Ids of the gateways passed, oldest first, joined by commas."""

PREFERENCE_PREFIX = "protes."
CONTROL_PREFIX = "protes_"

PASSED_ON = (
    "weight",
    "value_of_time",
    "max_cost",
    "deadline_seconds",
    "runtime_seconds",
    "allowed_zones",
    "affinity",
)
"""What a nested protes is told of the effective preference (DESIGN.md section 4, "Loops")."""

_TASK_TEXTS = ("name", "description")
_INPUT_TEXTS = ("name", "description", "path")
_OUTPUT_TEXTS = ("name", "description", "url", "path", "path_prefix")
_EXECUTOR_TEXTS = ("image", "workdir", "stdin", "stdout", "stderr")
_AMOUNTS = ("cpu_cores", "ram_gb", "disk_gb")


def marker(task_id: str, n: int) -> str:
    """Return what an attempt is found again by: the gateway's id of the task, and the attempt's number."""
    return f"{task_id}-{n}"


def build_request(
    document: Mapping[str, Any],
    dialect: Dialect,
    *,
    marker: str,
    gateways: Sequence[str],
    preference: Mapping[str, Any] | None = None,
    url_credentials: bool | None = None,
) -> dict[str, Any]:
    """Make the document to forward. The client's is not changed.

    Args:
        document: the client's task, valid.
        dialect: of the instance.
        marker: from `marker`.
        gateways: ids of the gateways passed, oldest first, ours included.
        preference: the effective preference by name without prefix; only a protes is told of it.
        url_credentials: send `user:password@` in URLs; None: where the dialect needs them.
    """
    if not (dialect.needs_url_credentials if url_credentials is None else url_credentials):
        document = _without_url_credentials(document)
    name = document.get("name") or ""
    texts = _texts(document, _TASK_TEXTS)
    if dialect.searchable == "name_prefix":
        texts["name"] = f"{marker} {name}".rstrip()
    tags = _client_tags(document, dialect)
    if dialect.takes_preference:
        tags |= _preference_tags(preference or {})
    tags |= {ATTEMPT_TAG: marker, GATEWAY_TAG: ",".join(gateways)}
    request = texts | _unless_empty(
        inputs=[_input(each, dialect) for each in document.get("inputs") or ()],
        outputs=[_output(each, dialect) for each in document.get("outputs") or ()],
        resources=_resources(document.get("resources") or {}, dialect),
        executors=[_executor(each, dialect) for each in document.get("executors") or ()],
        volumes=[each for each in document.get("volumes") or () if each],
        tags=tags,
    )
    return dialect.adapt(request)


def _without_url_credentials(document: Mapping[str, Any]) -> dict[str, Any]:
    """Take `user:password@` out of what is fetched and stored; content, commands and variables are the task's own."""
    parts = {
        part: [{**each, "url": without_credentials(each["url"])} if each.get("url") else each for each in items]
        for part in ("inputs", "outputs")
        if (items := document.get(part))
    }
    return {**document, **parts}


def _input(item: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """`tesInput` with exactly one of url and content; content wins, as the specification says, unless it is empty."""
    result = _texts(item, _INPUT_TEXTS)
    if item.get("content"):
        result["content"] = item["content"]
    elif item.get("url"):
        result["url"] = item["url"]
    elif item.get("content") == "":
        result["content"] = ""  # an empty file; planning keeps it from servers that cannot make one
    result["type"] = item.get("type") or "FILE"
    return result | _flags(item, ("streamable",), dialect)


def _output(item: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    return _texts(item, _taken(_OUTPUT_TEXTS, dialect)) | {"type": item.get("type") or "FILE"}


def _executor(item: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """`tesExecutor`; an empty argument or variable means something and stays."""
    result: dict[str, Any] = _texts(item, _EXECUTOR_TEXTS)
    result["command"] = [each for each in item.get("command") or () if each is not None]
    env = {key: value for key, value in (item.get("env") or {}).items() if value is not None}
    return result | _unless_empty(env=env) | _flags(item, ("ignore_error",), dialect)


def _resources(resources: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    result = {name: resources[name] for name in _AMOUNTS if _is_amount(resources.get(name))}
    if "cpu_cores" in result:
        result["cpu_cores"] = _cores(result["cpu_cores"], whole=dialect.integer_cpu)
    result |= _flags(resources, ("preemptible",), dialect)
    result |= _unless_empty(zones=[each for each in resources.get("zones") or () if each])
    parameters = {
        key: value
        for key, value in (resources.get("backend_parameters") or {}).items()
        if value is not None and not key.lower().startswith(CONTROL_PREFIX)
    }
    if parameters and "backend_parameters" in dialect.takes_fields:
        result["backend_parameters"] = parameters
        result |= _flags(resources, ("backend_parameters_strict",), dialect)
    return result


def _cores(value: float, *, whole: bool) -> float:
    """Whole numbers as integers, others rounded up where the instance wants integers."""
    return math.ceil(value) if whole or float(value).is_integer() else value


def _is_amount(value: Any) -> bool:
    """Whether it asks for something: zero means not set, and JSON knows no infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _client_tags(document: Mapping[str, Any], dialect: Dialect) -> dict[str, str]:
    """The client's tags but ours and those that would control the server."""
    return {
        key: value
        for key, value in (document.get("tags") or {}).items()
        if key
        and value is not None
        and not key.startswith((PREFERENCE_PREFIX, CONTROL_PREFIX))
        and not any(_fits(key, pattern) for pattern in dialect.strip_tags)
    }


def _preference_tags(preference: Mapping[str, Any]) -> dict[str, str]:
    # A weight beside a value of time is what was the default here, and the next gateway would refuse the two.
    without = "weight" if preference.get("value_of_time") else ""
    return {
        PREFERENCE_PREFIX + name: _tag_value(preference[name])
        for name in PASSED_ON
        if name != without and preference.get(name) not in (None, "", (), [])
    }


def _tag_value(value: Any) -> str:
    """Tags are strings: texts as they are, lists and numbers as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _fits(key: str, pattern: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def _texts(item: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: item[name] for name in names if item.get(name)}


def _flags(item: Mapping[str, Any], names: Sequence[str], dialect: Dialect) -> dict[str, Any]:
    return {name: item[name] for name in _taken(names, dialect) if isinstance(item.get(name), bool)}


def _taken(names: Sequence[str], dialect: Dialect) -> tuple[str, ...]:
    """Those of the fields that the dialect takes; all take what TES 1.0 had."""
    return tuple(name for name in names if name not in FIELDS_OF_1_1 or name in dialect.takes_fields)


def _unless_empty(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
