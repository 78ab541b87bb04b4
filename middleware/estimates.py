"""What a task would cost and take at each candidate (ESTIMATES.md, "One plan"). Pure: no I/O, no clock.

Here is what does not depend on the choice of replicas; `middleware.plans` chooses, `middleware.accounts` writes down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import NamedTuple

from middleware.candidate import Basis, Candidate, Prices
from middleware.cargo import Cargo, cargo_of
from middleware.demand import Defaults, Demand, demand_of
from middleware.figures import (
    EXACT,
    REFERENCE_SPEED,
    Known,
    Worst,
    converted,
    filled,
    known_figures,
    sane,
    worst_of,
)
from middleware.grid import GRAINS_PER_PRICE, NS_PER_MS, nearest
from middleware.tariffs import pace, tariffs_of
from middleware.transfers import Hold, Moves
from middleware.types import Context, TaskView

__all__ = ["Model", "Site", "model"]

_MOST_REWORK = Decimal(100)
_MOST_FACTOR = Decimal(100)
_MOST_FAILURE = Decimal("0.999")
_ONE = Decimal(1)
_ZERO = Decimal(0)
_NO_PRICES = Prices(currency="")
_PRICES = ("cpu_core_hour", "ram_gb_hour", "gpu_hour", "per_task")

Ratio = tuple[int, int]


class Site(NamedTuple):
    """A candidate with all that is the same for every choice of replicas. Grains and ns (`middleware.grid`)."""

    candidate: Candidate
    moves: Moves
    cost: int
    """Without what bringing inputs in adds."""
    time: int
    """Likewise."""
    held: int
    """Grains per ns while data is moved."""
    bound: int
    """What all inputs take through the ingress at least; 0 where nothing bounds it or they come one by one."""
    compute: int | None
    disk: int | None
    queue: int | None
    run: int
    stretch: Ratio
    """Run time here over run time at reference speed."""
    holds: bool
    """Whether a price for holding resources while data is moved is known."""
    price_basis: Basis
    speed_basis: Basis
    queue_basis: Basis
    imputed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A task at all its candidates."""

    demand: Demand
    cargo: Cargo
    sites: tuple[Site, ...]
    """One per candidate, in their order."""
    costs_known: bool
    """Whether any part of the cost is known; it then is for all."""
    transfers_priced: bool
    """Whether the network's currency has a rate."""
    anything_known: bool
    """Whether any candidate says anything."""
    notes: tuple[str, ...]
    """What is left out, for people."""


def model(task: TaskView, candidates: Sequence[Candidate], context: Context, defaults: Defaults) -> Model:
    """Reckon everything but the choice of replicas."""
    with localcontext(EXACT):
        demand, cargo = demand_of(task, context, defaults), cargo_of(task, context)
        currency, rates = context.currency, context.rates
        rate = None if context.network.currency == currency else rates.get(context.network.currency, _ZERO)
        tariffs = tariffs_of(context.network, rate)
        hold = Hold(cargo, tariffs)
        known = [known_figures(each, currency, rates, gpus=demand.gpus > 0) for each in candidates]
        worst = worst_of(known)
        sites = tuple(
            _site(candidate, demand, each, worst, defaults, hold, _ingress(candidate, context))
            for candidate, each in zip(candidates, known, strict=True)
        )
    moved = bool(cargo.groups or cargo.outputs)
    return Model(
        demand=demand,
        cargo=cargo,
        sites=sites,
        costs_known=any(worst[place] is not None for place in (0, 1, 2, 3, 4, 7, 8))
        or (tariffs.priced and (cargo.weighs or any(site.moves.costs for site in sites))),
        transfers_priced=tariffs.priced,
        anything_known=any(value is not None for value in worst),
        notes=_warnings(worst, cargo, demand.gpus > 0, priced=tariffs.priced or not moved),
    )


def _warnings(worst: Worst, cargo: Cargo, gpus: bool, *, priced: bool) -> tuple[str, ...]:
    names = ["cpu_core_hour", "ram_gb_hour", "disk_gb_hour", "per_task", "speed", "queue_seconds"]
    if gpus:
        names.insert(4, "gpu_hour")
    reported = set(_PRICES) if worst.compute is not None else set()
    reported |= {"disk_gb_hour"} if worst.storage is not None else set()
    missing = [name for name in names if getattr(worst, name) is None and name not in reported]
    notes = [f"known for no candidate and left out: {', '.join(missing)}"] if missing else []
    if cargo.unknown:
        notes.append(f"the size of {cargo.unknown} of {cargo.inputs} inputs is not known: taken as 0")
    if not priced:
        notes.append("no rate for the currency of the network: what transfers cost is left out")
    return tuple(notes)


def _ingress(candidate: Candidate, context: Context) -> int:
    prices = candidate.prices
    if prices is None or prices.ingress_gb is None:
        return 0
    rate = None if prices.currency == context.currency else context.rates.get(prices.currency, _ZERO)
    return converted(prices.ingress_gb, rate) or 0


