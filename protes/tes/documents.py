"""TES documents: which fields TES 1.1.0 has, and the normal form in which the gateway keeps a client's task.

The table is what views, storage and forwarding agree on; a test holds it against `openapi/tes.yaml`.
"""

import math
from collections.abc import Mapping
from typing import Any

INPUT_FIELDS = ("name", "description", "url", "path", "type", "content", "streamable")
OUTPUT_FIELDS = ("name", "description", "url", "path", "path_prefix", "type")
EXECUTOR_FIELDS = ("image", "command", "workdir", "stdin", "stdout", "stderr", "env", "ignore_error")
RESOURCE_FIELDS = (
    "cpu_cores",
    "preemptible",
    "ram_gb",
    "disk_gb",
    "zones",
    "backend_parameters",
    "backend_parameters_strict",
)
TASK_FIELDS = ("name", "description", "inputs", "outputs", "resources", "executors", "volumes", "tags")
"""What a client sets of a task; `id`, `state`, `logs` and `creation_time` are the server's."""

_LISTS = {"inputs": INPUT_FIELDS, "outputs": OUTPUT_FIELDS, "executors": EXECUTOR_FIELDS}


def normalise(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task as it is kept: the specification's fields alone, with `type` on inputs and outputs.

    Args:
        document: a valid task document without nulls.
    """
    task = _only(document, TASK_FIELDS)
    for field, fields in _LISTS.items():
        if field in task:
            task[field] = [_only(item, fields) for item in task[field]]
    for item in (*task.get("inputs", ()), *task.get("outputs", ())):
        item.setdefault("type", "FILE")
    if "resources" in task:
        task["resources"] = _only(task["resources"], RESOURCE_FIELDS)
        _whole_cores(task["resources"])
    return task


def _only(document: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {field: document[field] for field in fields if field in document}


def _whole_cores(resources: dict[str, Any]) -> None:
    """Keep a whole number of cores as an integer: clients crash on `1.0` (ENGINES.md section 7)."""
    cores = resources.get("cpu_cores")
    if isinstance(cores, float) and cores.is_integer():
        resources["cpu_cores"] = int(cores)


def integer_cores(cores: float) -> int:
    """Round a number of cores up to the integer that TES 1.1 and older have."""
    return math.ceil(cores)
