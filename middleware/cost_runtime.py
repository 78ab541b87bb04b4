"""Ranker `cost_runtime`: what a task would cost and take, weighed as the client asked (ESTIMATES.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import localcontext
from typing import NamedTuple

from middleware.accounts import Accounts
from middleware.caps import Asked, asked_of, reason_for
from middleware.demand import Defaults
from middleware.errors import OptionError
from middleware.estimates import Model, Site, model
from middleware.figures import EXACT, YEAR_SECONDS
from middleware.grid import GRAINS_PER_MICRO, GRAINS_PER_UNIT, NS_PER_MS
from middleware.kinds import Refused, Score
from middleware.options import decimal_option, integer_option
from middleware.plans import CHEAPEST, FASTEST, Chosen, within
from middleware.preference import WEIGHT_ONE, Weight, parse_weight
from middleware.random_order import shuffle_key
from middleware.scoring import Floors, Objective, Plan, rank, valued, weighed
from middleware.types import Candidate, Context, Offer, TaskView

__all__ = ["create"]

_YEAR = str(YEAR_SECONDS)
_MOST = str(10**9)


def create(
    *,
    weight: str = "0.5",
    floor_cost: object = "0.10",
    floor_seconds: object = 60,
    runtime_seconds: object = 3600,
    cpu_cores: object = 1,
    ram_gb: object = 2,
    disk_gb: object = 10,
    billing_quantum_seconds: object = 1,
    billing_minimum_seconds: object = 0,
    gpu_parameters: object = ("gpu", "gpus", "gpu_count"),
    use_failure_rate: object = False,
) -> Score:
    """Make the ranker. Numbers may be given as numbers or as text.

    Args:
        weight: The weight of tasks without one, in the grammar of the tag `protes.weight`.
        floor_cost: Least scale of cost, units of the base currency, from 0.000001.
        floor_seconds: Least scale of time, seconds, from 0.001.
        runtime_seconds: Run time at reference speed of tasks that do not say theirs.
        cpu_cores: Cores of tasks that do not ask for any.
        ram_gb: Memory, likewise.
        disk_gb: Disk, likewise.
        billing_quantum_seconds: Step in which run time is charged where an instance declares none; 0 is exact.
        billing_minimum_seconds: Run time charged at least where an instance declares none.
        gpu_parameters: Keys of `backend_parameters`, in any case, that say how many GPUs a task asks for.
        use_failure_rate: Whether run time and its price count the tries that fail, where that is learned.

    Raises:
        OptionError: An option is not what it must be.
    """
    defaults = Defaults(
        runtime_seconds=integer_option("runtime_seconds", runtime_seconds, 1, YEAR_SECONDS),
        cpu_cores=decimal_option("cpu_cores", cpu_cores, "0", _MOST),
        ram_gb=decimal_option("ram_gb", ram_gb, "0", _MOST),
        disk_gb=decimal_option("disk_gb", disk_gb, "0", _MOST),
        billing_quantum_ms=_milliseconds("billing_quantum_seconds", billing_quantum_seconds, "0"),
        billing_minimum_ms=_milliseconds("billing_minimum_seconds", billing_minimum_seconds, "0"),
        gpu_parameters=_names("gpu_parameters", gpu_parameters),
        use_failure_rate=_switch("use_failure_rate", use_failure_rate),
    )
    floors = Floors(
        cost=int(decimal_option("floor_cost", floor_cost, "0.000001", _MOST) * 1_000_000) * GRAINS_PER_MICRO,
        time=_milliseconds("floor_seconds", floor_seconds, "0.001") * NS_PER_MS,
    )
    return Score(_Ranker(defaults, floors, _weight_option(weight)))


@dataclass(frozen=True, slots=True)
class _Ranker:
    """Ranks the candidates of one task after the other; has no state of its own."""

    defaults: Defaults
    floors: Floors
    fallback: Weight

    def __call__(self, task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer | Refused]:
        reckoned = model(task, candidates, context, self.defaults)
        with localcontext(EXACT):
            asked = asked_of(context, costs_known=reckoned.costs_known)
        remaining, refused = _judged(reckoned, asked, context)
        notes = reckoned.notes + asked.notes
        if not remaining:
            return refused
        objective = _objective(remaining, asked, _weight_of(context, self.fallback), self.floors)
        plans = [(each.site, _best(each, objective, asked)) for each in remaining]
        if asked.value is None and _any_order(context, self.fallback):
            return [*_shuffled(reckoned, plans, context.seed, notes), *refused]
        return [*_ordered(reckoned, plans, objective, notes), *refused]


def _milliseconds(name: str, value: object, low: str) -> int:
    return int(decimal_option(name, value, low, _YEAR) * 1000)


def _weight_option(text: object) -> Weight:
    try:
        return parse_weight(str(text))
    except ValueError:
        raise OptionError("weight", "0, 1, 1.0, 0. with 1 to 6 digits, cost, time or random") from None


def _names(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
        raise OptionError(name, "a list of names")
    return tuple(each.casefold() for each in value)


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise OptionError(name, "true or false")
    return value


def _any_order(context: Context, fallback: Weight) -> bool:
    preference = context.preference
    return preference.mode == "random" or (preference.weight_millionths is None and fallback.millionths is None)


def _weight_of(context: Context, fallback: Weight) -> int:
    """Return the weight in millionths; where any order will do, the one by which replicas are chosen."""
    asked = context.preference.weight_millionths
    if asked is not None:
        return asked
    return WEIGHT_ONE // 2 if fallback.millionths is None else fallback.millionths


class _Remaining(NamedTuple):
    """A candidate that has plans within the caps, and the ends of what they cost and take."""

    site: Site
    cheapest: Chosen
    fastest: Chosen


def _judged(reckoned: Model, asked: Asked, context: Context) -> tuple[list[_Remaining], list[Refused]]:
    """Tell the candidates that have a plan within the caps from the others."""
    remaining: list[_Remaining] = []
    refused: list[Refused] = []
    for site in reckoned.sites:
        cheapest = within(site, CHEAPEST, asked.caps)
        fastest = cheapest if len(site.moves.stage.times) == 1 else within(site, FASTEST, asked.caps)
        if cheapest is None or fastest is None:
            refused.append(Refused(site.candidate.id, reason_for(site, asked, context.currency)))
        else:
            remaining.append(_Remaining(site, cheapest, fastest))
    return remaining, refused


def _best(one: _Remaining, objective: Objective, asked: Asked) -> Chosen:
    if one.cheapest is one.fastest:
        return one.cheapest  # there is no choice
    return within(one.site, objective, asked.caps) or one.cheapest


def _objective(remaining: Sequence[_Remaining], asked: Asked, weight_millionths: int, floors: Floors) -> Objective:
    if asked.value is not None:
        return valued(asked.value, GRAINS_PER_UNIT)
    least_cost = min(each.cheapest.cost for each in remaining)
    least_time = min(each.fastest.time for each in remaining)
    return weighed(weight_millionths, least_cost, least_time, floors)


def _shuffled(reckoned: Model, plans: Sequence[tuple[Site, Chosen]], seed: str, notes: tuple[str, ...]) -> list[Offer]:
    ordered = sorted(plans, key=lambda each: shuffle_key(seed, each[0].candidate.id))
    accounts = Accounts(reckoned)
    return [
        Offer(candidate_id=site.candidate.id, estimate=accounts.estimate(site, plan), notes=notes)
        for site, plan in ordered
    ]


def _ordered(
    reckoned: Model, plans: Sequence[tuple[Site, Chosen]], objective: Objective, notes: tuple[str, ...]
) -> list[Offer]:
    ranking = rank([Plan(plan.cost, plan.time, _key(reckoned, site)) for site, plan in plans], objective)
    offers, accounts = [], Accounts(reckoned)
    for index in ranking.order:
        site, plan = plans[index]
        offers.append(
            Offer(
                candidate_id=site.candidate.id,
                score=ranking.scores[index],
                score_unit=objective.unit,
                estimate=accounts.estimate(site, plan),
                notes=notes,
            )
        )
    return offers


def _key(reckoned: Model, site: Site) -> tuple[object, ...]:
    """Return the last tie-break; where nothing is known of any candidate, the data in its zone goes before its URL."""
    url = (site.candidate.url, site.candidate.id)
    if reckoned.anything_known:
        return url
    size, count = reckoned.cargo.within(site.candidate.zone)
    return (-size, -count, *url)