def _site(
    candidate: Candidate, demand: Demand, declared: Known, worst: Worst, defaults: Defaults, hold: Hold, ingress: int
) -> Site:
    known, imputed = filled(declared, worst)
    stretch = once = _stretch(candidate, demand, known)
    hourly = _hourly(candidate, demand, known)
    compute = _compute(demand, known, defaults, hourly, once)
    failed, of = _failing(candidate, defaults)
    if failed:
        stretch = once[0] * of, once[1] * (of - failed)
        compute = None if compute is None else nearest(compute * of, of - failed)
    disk_hourly = demand.disk_gb * (known.disk_gb_hour or 0)
    disk = _disk(known, disk_hourly, demand.runtime, stretch)
    bills = candidate.bills_staging and known.compute is None
    held = (disk_hourly if known.storage is None else 0) + (hourly if bills else 0)
    moves = hold.moves(candidate, ingress, known.transfer)
    run = nearest(demand.runtime * stretch[0], stretch[1])
    queue = None if known.queue_ms is None else known.queue_ms * NS_PER_MS
    return Site(
        candidate,
        moves,
        (compute or 0) + (disk or 0) + moves.out_cost + held * moves.out_time,
        (queue or 0) + run + moves.out_time,
        held,
        _bound(candidate, moves.bytes_in),
        compute,
        disk,
        queue,
        run,
        stretch,
        known.disk_gb_hour is not None or known.storage is not None or bills,
        known.price_basis,
        known.speed_basis,
        known.queue_basis,
        imputed,
    )


def _ratio(value: float | Decimal | None, highest: Decimal) -> Ratio | None:
    if value is None:
        return None
    number = sane(value, highest)
    return None if number is None else number.as_integer_ratio()


def _stretch(candidate: Candidate, demand: Demand, known: Known) -> Ratio:
    """Return run time here over run time at reference speed."""
    _, speed, per = known.speed or REFERENCE_SPEED
    again = _ratio(candidate.rework, _MOST_REWORK) if demand.preemptible else None
    return (per, speed) if again is None else (per * (again[1] + again[0]), speed * again[1])


def _failing(candidate: Candidate, defaults: Defaults) -> Ratio:
    return (_ratio(candidate.failure_rate, _MOST_FAILURE) if defaults.use_failure_rate else None) or (0, 1)


def _hourly(candidate: Candidate, demand: Demand, known: Known) -> int:
    """Return what cores, memory and GPUs cost, in grains per ns."""
    hourly = (
        demand.cores * (known.cpu_core_hour or 0)
        + demand.ram_gb * (known.ram_gb_hour or 0)
        + demand.gpus * (known.gpu_hour or 0)
    )
    if not demand.preemptible:
        return hourly
    factor = _ratio((candidate.prices or _NO_PRICES).preemptible_factor, _MOST_FACTOR)
    return hourly if factor is None else nearest(hourly * factor[0], factor[1])


def _compute(demand: Demand, known: Known, defaults: Defaults, hourly: int, once: Ratio) -> int | None:
    """Return C_comp of one try."""
    if known.compute is not None:
        return known.compute * GRAINS_PER_PRICE
    if known.cpu_core_hour is None and known.ram_gb_hour is None and known.per_task is None and known.gpu_hour is None:
        return None
    return (known.per_task or 0) * GRAINS_PER_PRICE + _charged(demand.runtime, once, known, defaults, hourly)


def _charged(runtime: int, once: Ratio, known: Known, defaults: Defaults, hourly: int) -> int:
    """Return q * ceil(max(mu, T_run) / q) times the price; exact until it is rounded."""
    quantum = defaults.billing_quantum_ms if known.quantum_ms is None else known.quantum_ms
    minimum = defaults.billing_minimum_ms if known.minimum_ms is None else known.minimum_ms
    time, of = max(minimum * NS_PER_MS * once[1], runtime * once[0]), once[1]
    if not quantum:
        return nearest(hourly * time, of)
    step = quantum * NS_PER_MS
    return hourly * step * -(-time // (step * of))


def _disk(known: Known, hourly: int, runtime: int, stretch: Ratio) -> int | None:
    """Return what disk costs while the task runs."""
    if known.storage is not None:
        return known.storage * GRAINS_PER_PRICE
    if known.disk_gb_hour is None:
        return None
    return nearest(hourly * runtime * stretch[0], stretch[1])


def _bound(candidate: Candidate, bytes_in: int) -> int:
    """Return what the inputs take through the ingress of an instance that brings them in all at once, ns."""
    ingress = candidate.ingress_bytes_per_second
    if ingress is None or not bytes_in or candidate.staging != "parallel":
        return 0
    speed = pace(ingress)
    return 0 if speed is None else speed.nanoseconds(bytes_in)
