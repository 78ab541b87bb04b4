"""What a task uses, wherever it runs: amounts, run time at reference speed, and where these come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from middleware.candidate import Basis
from middleware.figures import YEAR_SECONDS, sane
from middleware.grid import NS_PER_SECOND, billionths
from middleware.types import Context, Learned, TaskView

__all__ = ["Defaults", "Demand", "demand_of"]

_MOST_RESOURCES = Decimal(10**9)
_MOST_GPUS = Decimal(10**6)
_MOST_SECONDS = Decimal(YEAR_SECONDS)
_NANO = Decimal(NS_PER_SECOND)


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
    gpu_parameters: tuple[str, ...] = ("gpu", "gpus", "gpu_count")
    """Keys of `backend_parameters` that say how many GPUs a task asks for, lower case."""
    use_failure_rate: bool = False
    """Whether work lost to failures counts."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Amounts in billionths."""

    cores: int
    ram_gb: int
    disk_gb: int
    gpus: int
    preemptible: bool
    runtime: int
    """At reference speed, ns."""
    runtime_range: tuple[int, int] | None
    """Where it lies in 80 of 100 cases, ns."""
    runtime_basis: Basis
    resource_basis: Basis


def demand_of(task: TaskView, context: Context, defaults: Defaults) -> Demand:
    """Read what a task uses; to be called in the context `EXACT`."""
    asked = task.resources
    cores = sane(asked.cpu_cores, _MOST_RESOURCES)
    ram = sane(asked.ram_gb, _MOST_RESOURCES)
    disk = sane(asked.disk_gb, _MOST_RESOURCES)
    runtime, basis, spread = _runtime(context, defaults)
    return Demand(
        cores=billionths(defaults.cpu_cores if cores is None else cores),
        ram_gb=billionths(defaults.ram_gb if ram is None else ram),
        disk_gb=billionths(defaults.disk_gb if disk is None else disk),
        gpus=_gpus(asked.backend_parameters, defaults.gpu_parameters),
        preemptible=bool(asked.preemptible),
        runtime=runtime,
        runtime_range=spread,
        runtime_basis=basis,
        resource_basis="default" if cores is None or ram is None or disk is None else "configured",
    )


def _runtime(context: Context, defaults: Defaults) -> tuple[int, Basis, tuple[int, int] | None]:
    """Return the run time at reference speed: what the client says, else what was learned, else the setting."""
    said = context.preference.runtime_seconds
    if said is not None and 0 < said <= YEAR_SECONDS:
        return said * NS_PER_SECOND, "configured", None
    learned = _learned(context.runtime)
    if learned is not None:
        return learned, "learned", _range(context.runtime)
    return defaults.runtime_seconds * NS_PER_SECOND, "default", None


def _learned(runtime: Learned | None) -> int | None:
    value = None if runtime is None else sane(runtime.value, _MOST_SECONDS)
    return None if value is None else int(value * _NANO) or None


def _range(runtime: Learned | None) -> tuple[int, int] | None:
    if runtime is None:
        return None
    low, high = sane(runtime.low, _MOST_SECONDS), sane(runtime.high, _MOST_SECONDS)
    return None if low is None or high is None or low > high else (int(low * _NANO), int(high * _NANO))


def _gpus(parameters: Mapping[str, str], names: tuple[str, ...]) -> int:
    """Return the number of GPUs in billionths, by the first of the names that says one."""
    if not parameters:
        return 0
    folded = {key.casefold(): value for key, value in parameters.items()}
    for name in names:
        try:
            number = sane(Decimal(str(folded[name]).strip()), _MOST_GPUS) if name in folded else None
        except InvalidOperation:
            number = None
        if number is not None:
            return billionths(number)
    return 0
