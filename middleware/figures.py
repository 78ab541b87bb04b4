"""Figures at the boundary: exact, sane, in the base currency; what is missing taken from the others or left out.

No NaN, infinity, negative or absurd figure gets past here: it becomes missing (ESTIMATES.md, property 7). Unknown is
not zero: what some candidates declare is, for the others, the worst of that (hiding a price never wins).
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from decimal import Context as DecimalContext
from functools import lru_cache
from typing import NamedTuple

from middleware.candidate import Basis, Candidate, Prices

__all__ = [
    "EXACT",
    "REFERENCE_SPEED",
    "YEAR_SECONDS",
    "Known",
    "Speed",
    "Worst",
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
"""Distinct speeds and times remembered; prices are used as they come."""


def sane(value: float | None, highest: Decimal) -> Decimal | None:
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
    """What is known of one candidate; None is missing. Prices per hour (or task) in the base currency."""

    cpu_core_hour: Decimal | None
    ram_gb_hour: Decimal | None
    disk_gb_hour: Decimal | None
    per_task: Decimal | None
    speed: Speed | None
    queue_ms: int | None
    quantum_ms: int | None
    minimum_ms: int | None
    price_basis: Basis
    speed_basis: Basis
    queue_basis: Basis


class Worst(NamedTuple):
    """The worst of each figure that any candidate has; None where none has it. The worst speed is the lowest."""

    cpu_core_hour: Decimal | None
    ram_gb_hour: Decimal | None
    disk_gb_hour: Decimal | None
    per_task: Decimal | None
    speed: Speed | None
    queue_seconds: int | None
    """In ms; the name is the candidate's field, which explanations use."""


_NO_PRICES = Prices(currency="")


def known_figures(candidate: Candidate, currency: str, rates: Mapping[str, Decimal]) -> Known:
    """Read the figures of a candidate; to be called in the context `EXACT`.

    Prices in a currency without a rate are missing; the candidate is not.
    """
    prices, basis = candidate.prices or _NO_PRICES, candidate.basis
    rate = None if prices.currency == currency else rates.get(prices.currency, _ZERO)
    return Known(
        _price(prices.cpu_core_hour, rate),
        _price(prices.ram_gb_hour, rate),
        _price(prices.disk_gb_hour, rate),
        _price(prices.per_task, rate),
        speed_of(candidate.speed),
        milliseconds_of(candidate.queue_seconds),
        milliseconds_of(prices.billing_quantum_seconds),
        milliseconds_of(prices.billing_minimum_seconds),
        basis.get("prices", "configured"),
        basis.get("speed", "configured"),
        basis.get("queue_seconds", "configured"),
    )


def _price(amount: Decimal | None, rate: Decimal | None) -> Decimal | None:
    """Return a price in the base currency; `rate` is None for the base currency itself and 0 where there is none."""
    if amount is None or not _is_money(amount):
        return None
    if rate is None:
        return amount
    converted = amount * rate
    return converted if rate > _ZERO and _is_money(converted) else None


def _is_money(amount: Decimal) -> bool:
    return _ZERO <= amount <= MOST_MONEY and (amount.adjusted() >= _LEAST_EXPONENT or not amount)


def worst_of(known: Sequence[Known]) -> Worst:
    """Find the worst of each figure."""
    return Worst(
        cpu_core_hour=_highest(each.cpu_core_hour for each in known),
        ram_gb_hour=_highest(each.ram_gb_hour for each in known),
        disk_gb_hour=_highest(each.disk_gb_hour for each in known),
        per_task=_highest(each.per_task for each in known),
        speed=min((each.speed for each in known if each.speed is not None), default=None),
        queue_seconds=max((each.queue_ms for each in known if each.queue_ms is not None), default=None),
    )


def _highest(values: Iterable[Decimal | None]) -> Decimal | None:
    return max((value for value in values if value is not None), default=None)


def filled(known: Known, worst: Worst) -> tuple[Known, tuple[str, ...]]:
    """Give a candidate the worst of each figure that it lacks, with the basis `imputed`.

    Returns:
        Its figures, None only for what no candidate has, and the names of those it was given. A speed that nobody has
        stays None with the basis `default`: all then run at reference speed.
    """
    cpu, ram, disk, task, speed, queue = known[:6]
    if not (cpu is None or ram is None or disk is None or task is None or speed is None or queue is None):
        return known, ()
    pairs = zip(Worst._fields, known[:6], worst, strict=True)
    imputed = tuple(name for name, own, other in pairs if own is None and other is not None)
    prices_imputed = not set(imputed) <= {"speed", "queue_seconds"}
    own_speed: Basis = "default" if worst.speed is None else known.speed_basis
    return known._replace(
        cpu_core_hour=worst.cpu_core_hour if cpu is None else cpu,
        ram_gb_hour=worst.ram_gb_hour if ram is None else ram,
        disk_gb_hour=worst.disk_gb_hour if disk is None else disk,
        per_task=worst.per_task if task is None else task,
        speed=worst.speed if speed is None else speed,
        queue_ms=worst.queue_seconds if queue is None else queue,
        price_basis="imputed" if prices_imputed else known.price_basis,
        speed_basis="imputed" if "speed" in imputed else own_speed,
        queue_basis="imputed" if "queue_seconds" in imputed else known.queue_basis,
    ), imputed
