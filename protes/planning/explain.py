"""Every choice explained: in full for `GET /protes/v1/tasks/{id}/routing`, in strings for `logs[].metadata`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from middleware import Offer, Reason, TraceEntry
from protes.federation.known import KnownInstance
from protes.store.records import TaskRecord

if TYPE_CHECKING:
    from protes.planning.planner import PlannedOffer

_MOST_CANDIDATES = 200
_MOST_TRACE = 1000


def metadata(record: TaskRecord, instance: KnownInstance, offer: Offer, currency: str) -> dict[str, str]:
    """Summarise a choice as the flat strings that `logs[].metadata` holds by specification."""
    texts = {
        "protes.instance": instance.id,
        "protes.instance_url": instance.base_url or "",
        "protes.weight": str(record.preference["weight"]),
        "protes.routing": f"/protes/v1/tasks/{record.id}/routing",
    }
    if offer.cost_micro is not None:
        texts["protes.cost"] = f"{money(offer.cost_micro)} {currency}"
    if offer.time_ms is not None:
        texts["protes.seconds"] = seconds(offer.time_ms)
    prices = instance.settings.prices
    if prices is not None and prices.vm_hour_usd is not None:
        texts["vm_price_per_hour_usd"] = str(prices.vm_hour_usd)
    return texts


def explanation(
    record: TaskRecord,
    offers: Sequence["PlannedOffer"],
    reasons: Mapping[str, Reason],
    trace: Sequence[TraceEntry],
    currency: str,
) -> dict[str, Any]:
    """Make the explanation of a plan, as `openapi/protes.yaml` has it but for the attempts.

    The best 200 offers are kept and the trace is cut at 1000 entries; `omitted` says how many offers are not there.
    """
    return {
        "task_id": record.id,
        "weight": str(record.preference["weight"]),
        "carrier": record.preference["carrier"],
        "candidates": candidates(offers, reasons, currency),
        "omitted": max(0, len(offers) - _MOST_CANDIDATES),
        "trace": [
            {
                "step": entry.step,
                "kind": entry.kind,
                "outcome": entry.outcome,
                "text": entry.text,
                **({"instance": entry.candidate_id} if entry.candidate_id is not None else {}),
            }
            for entry in trace[:_MOST_TRACE]
        ],
    }


def candidates(offers: Sequence["PlannedOffer"], reasons: Mapping[str, Reason], currency: str) -> list[dict[str, Any]]:
    """List each instance's offer, best first, then each one's reason."""
    offered = [_offered(each, currency) for each in offers[:_MOST_CANDIDATES]]
    rejected = [
        {
            "instance": name,
            "outcome": "rejected",
            "reason": {"code": reason.code, "text": reason.text, "permanent": reason.permanent},
        }
        for name, reason in sorted(reasons.items())
    ]
    return offered + rejected


def _offered(each: "PlannedOffer", currency: str) -> dict[str, Any]:
    offer = each.offer
    entry: dict[str, Any] = {"instance": each.instance.id, "outcome": "offer", "rank": each.rank}
    if offer.shown_score is not None:
        entry["score"] = f"{float(offer.shown_score):.6f}"
    if offer.cost_micro is not None:
        entry["cost"] = {"amount": money(offer.cost_micro), "currency": currency}
    if offer.time_ms is not None:
        entry["seconds"] = float(seconds(offer.time_ms))
    if offer.basis is not None:
        entry["basis"] = offer.basis
    if offer.estimate.imputed:
        entry["imputed"] = list(offer.estimate.imputed)
    if offer.notes:
        entry["notes"] = list(offer.notes)
    return entry


def money(micro: int) -> str:
    """Write micro-units of money as a decimal amount."""
    return f"{Decimal(micro) / 1_000_000:.6f}"


def seconds(milliseconds: int) -> str:
    """Write milliseconds as seconds."""
    return f"{milliseconds / 1000:.3f}"
