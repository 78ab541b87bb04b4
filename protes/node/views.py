"""What clients are shown of a node's tasks: the views of TES 1.1.0, without nulls, with nothing beyond its fields."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from protes.node.task_files import Contents, Task


class View(StrEnum):
    """The `view` parameter of TES 1.1.0."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


def minimal(task: Task) -> dict[str, Any]:
    """Show `id` and `state` alone."""
    return {"id": task.id, "state": str(task.state)}


def full(task: Task, contents: Contents) -> dict[str, Any]:
    """Show everything."""
    document = {**contents.document, **minimal(task), "creation_time": task.creation_time}
    return document if contents.log is None else {**document, "logs": [contents.log]}


def basic(task: Task, contents: Contents) -> dict[str, Any]:
    """Show everything but what executors wrote, the contents of inputs, and system logs."""
    document = full(task, contents)
    if "inputs" in document:
        document["inputs"] = [_less(each, "content") for each in document["inputs"]]
    if "logs" in document:
        document["logs"] = [_basic_log(each) for each in document["logs"]]
    return document


def _basic_log(log: Mapping[str, Any]) -> dict[str, Any]:
    executors = [_less(each, "stdout", "stderr") for each in log.get("logs", ())]
    return {**_less(log, "system_logs"), "logs": executors}


def _less(document: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in fields}
