"""Documents of the Execution Broker as it answers them, in the shapes of 2026 (STANDARDS.md 5.2 and 5.3).

What is not known is left out; times are whole seconds; memory and storage are GiB, rounded up.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from middleware import Estimate, parse_weight
from protes.offers import kinds
from protes.offers.durations import write_duration, write_instant, write_interval
from protes.offers.messages import Message
from protes.offers.phases import settable
from protes.offers.resources import whole
from protes.planning.offer_documents import bare, money
from protes.planning.planner import Plan, PlannedOffer

if TYPE_CHECKING:
    from protes.offers.broker import Session
    from protes.offers.sets import OfferSet

_COSTS = {"compute": "compute_micro", "storage": "disk_micro", "staging": "staging_micro", "transfer": "transfer_micro"}
_TIMES = {"queue": "queue_ms", "stage_in": "stage_in_ms", "run": "run_ms", "stage_out": "stage_out_ms"}
_MOST_DATA = 1000


def no_document(messages: Iterable[Message], now: datetime) -> dict[str, Any]:
    """Answer NO: there is no offer set to come back to, so it has no uuid."""
    meta = {"created": write_instant(now), "messages": list(messages)}
    return {"kind": kinds.OFFER_SET, "meta": meta, "result": "NO", "offers": []}


def failed_document(messages: Iterable[Message], executable: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Answer a direct request that nobody can serve."""
    meta = {"created": write_instant(now), "messages": list(messages)}
    return {"kind": kinds.SESSION, "meta": meta, "phase": "FAILED", "executable": dict(executable)}


def offer_set_document(
    offer_set: "OfferSet", sessions: Iterable["Session"], root: str, task: Mapping[str, Any], show_urls: bool
) -> dict[str, Any]:
    """Answer YES with the offers.

    Args:
        offer_set: the set.
        sessions: its sessions, best first.
        root: where the broker is, as a path.
        task: the set's task document.
        show_urls: whether the caller may see URLs of instances.
    """
    meta = {
        "uuid": offer_set.id,
        "url": offer_set_path(offer_set, root),
        "created": write_instant(offer_set.created_at),
        "messages": list(offer_set.messages),
    }
    offers = [session_document(each, root, task, show_urls) for each in sessions]
    return {"kind": kinds.OFFER_SET, "meta": meta, "result": "YES", "offers": offers}


def offer_set_path(offer_set: "OfferSet", root: str) -> str:
    """Return where an offer set is."""
    return f"{root}/offersets/{offer_set.id}"


def session_document(session: "Session", root: str, task: Mapping[str, Any], show_urls: bool) -> dict[str, Any]:
    """Describe a session; the arguments are those of `offer_set_document`."""
    offer_set, offered = session.offer_set, session.offered
    options = [str(phase) for phase in settable(session.phase)]
    meta: dict[str, Any] = {
        "uuid": session.id,
        "url": f"{root}/sessions/{session.id}",
        "created": write_instant(offer_set.created_at),
    }
    if options:
        meta["options"] = [{"kind": "uri:enum-value-option", "path": "/phase", "values": options}]
    executable = dict(offer_set.executable)
    if executable.get("kind") in kinds.TASKS:
        executable["task"] = dict(task)
    gateway = dict(offered.figures["x-gateway"])
    if show_urls and offered.url:
        gateway["url"] = offered.url
    if offer_set.accepted == session.number:
        gateway["task_id"] = offer_set.task.id
    return {
        "kind": kinds.SESSION,
        "meta": meta,
        "phase": str(session.phase),
        "expires": write_instant(offer_set.expires_at),
        "executable": executable,
        **{name: value for name, value in offered.figures.items() if name != "x-gateway"},
        "x-gateway": gateway,
    }


def figures(
    offered: PlannedOffer,
    plan: Plan,
    task: Mapping[str, Any],
    preference: Mapping[str, Any],
    currency: str,
    now: datetime,
) -> dict[str, Any]:
    """Describe what an offer costs and takes, and what it gives."""
    estimate, resources = offered.offer.estimate, task.get("resources", {})
    parts: dict[str, Any] = {"compute": _compute(resources, estimate, currency)}
    storage = _storage(resources, estimate, currency)
    data = _data(task, plan, estimate)
    schedule = _schedule(estimate, now)
    parts |= {name: value for name, value in (("storage", storage), ("data", data), ("schedule", schedule)) if value}
    if estimate.cost_micro is not None:
        basis = f", {estimate.cost_basis}" if estimate.cost_basis else ""
        text = f"Indicative: an estimate{basis}; TES instances cannot reserve resources."
        parts["costs"] = [_cost(estimate.cost_micro, currency, text)]
    parts["x-gateway"] = _gateway(offered, preference)
    return parts


