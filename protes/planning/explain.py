"""Every choice explained: in full for `GET /protes/v1/tasks/{id}/routing`, in strings for `logs[].metadata`."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from middleware import Estimate, Reason, TraceEntry
from protes.learning.observing import QUEUED, RUN_COST, RUN_SECONDS, WAIT_SECONDS
from protes.planning import offer_documents
from protes.planning.offer_documents import money, seconds
from protes.store.records import TaskRecord

if TYPE_CHECKING:
    from protes.planning.planner import Plan, PlannedOffer

_OWN_BASES = frozenset({"learned", "default", "configured"})
"""Of a wait that the gateway predicted itself; what an instance reports is not for learning to mend."""
_MOST_TRACE = 1000
_SUMMARISED = 5
_LONGEST_TEXT = 1000
_OTHERS = "ms-submitter-"
_SAID_ELSEWHERE = ("weight", "carrier", "value_of_time")


def metadata(record: TaskRecord, plan: "Plan", chosen: "PlannedOffer", currency: str) -> dict[str, str]:
    """Summarise a choice as the flat strings that `logs[].metadata` holds by specification."""
    offer, instance = chosen.offer, chosen.instance
    texts = {
        "protes.instance": instance.id,
        "protes.instance_url": instance.base_url or "",
        "protes.routing": f"/protes/v1/tasks/{record.id}/routing",
        "protes.rank": str(chosen.rank),
        "protes.offers": offer_documents.summary(plan.offers, plan.reasons, currency, _SUMMARISED),
        "protes.chain": "; ".join(f"{each.step} {each.text}" for each in plan.steps()),
        **preferred(record),
        **{_shown_as(name): value for name, value in plan.distribution.metadata.items()},
    }
    if offer.cost_micro is not None:
        texts["protes.cost"] = f"{money(offer.cost_micro)} {currency}"
    if offer.time_ms is not None:
        texts["protes.seconds"] = seconds(offer.time_ms)
    if offer.basis is not None:
        texts["protes.basis"] = offer.basis
    wait = offer.estimate.queue_ms
    if wait is not None and offer.estimate.bases.get("queue_seconds") in _OWN_BASES:
        # Learning compares it with the wait that comes (protes.learning.observing).
        texts[WAIT_SECONDS], texts[QUEUED] = seconds(wait), str(instance.queued)
    texts |= _run(offer.estimate, currency)
    places = offer_documents.replicas(plan.task, plan.context, offer.estimate)
    if places:
        texts["protes.replicas"] = "; ".join(f"{each['input']} {each['url']}" for each in places)
    prices = instance.settings.prices
    if prices is not None and prices.vm_hour_usd is not None:
        texts["vm_price_per_hour_usd"] = str(prices.vm_hour_usd)
    return {name: text[:_LONGEST_TEXT] for name, text in texts.items() if text}


def _run(estimate: Estimate, currency: str) -> dict[str, str]:
    """What the run alone takes and costs, to be compared with what it took (protes.metrics.tasks)."""
    if estimate.run_ms is None or estimate.compute_micro is None:
        return {}
    cost = money(estimate.compute_micro + (estimate.disk_micro or 0))
    return {RUN_SECONDS: seconds(estimate.run_ms), RUN_COST: f"{cost} {currency}"}


def _shown_as(name: str) -> str:
    """Ours are under `protes.`; what clients of another server look for keeps its name."""
    return name if name.startswith(_OTHERS) else f"protes.{name}"


def preferred(record: TaskRecord) -> dict[str, str]:
    """Say what the choice was weighed by."""
    value = record.preference.get("value_of_time")
    return {"protes.value_of_time": value} if value else {"protes.weight": str(record.preference["weight"])}


def explanation(record: TaskRecord, plan: "Plan", currency: str, most: int, now: datetime) -> dict[str, Any]:
    """Make the explanation of a plan, as `openapi/protes.yaml` has it but for the attempts and the outcome.

    The best `most` offers are kept and the trace is cut at 1000 entries; `omitted` says how many offers are not there.
    """
    return {
        **without_plan(record),
        "metadata": dict(plan.distribution.metadata),
        "candidates": offer_documents.candidates(plan, currency, most, now),
        "omitted": max(0, len(plan.offers) - most),
        "trace": [_traced(entry) for entry in plan.distribution.trace[:_MOST_TRACE]],
    }


def without_plan(record: TaskRecord) -> dict[str, Any]:
    """Say what is known of a task that was never placed."""
    value = record.preference.get("value_of_time")
    others = {name: value for name, value in record.preference.items() if name not in _SAID_ELSEWHERE}
    return {
        "task_id": record.id,
        "weight": str(record.preference["weight"]),
        **({"value_of_time": value} if value else {}),
        "carrier": record.preference["carrier"],
        **({"preference": others} if others else {}),
        "candidates": [],
        "omitted": 0,
        "trace": [],
    }


def waiting(reasons: Mapping[str, Reason]) -> str:
    """Say in a line what stands in the way at each instance."""
    return "; ".join(f"{name}: {reason.text}" for name, reason in reasons.items())


def _traced(entry: TraceEntry) -> dict[str, Any]:
    about = {"instance": entry.candidate_id} if entry.candidate_id is not None else {}
    return {"step": entry.step, "kind": entry.kind, "outcome": entry.outcome, "text": entry.text, **about}
