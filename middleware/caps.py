"""What a client says in absolute terms: the most a task may cost or take, and what its time is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from middleware.estimates import Site
from middleware.grid import GRAINS_PER_MICRO, GRAINS_PER_PRICE, NS_PER_MS, NS_PER_SECOND, price, shown
from middleware.plans import CHEAPEST, FASTEST, Caps, best
from middleware.preference import Money
from middleware.types import Context, Reason

__all__ = ["Asked", "asked_of", "reason_for"]

_MOST_MONEY = Decimal(10**12)
_MOST_SECONDS = 10**10
_ZERO = Decimal(0)
_BILLIONTHS_PER_HOUR = 10**9
"""One hour's price times this is in grains per ns (`middleware.grid`)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Caps and the value of time on the ranker's grid."""

    caps: Caps
    value: int | None
    """Grains per ns; None where the weight says what matters."""
    notes: tuple[str, ...]
    """What could not be applied, for people."""


def asked_of(context: Context, *, costs_known: bool) -> Asked:
    """Read them; to be called in the context `EXACT`. What cannot be applied takes nobody out: a note says so.

    A plan is within a cap when its cost or time as it is shown, rounded, is.
    """
    preference, notes = context.preference, []
    cost = _exchanged(preference.max_cost, context.currency, context.rates)
    if preference.max_cost is not None and cost is None:
        notes.append(f"max_cost is left out: {_why(preference.max_cost)}")
    elif cost is not None and not costs_known:
        notes.append("max_cost is left out: no cost is known")
        cost = None
    value = _exchanged(preference.value_of_time, context.currency, context.rates)
    if preference.value_of_time is not None and value is None:
        notes.append(f"value_of_time is left out, the weight counts: {_why(preference.value_of_time)}")
    seconds = preference.deadline_seconds
    if seconds is not None and not 0 <= seconds <= _MOST_SECONDS:
        seconds = None
    caps = Caps(
        cost=None if cost is None else cost * GRAINS_PER_PRICE + (GRAINS_PER_MICRO - 1) // 2,
        time=None if seconds is None else seconds * NS_PER_SECOND + (NS_PER_MS - 1) // 2,
    )
    return Asked(caps, None if value is None else value * _BILLIONTHS_PER_HOUR, tuple(notes))


def reason_for(site: Site, asked: Asked, currency: str) -> Reason:
    """Say why no plan of a candidate is within the caps. Never for good: queues and learned figures change."""
    caps = asked.caps
    cost, time = best(site, CHEAPEST).cost, best(site, FASTEST).time
    dear = None if caps.cost is None else f"costs {_money(cost)} {currency} at least, {_money(caps.cost)} are allowed"
    slow = None if caps.time is None else f"takes {_seconds(time)} s at least, {_seconds(caps.time)} s are allowed"
    too_dear, too_slow = caps.cost is not None and cost > caps.cost, caps.time is not None and time > caps.time
    if too_dear or too_slow:
        texts = [text for text, wrong in ((dear, too_dear), (slow, too_slow)) if wrong and text is not None]
        return Reason(code="max_cost" if too_dear else "deadline", text="; ".join(texts), permanent=False)
    text = "keeps within the cost or the deadline, but not within both at once"
    return Reason(code="deadline", text=text, permanent=False)


def _exchanged(money: Money | None, currency: str, rates: Mapping[str, Decimal]) -> int | None:
    """Return an amount in 10^-15 units of the base currency, None where there is none or no rate."""
    if money is None:
        return None
    rate = Decimal(1) if money.currency == currency else rates.get(money.currency, _ZERO)
    amount = money.amount * rate
    return price(amount) if rate > _ZERO and _ZERO <= amount <= _MOST_MONEY else None


def _why(money: Money) -> str:
    return f"no rate for {money.currency}, or no believable amount"


def _money(grains: int) -> str:
    micro = shown(grains, GRAINS_PER_MICRO)
    return f"{Decimal(micro) / 1_000_000:.6f}".rstrip("0").rstrip(".")


def _seconds(nanoseconds: int) -> str:
    return f"{Decimal(shown(nanoseconds, NS_PER_MS)) / 1000:.3f}".rstrip("0").rstrip(".")
