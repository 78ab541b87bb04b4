"""Offers and reasons as `openapi/protes.yaml` has them: decimals in strings, seconds as numbers, unknown left out."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from middleware import Context, Estimate, Reason, TaskView
from protes.clock import rfc3339

if TYPE_CHECKING:
    from protes.planning.planner import Plan, PlannedOffer

_COSTS = {
    "compute": "compute_micro",
    "disk": "disk_micro",
    "staging": "staging_micro",
    "transfer": "transfer_micro",
}
_TIMES = {"queue": "queue_ms", "stage_in": "stage_in_ms", "run": "run_ms", "stage_out": "stage_out_ms"}
_WITH_REPLICAS = 20
_MOST_REPLICAS = 100


def candidates(plan: "Plan", currency: str, most: int, now: datetime) -> list[dict[str, Any]]:
    """List each instance's offer, best first and at most `most`, then each one's reason."""
    return [offered(each, plan, currency, now) for each in plan.offers[:most]] + reasons(plan.reasons)


def reasons(rejected: Mapping[str, Reason]) -> list[dict[str, Any]]:
    """List why instances are out, by id."""
    return [
        {
            "instance": name,
            "outcome": "rejected",
            "reason": {"code": reason.code, "text": reason.text, "permanent": reason.permanent},
        }
        for name, reason in sorted(rejected.items())
    ]


def offered(each: "PlannedOffer", plan: "Plan", currency: str, now: datetime) -> dict[str, Any]:
    """Describe one instance's offer; where the task would read its inputs is said of the best twenty."""
    offer, estimate = each.offer, each.offer.estimate
    entry: dict[str, Any] = {"instance": each.instance.id, "outcome": "offer", "rank": each.rank}
    if offer.shown_score is not None:
        entry["score"] = f"{float(offer.shown_score):.6f}"
    if offer.cost_micro is not None:
        entry["cost"] = {"amount": money(offer.cost_micro), "currency": currency}
        entry |= _unless_empty("costs", _costs(estimate))
    if offer.time_ms is not None:
        entry["seconds"] = float(seconds(offer.time_ms))
        entry |= _unless_empty("times", times(estimate))
    if estimate.queue_ms is not None:
        entry["earliest_start"] = rfc3339(now + timedelta(milliseconds=estimate.queue_ms))
    if offer.basis is not None:
        entry["basis"] = offer.basis
    entry |= _unless_empty("bases", dict(estimate.bases))
    entry |= _unless_empty("imputed", list(estimate.imputed))
    entry |= _unless_empty("notes", list(offer.notes))
    if each.rank <= _WITH_REPLICAS:
        entry |= _unless_empty("replicas", replicas(plan.task, plan.context, estimate))
    return entry


def times(estimate: Estimate) -> dict[str, float]:
    """List the parts of the time, and where they lie in 80 of 100 cases, seconds."""
    parts = {
        name: getattr(estimate, field) / 1000 for name, field in _TIMES.items() if getattr(estimate, field) is not None
    }
    for name, interval in (("queue", estimate.queue_interval_ms), ("run", estimate.run_interval_ms)):
        if interval is not None:
            parts |= {f"{name}_low": interval[0] / 1000, f"{name}_high": interval[1] / 1000}
    return parts


def replicas(task: TaskView, context: Context, estimate: Estimate) -> list[dict[str, str]]:
    """List where each input with a choice of places would be read. Queries may hold secrets and are left out."""
    chosen: list[dict[str, str]] = []
    for number, (item, index) in enumerate(zip(task.inputs, estimate.replicas, strict=False)):
        known = context.data.get(item.url or "")
        if index < 0 or known is None or index >= len(known.replicas):
            continue
        replica = known.replicas[index]
        entry = {"input": f"inputs[{number}]", "url": bare(replica.url)}
        chosen.append(entry | ({"zone": replica.zone} if replica.zone else {}))
    return chosen[:_MOST_REPLICAS]


def bare(url: str) -> str:
    """Return a URL without user, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def money(micro: int) -> str:
    """Write micro-units of money as a decimal amount."""
    return f"{Decimal(micro) / 1_000_000:.6f}"


def seconds(milliseconds: int) -> str:
    """Write milliseconds as seconds."""
    return f"{milliseconds / 1000:.3f}"


def summary(offers: Sequence["PlannedOffer"], rejected: Mapping[str, Reason], currency: str, most: int) -> str:
    """Say in a line what each instance offered, best first, and why others did not."""
    texts = []
    for each in offers:
        figures = [f"{money(each.offer.cost_micro)} {currency}"] if each.offer.cost_micro is not None else []
        figures += [f"{seconds(each.offer.time_ms)} s"] if each.offer.time_ms is not None else []
        texts.append(f"{each.instance.id} {' '.join(figures)}".rstrip())
    texts += [f"{name}: {reason.text}" for name, reason in sorted(rejected.items())]
    more = len(texts) - most
    return "; ".join(texts[:most]) + (f"; and {more} more" if more > 0 else "")


def _costs(estimate: Estimate) -> dict[str, str]:
    return {
        name: money(getattr(estimate, field)) for name, field in _COSTS.items() if getattr(estimate, field) is not None
    }


def _unless_empty(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}
