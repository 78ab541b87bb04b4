"""The model of estimates once more, naively: every plan of every candidate, in fractions (ESTIMATES.md).

Written from the formulas, apart from the ranker, and without any of its short cuts. Figures must be sane and known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import ceil, floor

from middleware import Candidate, Context, Network, Replica, Route, TaskView

GB = 10**9


@dataclass(frozen=True)
class OraclePlan:
    """A candidate and a replica for each input that is moved."""

    candidate: Candidate
    replicas: tuple[int, ...]
    cost: Fraction
    """Units of money."""
    time: Fraction
    """Seconds, made of whole nanoseconds."""


def exact(value: float | Decimal | None) -> Fraction:
    return Fraction(Decimal(str(value or 0)))


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def nanosecond(seconds: Fraction) -> Fraction:
    return Fraction(half_up(seconds * GB), GB)


def all_plans(
    task: TaskView, candidates: Sequence[Candidate], context: Context, *, quantum: Fraction = Fraction(1)
) -> list[OraclePlan]:
    """Return the whole Cartesian product."""
    return [plan for each in candidates for plan in plans_of(task, each, context, quantum)]


def plans_of(task: TaskView, one: Candidate, context: Context, quantum: Fraction) -> Iterator[OraclePlan]:
    choices = [_replicas(each.url, context) if _moved(each.url, each.content) else [(-1, None)] for each in task.inputs]
    for chosen in product(*choices):
        yield _plan(task, one, context, quantum, chosen)


def _plan(
    task: TaskView,
    one: Candidate,
    context: Context,
    quantum: Fraction,
    chosen: Sequence[tuple[int, Replica | None]],
) -> OraclePlan:
    prices, asked = one.prices, task.resources
    assert prices is not None
    seconds = context.preference.runtime_seconds or 3600
    run = Fraction(seconds) / exact(one.speed) * (1 + (exact(one.rework) if asked.preemptible else 0))
    factor = exact(prices.preemptible_factor) if asked.preemptible and prices.preemptible_factor is not None else 1
    gpus = exact(float(asked.backend_parameters.get("gpu", "0")))
    hourly = factor * (
        exact(asked.cpu_cores) * exact(prices.cpu_core_hour)
        + exact(asked.ram_gb) * exact(prices.ram_gb_hour)
        + gpus * exact(prices.gpu_hour)
    )
    step = quantum if prices.billing_quantum_seconds is None else exact(prices.billing_quantum_seconds)
    charged = max(exact(prices.billing_minimum_seconds), run)
    charged = step * ceil(charged / step) if step else charged
    disk_hourly = exact(asked.disk_gb) * exact(prices.disk_gb_hour)
    held = disk_hourly + (hourly if one.bills_staging else 0)

    times, cost, sizes = [], Fraction(0), 0
    for item, (_, replica) in zip(task.inputs, chosen, strict=True):
        if not _moved(item.url, item.content):
            continue
        size = _size(item.url, item.size_bytes, context)
        time, price = _way_in(one, context.network, replica, size)
        times.append(time)
        cost += price
        beside = any(each is not None and each.instance == one.url for _, each in _replicas(item.url, context))
        sizes += 0 if beside else size
    if one.staging == "sequential":
        stage_in = sum(times, Fraction(0))
    else:
        ingress = one.ingress_bytes_per_second
        bound = nanosecond(sizes / exact(ingress)) if ingress is not None else Fraction(0)
        stage_in = max([*times, bound], default=Fraction(0))

    outs = [
        _field(context.network, one.zone, context.zones.get(each.url))
        for each in task.outputs
        if _moved(each.url, None)
    ]
    share = Fraction(context.output_bytes or 0, len(outs)) if outs else Fraction(0)
    out_times = [out.latency + nanosecond(share / out.bandwidth) for out in outs]
    stage_out = sum(out_times, Fraction(0)) if one.staging == "sequential" else max(out_times, default=Fraction(0))
    cost += sum((share / GB * out.egress + out.request for out in outs), Fraction(0))
    cost += exact(prices.per_task) + charged * hourly / 3600 + disk_hourly * run / 3600
    cost += held * (stage_in + stage_out) / 3600
    time = exact(one.queue_seconds) + stage_in + nanosecond(run) + stage_out
    return OraclePlan(one, tuple(index for index, _ in chosen), cost, time)


def _moved(url: str | None, content: str | None) -> bool:
    return content is None and url is not None and not url.startswith(("/", "file:"))


def _replicas(url: str | None, context: Context) -> list[tuple[int, Replica | None]]:
    data = context.data.get(url or "")
    return [*enumerate(data.replicas)] if data is not None and data.replicas else [(-1, None)]


def _size(url: str | None, own: int | None, context: Context) -> int:
    if own is not None:
        return own
    data = context.data.get(url or "")
    return (data.size_bytes or 0) if data is not None else 0


@dataclass(frozen=True)
class _Fields:
    egress: Fraction
    request: Fraction
    bandwidth: Fraction
    latency: Fraction


def _way_in(one: Candidate, network: Network, replica: Replica | None, size: int) -> tuple[Fraction, Fraction]:
    thaw = exact(network.thaw_seconds) if replica is not None and not replica.available else 0
    if replica is not None and replica.instance == one.url:
        near = nanosecond(size / exact(network.local_bytes_per_second))
        return exact(network.latency_seconds) + thaw + near, Fraction(0)
    way = _field(network, None if replica is None else replica.zone, one.zone)
    ingress = exact(one.prices.ingress_gb) if one.prices is not None else Fraction(0)
    return way.latency + thaw + nanosecond(size / way.bandwidth), way.request + Fraction(size, GB) * (
        way.egress + ingress
    )


def _field(network: Network, source: str | None, target: str | None) -> _Fields:
    source, target = source and source.lower(), target and target.lower()
    same = source is not None and source == target
    egress = 0 if same else network.unknown_egress_gb if None in (source, target) else network.egress_gb
    local = network.local_bytes_per_second if same else network.bytes_per_second
    return _Fields(
        egress=exact(_ruled(network, source, target, "egress_gb", egress)),
        request=exact(_ruled(network, source, target, "request", Decimal(0))),
        bandwidth=exact(_ruled(network, source, target, "bytes_per_second", local)),
        latency=exact(_ruled(network, source, target, "latency_seconds", network.latency_seconds)),
    )


def _ruled(
    network: Network, source: str | None, target: str | None, name: str, default: float | Decimal
) -> float | Decimal:
    """Return what the most specific rule says that fits and says it."""
    best: tuple[int, int, int] | None = None
    for number, route in enumerate(network.routes):
        value = getattr(route, name)
        place = _specific(route, source, target, strict=name in ("egress_gb", "bytes_per_second"))
        if value is None or place is None:
            continue
        if best is None or (*place, -number) > best:
            best, default = (*place, -number), value
    return default


def _specific(route: Route, source: str | None, target: str | None, *, strict: bool) -> tuple[int, int] | None:
    same = source is not None and source == target
    ranks = []
    for pattern, zone in ((route.source.lower(), source), (route.target.lower(), target)):
        if pattern == "*":
            ranks.append(0)
        elif pattern == "=" and same:
            ranks.append(3)
        elif zone is not None and pattern == zone:
            ranks.append(4)
        elif zone is not None and pattern.endswith(":*") and zone.split(":")[0] == pattern.split(":")[0]:
            ranks.append(2)
        else:
            return None
    if same and strict and ranks[1] < 3:
        return None
    return sum(ranks), ranks[1]


def score_of(
    plan: OraclePlan, weight: Fraction, plans: Sequence[OraclePlan], floors: tuple[Fraction, Fraction]
) -> Fraction:
    """Return the relative excess over the ideal of all plans."""
    least_cost, least_time = min(each.cost for each in plans), min(each.time for each in plans)
    cost, time = max(least_cost, floors[0]), max(least_time, floors[1])
    return (1 - weight) * (plan.cost - least_cost) / cost + weight * (plan.time - least_time) / time


def best_of_each(
    plans: Sequence[OraclePlan], weight: Fraction, floors: tuple[Fraction, Fraction] = (Fraction(1, 10), Fraction(60))
) -> list[tuple[Fraction, OraclePlan]]:
    """Return the best plan of each candidate, best first, ties as specified."""

    def place(plan: OraclePlan) -> tuple[Fraction, Fraction, Fraction, str]:
        score = score_of(plan, weight, plans, floors)
        first, second = (plan.cost, plan.time) if weight <= Fraction(1, 2) else (plan.time, plan.cost)
        return score, first, second, plan.candidate.url

    found: dict[str, tuple[tuple[Fraction, Fraction, Fraction, str], OraclePlan]] = {}
    for plan in plans:
        key = place(plan)
        if plan.candidate.id not in found or key < found[plan.candidate.id][0]:
            found[plan.candidate.id] = key, plan
    return [(key[0], plan) for key, plan in sorted(found.values(), key=lambda each: each[0])]