def _compute(resources: Mapping[str, Any], estimate: Estimate, currency: str) -> dict[str, Any]:
    compute: dict[str, Any] = {"kind": kinds.COMPUTE}
    for name, field in (("cores", "cpu_cores"), ("memory", "ram_gb")):
        if field in resources:
            amount = whole(field, resources[field])
            compute[name] = {"min": amount, "max": amount}
    if estimate.compute_micro is not None:
        compute["costs"] = [_cost(estimate.compute_micro, currency, "Indicative: cores, memory, price per task.")]
    return compute


def _storage(resources: Mapping[str, Any], estimate: Estimate, currency: str) -> list[dict[str, Any]]:
    if "disk_gb" not in resources:
        return []
    size = whole("disk_gb", resources["disk_gb"])
    item: dict[str, Any] = {"kind": kinds.STORAGE, "meta": {"name": "disk"}, "size": {"min": size, "max": size}}
    if estimate.disk_micro is not None:
        item["costs"] = [_cost(estimate.disk_micro, currency, "Indicative: disk while the task runs.")]
    return [item]


def _data(task: Mapping[str, Any], plan: Plan, estimate: Estimate) -> list[dict[str, Any]]:
    """List inputs that are fetched, each where it would be read: never with what a signed URL is signed by."""
    listed = []
    for number, item in enumerate(task.get("inputs", ())[:_MOST_DATA]):
        url = item.get("url")
        if not url or item.get("content"):
            continue
        index = estimate.replicas[number] if number < len(estimate.replicas) else -1
        known = plan.context.data.get(url)
        replica = known.replicas[index] if known is not None and 0 <= index < len(known.replicas) else None
        entry: dict[str, Any] = {"kind": kinds.DATA, "meta": {"name": item.get("name") or item["path"]}}
        location = _location(replica.url if replica is not None else url)
        listed.append(entry | ({"location": location} if location else {}))
    return listed


def _location(url: str) -> str | None:
    try:
        return bare(url)
    except ValueError:  # what is no URL has nowhere to be shown
        return None


def _schedule(estimate: Estimate, now: datetime) -> dict[str, Any]:
    """Say when: of each part what is known (STANDARDS.md 5.2, "When")."""
    queue, stage_in, run = estimate.queue_ms, estimate.stage_in_ms, estimate.run_ms
    if queue is None:
        return {}
    schedule: dict[str, Any] = {}
    arrives = now + timedelta(milliseconds=queue)
    schedule["preparing"] = {"start": write_instant(arrives), **_duration(stage_in)}
    if stage_in is None:
        return schedule
    starts = arrives + timedelta(milliseconds=stage_in)
    high = estimate.queue_interval_ms[1] if estimate.queue_interval_ms else queue
    schedule["available"] = {"start": write_interval(starts, max(0, high - queue)), **_duration(run)}
    if run is not None:
        ends = starts + timedelta(milliseconds=run)
        schedule["releasing"] = {"start": write_instant(ends), **_duration(estimate.stage_out_ms)}
    return schedule


def _duration(milliseconds: int | None) -> dict[str, str]:
    return {} if milliseconds is None else {"duration": write_duration(milliseconds)}


def _cost(micro: int, currency: str, description: str) -> dict[str, Any]:
    amount = micro / 1_000_000
    return {
        "kind": kinds.COST,
        "type": kinds.MONETARY,
        "currency": currency,
        "min": amount,
        "max": amount,
        "description": description,
    }


def _gateway(offered: PlannedOffer, preference: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the schema has no place for."""
    offer, estimate = offered.offer, offered.offer.estimate
    block: dict[str, Any] = {"backend": offered.instance.id, "rank": offered.rank}
    if offer.shown_score is not None:
        block["score"] = round(float(offer.shown_score), 6)
    weight = parse_weight(preference["weight"]).millionths
    if preference.get("value_of_time"):
        block["value_of_time"] = preference["value_of_time"]
    elif weight is not None:
        block["weight"] = weight / 1_000_000
    block["cost"] = {name: money(part) for name, part in _parts(estimate, _COSTS)}
    block["time"] = {name: part / 1000 for name, part in _parts(estimate, _TIMES)}
    block["imputed"] = list(estimate.imputed)
    block["bases"] = dict(estimate.bases)
    return block


def _parts(estimate: Estimate, fields: Mapping[str, str]) -> list[tuple[str, int]]:
    values = ((name, getattr(estimate, field)) for name, field in fields.items())
    return [(name, value) for name, value in values if value is not None]
