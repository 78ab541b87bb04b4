"""protes' own types as middleware's: nothing of protes reaches a middleware (DESIGN.md section 3)."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from middleware import (
    ExecutorView,
    InputView,
    InstanceChoice,
    Money,
    OutputView,
    Preference,
    Resources,
    TaskView,
    parse_weight,
)
from protes.clock import parse_rfc3339

_OWN_PARAMETERS = "protes_"
TOKEN_UNTIL = "token_until"  # noqa: S105 (a name)
"""In a stored preference: until when the token that the caller brought can be passed on at the latest, RFC 3339."""


def task_view(task_id: str, document: Mapping[str, Any]) -> TaskView:
    """Show a normalised task document to middleware."""
    return TaskView(
        id=task_id,
        name=document.get("name"),
        description=document.get("description"),
        inputs=tuple(_input(each) for each in document.get("inputs", ())),
        outputs=tuple(OutputView(**each) for each in document.get("outputs", ())),
        executors=tuple(_executor(each) for each in document["executors"]),
        resources=_resources(document.get("resources", {})),
        volumes=tuple(document.get("volumes", ())),
        tags=document.get("tags", {}),
    )


def document(view: TaskView) -> dict[str, Any]:
    """Write a view, rewritten by middleware, as a task document; what is not set is left out."""
    resources = _set_fields(view.resources)
    task = {
        "name": view.name,
        "description": view.description,
        "inputs": [_set_fields(each, "size_bytes") for each in view.inputs],
        "outputs": [_set_fields(each) for each in view.outputs],
        "executors": [_set_fields(each) for each in view.executors],
        "resources": resources,
        "volumes": list(view.volumes),
        "tags": dict(view.tags),
    }
    return {key: value for key, value in task.items() if value not in (None, [], {})}


def has_token(stored: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether a task brought a token that can still be passed on; `stored` is its preference."""
    until = stored.get(TOKEN_UNTIL)
    return until is not None and now < parse_rfc3339(until)


def preference(stored: Mapping[str, Any]) -> Preference:
    """Read the stored effective preference (protes.api.preference wrote it)."""
    weight, choice = parse_weight(stored["weight"]), stored.get("instances")
    return Preference(
        mode=weight.mode,
        weight_millionths=weight.millionths,
        value_of_time=_money(stored.get("value_of_time")),
        max_cost=_money(stored.get("max_cost")),
        deadline_seconds=stored.get("deadline_seconds"),
        runtime_seconds=stored.get("runtime_seconds"),
        allowed_zones=tuple(stored.get("allowed_zones", ())),
        affinity=stored.get("affinity"),
        instances=InstanceChoice(type=choice["type"], instances=tuple(choice["instances"])) if choice else None,
        carrier=stored["carrier"],
    )


def _money(text: str | None) -> Money | None:
    """Read `12.50 EUR`, or `25 EUR/h`."""
    if text is None:
        return None
    amount, _, currency = text.removesuffix("/h").partition(" ")
    return Money(amount=Decimal(amount), currency=currency)


def _set_fields(value: Any, *without: str) -> dict[str, Any]:
    """Write a view's fields that differ from their defaults, collections as JSON has them."""
    written: dict[str, Any] = {}
    for each in fields(value):
        item = getattr(value, each.name)
        if each.name in without or item is None or item is False or item == () or item == {}:
            continue
        written[each.name] = (
            list(item) if isinstance(item, tuple) else dict(item) if isinstance(item, Mapping) else item
        )
    return written


def _input(document: Mapping[str, Any]) -> InputView:
    given = dict(document)
    if given.get("content"):
        given.pop("url", None)  # TES 1.1.0: url is ignored where content is not empty
    elif given.get("url"):
        given.pop("content", None)
    return InputView(**given)


def _executor(document: Mapping[str, Any]) -> ExecutorView:
    return ExecutorView(**{**document, "command": tuple(document["command"])})


def _resources(document: Mapping[str, Any]) -> Resources:
    parameters = document.get("backend_parameters", {})
    return Resources(
        cpu_cores=document.get("cpu_cores"),
        ram_gb=document.get("ram_gb"),
        disk_gb=document.get("disk_gb"),
        preemptible=document.get("preemptible"),
        zones=tuple(document.get("zones", ())),
        backend_parameters={
            key: value for key, value in parameters.items() if not key.lower().startswith(_OWN_PARAMETERS)
        },
        backend_parameters_strict=document.get("backend_parameters_strict", False),
    )
