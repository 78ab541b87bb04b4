"""Figures at the boundary: exact, sane, in the base currency; what is missing taken from the others or left out.

No NaN, infinity, negative or absurd figure gets past here: it becomes missing (ESTIMATES.md, property 7). Unknown is
not zero: what some candidates declare is, for the others, the worst of that (hiding a price never wins).
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from decimal import Context as DecimalContext
from functools import lru_cache
from typing import NamedTuple

from middleware.candidate import Basis, Candidate, Prices, Reported
from middleware.grid import price

__all__ = [
    "EXACT",
    "REFERENCE_SPEED",
    "YEAR_SECONDS",
    "Known",
    "Speed",
    "Worst",
    "converted",
    "filled",
    "known_figures",
    "milliseconds_of",
    "sane",
    "speed_of",
    "worst_of",
]

EXACT = DecimalContext(prec=200, traps=[])
"""For all reckoning: digits enough for every product of sane figures, and a NaN compares as false."""

YEAR_SECONDS = 31_536_000
"""No wait, run time or billing step is believed beyond this."""

MOST_MONEY = Decimal(1_000_000)
"""No price per hour or task is believed beyond this, in units of its own and of the base currency."""

_LEAST_EXPONENT = -12
"""No price is believed below 10^-12: its exact value would be all digits and no money."""

_ZERO = Decimal(0)
_MOST_SPEED = Decimal(1000)
_LEAST_SPEED = Decimal("0.001")
_MOST_SECONDS = Decimal(YEAR_SECONDS)
_CACHED = 4096
"""Distinct figures of each kind remembered."""


def sane(value: float | Decimal | None, highest: Decimal) -> Decimal | None:
    """Return a number exactly as it is written, or None where it is no believable amount."""
    if value is None:
        return None
    number = Decimal(str(value))
    return number if number.is_finite() and _ZERO <= number <= highest else None


class Speed(NamedTuple):
    """A speed, exactly `numerator / denominator`; speeds compare by `value`."""

    value: float
    numerator: int
    denominator: int


REFERENCE_SPEED = Speed(1.0, 1, 1)


@lru_cache(maxsize=_CACHED)
def speed_of(value: float | None) -> Speed | None:
    """Read a speed; None where it is missing or no believable one."""
    number = sane(value, _MOST_SPEED)
    if number is None or number < _LEAST_SPEED:
        return None
    return Speed(float(number), *number.as_integer_ratio())


@lru_cache(maxsize=_CACHED)
def milliseconds_of(seconds: float | None) -> int | None:
    """Read a time, in ms; None where it is missing or no believable one."""
    number = sane(seconds, _MOST_SECONDS)
    return None if number is None else int((number * 1000).to_integral_value(ROUND_HALF_UP))


class Known(NamedTuple):
    """What is known of one candidate; None is missing.

    Money is in 10^-15 units of the base currency (`middleware.grid`): prices per hour, per task, and the amounts and
    the price per GB and 1000 km that the instance itself reports.
    """

    cpu_core_hour: int | None
    ram_gb_hour: int | None
    disk_gb_hour: int | None
    per_task: int | None
    gpu_hour: int | None
    speed: Speed | None
    queue_ms: int | None
    compute: int | None
    storage: int | None
    transfer: int | None
    quantum_ms: int | None
    minimum_ms: int | None
    price_basis: Basis
    speed_basis: Basis
    queue_basis: Basis


class Worst(NamedTuple):
    """The worst of each figure that any candidate has; None where none has it. The worst speed is the lowest."""

    cpu_core_hour: int | None
    ram_gb_hour: int | None
    disk_gb_hour: int | None
    per_task: int | None
    gpu_hour: int | None
    speed: Speed | None
    queue_seconds: int | None
    """In ms; the name is the candidate's field, which explanations use."""
    compute: int | None
    """Of what instances report."""
    storage: int | None
    """Likewise."""


_NO_PRICES = Prices(currency="")
_FOR_COMPUTE = frozenset({"cpu_core_hour", "ram_gb_hour", "per_task", "gpu_hour"})
_NOT_MONEY = frozenset({"speed", "queue_seconds"})


