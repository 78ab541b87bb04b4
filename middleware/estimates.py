"""What a task would cost and take at each candidate (ESTIMATES.md, "One plan"). Pure: no I/O, no clock.

For now T = T_queue + T_run and C = C_comp + disk: inputs and outputs are not counted yet, and neither is the learned
share of work done twice. Everything is exact until cost and time are rounded, once, to micro-units and milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from middleware.candidate import Basis, weakest
from middleware.figures import EXACT, REFERENCE_SPEED, YEAR_SECONDS, Known, Worst, filled, known_figures, sane, worst_of
from middleware.types import Candidate, Context, Estimate, TaskView

__all__ = ["Defaults", "estimate_all"]

_MS = 1000
_MOST_RESOURCES = Decimal(10**9)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What stands in for what neither the task nor an instance says."""

    runtime_seconds: int = 3600
    """Run time at reference speed, seconds."""
    cpu_cores: Decimal = Decimal(1)
    ram_gb: Decimal = Decimal(2)
    disk_gb: Decimal = Decimal(10)
    billing_quantum_ms: int = 1000
    """Step in which run time is charged, ms; 0 charges it exactly."""
    billing_minimum_ms: int = 0
    """Run time charged at least, ms."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """What a task uses, wherever it runs."""

    cores: Decimal
    ram_gb: Decimal
    disk_gb: Decimal
    runtime_seconds: int
    runtime_basis: Basis
    resource_basis: Basis


def estimate_all(
    task: TaskView, candidates: Sequence[Candidate], context: Context, defaults: Defaults
) -> tuple[list[Estimate], tuple[str, ...]]:
    """Estimate a task at every candidate.

    Returns:
        One estimate per candidate, in their order. `cost_micro` is known for all or for none of them, `time_ms` always.
        And the warnings: figures that no candidate declares, which are left out.
    """
    demand = _demand(task, context, defaults)
    with localcontext(EXACT):
        known = [known_figures(each, context.currency, context.rates) for each in candidates]
        worst = worst_of(known)
        estimates = [_estimate(demand, each, worst, defaults) for each in known]
    return estimates, _warnings(worst)


def _demand(task: TaskView, context: Context, defaults: Defaults) -> _Demand:
    asked = task.resources
    cores = sane(asked.cpu_cores, _MOST_RESOURCES)
    ram = sane(asked.ram_gb, _MOST_RESOURCES)
    disk = sane(asked.disk_gb, _MOST_RESOURCES)
    runtime = context.preference.runtime_seconds
    if runtime is not None and not 0 < runtime <= YEAR_SECONDS:
        runtime = None
    return _Demand(
        cores=defaults.cpu_cores if cores is None else cores,
        ram_gb=defaults.ram_gb if ram is None else ram,
        disk_gb=defaults.disk_gb if disk is None else disk,
        runtime_seconds=defaults.runtime_seconds if runtime is None else runtime,
        runtime_basis="default" if runtime is None else "configured",
        resource_basis="default" if cores is None or ram is None or disk is None else "configured",
    )


def _warnings(worst: Worst) -> tuple[str, ...]:
    missing = [name for name, value in zip(Worst._fields, worst, strict=True) if value is None]
    return (f"known for no candidate and left out: {', '.join(missing)}",) if missing else ()


def _estimate(demand: _Demand, declared: Known, worst: Worst, defaults: Defaults) -> Estimate:
    known, imputed = filled(declared, worst)
    # Run time in ms, R_ref / phi, is run / speed; all that follows stays a fraction over the speed.
    _, speed, per = known.speed or REFERENCE_SPEED
    run = demand.runtime_seconds * _MS * per
    run_ms = (2 * run + speed) // (2 * speed)
    queue_ms = known.queue_ms
    cost_micro, disk_micro = _cost(demand, known, run, _charged(run, speed, known, defaults), speed)
    run_basis = weakest(demand.runtime_basis, known.speed_basis)
    return Estimate(
        cost_micro=cost_micro,
        time_ms=run_ms + (queue_ms or 0),
        compute_micro=None if cost_micro is None else cost_micro - (disk_micro or 0),
        disk_micro=disk_micro,
        queue_ms=queue_ms,
        run_ms=run_ms,
        cost_basis=None
        if cost_micro is None
        else weakest(weakest(run_basis, demand.resource_basis), known.price_basis),
        time_basis=run_basis if queue_ms is None else weakest(run_basis, known.queue_basis),
        imputed=imputed,
    )


def _charged(run: int, speed: int, known: Known, defaults: Defaults) -> int:
    """Return the time charged, q * ceil(max(mu, T_run) / q), in ms times `speed`; `run` is T_run in the same unit."""
    quantum = defaults.billing_quantum_ms if known.quantum_ms is None else known.quantum_ms
    minimum = defaults.billing_minimum_ms if known.minimum_ms is None else known.minimum_ms
    time = max(minimum * speed, run)
    if not quantum:
        return time
    step = quantum * speed
    return -(-time // step) * step


def _cost(demand: _Demand, known: Known, run: int, charged: int, speed: int) -> tuple[int | None, int | None]:
    """Return all of the cost, and the part for disk, in micro-units; None where no price of the kind is known.

    `run` and `charged` are in ms times `speed`.
    """
    cpu, ram, disk, task = known[:4]
    if cpu is None and ram is None and disk is None and task is None:
        return None, None
    hourly = demand.cores * (cpu or _ZERO) + demand.ram_gb * (ram or _ZERO)
    # A price per hour times ms, times 10^6 micro-units, over 3.6 * 10^6 ms per hour: times 10, over 36.
    compute = 10 * hourly * charged + 36_000_000 * speed * (task or _ZERO)
    if disk is None:
        return _rounded(compute, 36 * speed), None
    storage = 10 * demand.disk_gb * disk * run
    return _rounded(compute + storage, 36 * speed), _rounded(storage, 36 * speed)


def _rounded(value: Decimal, divisor: int) -> int:
    """Divide and round to the nearest integer, halves up; the value is not negative."""
    numerator, denominator = value.as_integer_ratio()
    denominator *= divisor
    return (2 * numerator + denominator) // (2 * denominator)
