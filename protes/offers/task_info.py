"""TEStribute's `tasks/task-info`: what a task of given resources would cost and take (STANDARDS.md 3.1).

One answer for the whole federation: the figures of the best offer, so that gateways nest and TEStribute's clients work.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from middleware import Network
from protes.offers.errors import InvalidRequest
from protes.planning.planner import PlannedOffer

_YEAR = 31_536_000
_RUNTIME_TAG = "protes.runtime_seconds"
_PROBE: Mapping[str, Any] = {"image": "task-info", "command": ["task-info"]}
_MICRO = 1_000_000


def task_for(document: Any) -> dict[str, Any]:
    """Return a TES document that asks for the resources of a task-info request.

    Args:
        document: the parsed body, without nulls in objects: fields of `tesResources`, and `execution_time_sec`.

    Raises:
        InvalidRequest: it is no object, or the time is none.
    """
    if not isinstance(document, Mapping):
        raise InvalidRequest([("body", "must be an object: fields of tesResources, and execution_time_sec")])
    resources = {name: value for name, value in document.items() if name != "execution_time_sec"}
    task: dict[str, Any] = {"executors": [dict(_PROBE)], "resources": resources}
    seconds = document.get("execution_time_sec")
    if seconds is None:
        return task  # then learned or the operator's figure stands in
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _YEAR:
        raise InvalidRequest([("execution_time_sec", f"must be a number of seconds, more than 0 and at most {_YEAR}")])
    return {**task, "tags": {_RUNTIME_TAG: str(math.ceil(seconds))}}


def task_info(best: PlannedOffer, network: Network, currency: str) -> dict[str, Any]:
    """Answer the best offer's figures; what is not known is left out.

    Transfer has one price per GB and 1000 km there and is priced by zones here: what is said is the price of a GB that
    leaves its zone, however far it goes.
    """
    estimate = best.offer.estimate
    parts: dict[str, Any] = {}
    for name, micro in (
        ("estimated_compute_costs", estimate.compute_micro),
        ("estimated_storage_costs", estimate.disk_micro),
    ):
        if micro is not None:
            parts[name] = {"amount": micro / _MICRO, "currency": currency}
    if estimate.queue_ms is not None:
        parts["estimated_queue_time_sec"] = estimate.queue_ms / 1000
    unit = {"amount": float(Decimal(network.egress_gb)), "currency": network.currency}
    return {**parts, "unit_costs_data_transfer": unit}