def known_figures(candidate: Candidate, currency: str, rates: Mapping[str, Decimal], *, gpus: bool) -> Known:
    """Read the figures of a candidate; to be called in the context `EXACT`.

    Prices in a currency without a rate are missing; the candidate is not. What it reports itself counts before what
    is configured or learned.

    Args:
        candidate: The candidate.
        currency: The base currency.
        rates: Base currency per unit of another one.
        gpus: Whether the task asks for GPUs; their price is not looked at otherwise.
    """
    prices, basis = candidate.prices or _NO_PRICES, candidate.basis
    rate = None if prices.currency == currency else rates.get(prices.currency, _ZERO)
    compute, storage, transfer, wait = _reported(candidate.reported, currency, rates)
    return Known(
        converted(prices.cpu_core_hour, rate),
        converted(prices.ram_gb_hour, rate),
        converted(prices.disk_gb_hour, rate),
        converted(prices.per_task, rate),
        converted(prices.gpu_hour, rate) if gpus else None,
        speed_of(candidate.speed),
        milliseconds_of(candidate.queue_seconds) if wait is None else wait,
        compute,
        storage,
        transfer,
        milliseconds_of(prices.billing_quantum_seconds),
        milliseconds_of(prices.billing_minimum_seconds),
        basis.get("prices", "configured"),
        basis.get("speed", "configured"),
        basis.get("queue_seconds", "configured") if wait is None else "reported",
    )


def _reported(
    reported: Reported | None, currency: str, rates: Mapping[str, Decimal]
) -> tuple[int | None, int | None, int | None, int | None]:
    if reported is None:
        return None, None, None, None
    rate = None if reported.currency == currency else rates.get(reported.currency, _ZERO)
    return (
        converted(reported.compute, rate),
        converted(reported.storage, rate),
        converted(reported.transfer_gb_1000km, rate),
        milliseconds_of(reported.queue_seconds),
    )


def converted(amount: Decimal | None, rate: Decimal | None) -> int | None:
    """Return money in 10^-15 units of the base currency, None where it is missing or not believable.

    To be called in the context `EXACT`. `rate` is None for the base currency itself and 0 where there is none.
    """
    if amount is None:
        return None
    try:
        return _converted(amount, rate)
    except TypeError:  # a signalling NaN has no hash
        return None


@lru_cache(maxsize=_CACHED)
def _converted(amount: Decimal, rate: Decimal | None) -> int | None:
    if not _ZERO <= amount <= MOST_MONEY or (amount.adjusted() < _LEAST_EXPONENT and amount):
        return None
    if rate is None:
        return price(amount)
    return _converted(amount * rate, None) if rate > _ZERO else None


def worst_of(known: Sequence[Known]) -> Worst:
    """Find the worst of each figure."""
    cpu, ram, disk, task, gpu, speeds, queues, compute, storage = tuple(zip(*known, strict=True))[:9] or ((),) * 9
    return Worst(
        cpu_core_hour=_highest(cpu),
        ram_gb_hour=_highest(ram),
        disk_gb_hour=_highest(disk),
        per_task=_highest(task),
        gpu_hour=_highest(gpu),
        speed=min((each for each in speeds if each is not None), default=None),
        queue_seconds=_highest(queues),
        compute=_highest(compute),
        storage=_highest(storage),
    )


def _highest(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def filled(known: Known, worst: Worst) -> tuple[Known, tuple[str, ...]]:
    """Give a candidate the worst of each figure that it lacks, with the basis `imputed`.

    Prices are not asked of who reports the amount itself; an amount that others report is only taken where there are
    no prices to reckon it from.

    Returns:
        Its figures, None only for what no candidate has or the task does not need, and the names of those it was given.
        A speed that nobody has stays None with the basis `default`: all then run at reference speed.
    """
    cpu, ram, disk, task, gpu, speed, wait, compute, storage = known[:9]
    charged = not (cpu is None or ram is None or disk is None or task is None)
    if charged and speed is not None and wait is not None and (gpu is not None or worst.gpu_hour is None):
        return known, ()
    wanted = {
        name: value
        for name, own, value in zip(Worst._fields, known[:9], worst, strict=True)
        if own is None and value is not None
    }
    if compute is not None:
        wanted = {name: value for name, value in wanted.items() if name not in _FOR_COMPUTE}
    elif _priced(worst):
        wanted.pop("compute", None)
    if storage is not None:
        wanted.pop("disk_gb_hour", None)
    elif worst.disk_gb_hour is not None:
        wanted.pop("storage", None)
    own_speed: Basis = "default" if worst.speed is None else known.speed_basis
    bases: dict[str, object] = {
        "price_basis": known.price_basis if wanted.keys() <= _NOT_MONEY else "imputed",
        "speed_basis": "imputed" if "speed" in wanted else own_speed,
        "queue_basis": "imputed" if "queue_seconds" in wanted else known.queue_basis,
    }
    given = {"queue_ms" if name == "queue_seconds" else name: value for name, value in wanted.items()}
    return Known._make({**known._asdict(), **given, **bases}.values()), tuple(wanted)


def _priced(worst: Worst) -> bool:
    """Tell whether anybody has a price for computing."""
    return any(getattr(worst, name) is not None for name in _FOR_COMPUTE)
