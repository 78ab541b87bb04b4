"""Ranker `cost_runtime`: what a task would cost and take, weighed as the client asked (ESTIMATES.md)."""

from collections.abc import Sequence

from middleware.errors import OptionError
from middleware.estimates import Defaults, estimate_all
from middleware.figures import YEAR_SECONDS
from middleware.kinds import Score
from middleware.options import decimal_option, integer_option
from middleware.preference import Weight, parse_weight
from middleware.random_order import shuffle_key
from middleware.scoring import Floors, Plan, rank
from middleware.types import Candidate, Context, Estimate, Offer, TaskView

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
    )
    floors = Floors(
        cost_micro=int(decimal_option("floor_cost", floor_cost, "0.000001", _MOST) * 1_000_000),
        time_ms=_milliseconds("floor_seconds", floor_seconds, "0.001"),
    )
    fallback = _weight_option(weight)

    def rank_candidates(task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer]:
        estimates, notes = estimate_all(task, candidates, context, defaults)
        weight_millionths = _weight_of(context, fallback)
        if weight_millionths is None:
            return _shuffled(candidates, estimates, context.seed, notes)
        return _weighed(candidates, estimates, weight_millionths, floors, notes)

    return Score(rank_candidates)


def _milliseconds(name: str, value: object, low: str) -> int:
    return int(decimal_option(name, value, low, _YEAR) * 1000)


def _weight_option(text: object) -> Weight:
    try:
        return parse_weight(str(text))
    except ValueError:
        raise OptionError("weight", "0, 1, 1.0, 0. with 1 to 6 digits, cost, time or random") from None


def _weight_of(context: Context, fallback: Weight) -> int | None:
    """Return the weight in millionths, None where any order will do."""
    preference = context.preference
    if preference.mode == "random":
        return None
    return fallback.millionths if preference.weight_millionths is None else preference.weight_millionths


def _shuffled(
    candidates: Sequence[Candidate], estimates: Sequence[Estimate], seed: str, notes: tuple[str, ...]
) -> list[Offer]:
    offers = [
        Offer(candidate_id=candidate.id, estimate=estimate, notes=notes)
        for candidate, estimate in zip(candidates, estimates, strict=True)
    ]
    return sorted(offers, key=lambda offer: shuffle_key(seed, offer.candidate_id))


def _weighed(
    candidates: Sequence[Candidate],
    estimates: Sequence[Estimate],
    weight_millionths: int,
    floors: Floors,
    notes: tuple[str, ...],
) -> list[Offer]:
    # Cost is known for all or for none; where it is left out, all are equal in it.
    plans = [
        Plan(estimate.cost_micro or 0, estimate.time_ms or 0, f"{candidate.url}\n{candidate.id}")
        for candidate, estimate in zip(candidates, estimates, strict=True)
    ]
    ranking = rank(plans, weight_millionths, floors)
    return [
        Offer(
            candidate_id=candidates[index].id,
            score=ranking.scores[index],
            score_unit=ranking.unit,
            estimate=estimates[index],
            notes=notes,
        )
        for index in ranking.order
    ]
