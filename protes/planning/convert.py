"""protes' own types as middleware's: nothing of protes reaches a middleware (DESIGN.md section 3)."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from middleware import (
    Candidate,
    ExecutorView,
    Feature,
    InputView,
    Limits,
    OutputView,
    Preference,
    Prices,
    Resources,
    TaskView,
    parse_weight,
)
from protes.federation.known import KnownInstance
from protes.tes.dialects.base import Dialect

_OWN_PARAMETERS = "protes_"


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


def preference(stored: Mapping[str, Any]) -> Preference:
    """Read the stored effective preference (protes.api.preference wrote it)."""
    weight = parse_weight(stored["weight"])
    return Preference(
        mode=weight.mode,
        weight_millionths=weight.millionths,
        runtime_seconds=stored.get("runtime_seconds"),
        allowed_zones=tuple(stored.get("allowed_zones", ())),
        carrier=stored["carrier"],
    )


def candidate(instance: KnownInstance, dialect: Dialect) -> Candidate:
    """Show an instance to middleware; what its dialect cannot do arrives as limits."""
    settings = instance.settings
    return Candidate(
        id=instance.id,
        url=instance.base_url or instance.key,
        name=instance.name,
        limits=_limits(instance, dialect),
        prices=_prices(instance),
        speed=settings.speed,
        queue_seconds=settings.queue_seconds,
        zone=settings.zone,
        coordinates=settings.coordinates,
        staging=settings.staging or "parallel",
        bills_staging=bool(settings.bills_staging),
        ingress_bytes_per_second=settings.ingress_bytes_per_second,
        rework=settings.rework,
        ejected=instance.ejection.reason if instance.ejection else None,
        in_flight=instance.in_flight,
        max_in_flight=settings.limits.max_in_flight,
    )


def _limits(instance: KnownInstance, dialect: Dialect) -> Limits:
    said, own = instance.limits, dialect.limits
    named = instance.probed.backend_parameters if instance.probed else ()
    return Limits(
        max_cpu_cores=said.max_cpu_cores,
        max_ram_gb=said.max_ram_gb,
        max_disk_gb=said.max_disk_gb,
        input_schemes=_lower(said.input_schemes) or own.input_schemes,
        output_schemes=_lower(said.output_schemes) or own.output_schemes,
        zones=frozenset(said.zones) if said.zones is not None else None,
        backend_parameters=_said(said.backend_parameters) or _said(named) or own.backend_parameters,
        max_executors=own.max_executors,
        token_kinds=_lower(said.token_kinds),
        unsupported=cast("frozenset[Feature]", own.unsupported),
    )


def _prices(instance: KnownInstance) -> Prices | None:
    prices = instance.settings.prices
    if prices is None:
        return None
    return Prices(**prices.model_dump(exclude={"vm_hour_usd"}))


def _said(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return frozenset(names) if names else None


def _lower(schemes: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if schemes is None else frozenset(scheme.lower() for scheme in schemes)


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
