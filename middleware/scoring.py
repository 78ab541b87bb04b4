"""Weighing cost against time, in integers (ESTIMATES.md, "Choosing").

A plan is what a task would cost and take at one candidate. Its score is the relative excess over the ideal, the least
cost and the least time of all plans, without a division: smaller is better and 0 is the ideal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from middleware.preference import WEIGHT_ONE

__all__ = ["Floors", "Plan", "Ranking", "rank"]


class Plan(NamedTuple):
    """Cost and time of a task at one candidate."""

    cost_micro: int
    """Micro-units of the base currency, not negative."""
    time_ms: int
    """Milliseconds, not negative."""
    key: str
    """The last tie-break, different for each plan: the candidate's canonical base URL."""


@dataclass(frozen=True, slots=True)
class Floors:
    """Least scales: they bound what a small difference can weigh and make free instances safe. Both above 0."""

    cost_micro: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Plans in order, with their scores."""

    order: tuple[int, ...]
    """Indices of the plans, best first."""
    scores: tuple[int, ...]
    """Score of each plan, in the order in which the plans were given."""
    unit: int
    """`score / unit` is the relative excess that people see."""


def rank(plans: Sequence[Plan], weight_millionths: int, floors: Floors) -> Ranking:
    """Order plans by the weighted relative excess over the ideal.

    Equal scores go by (cost, time) for weights up to 1/2 and by (time, cost) above, then by key, so that the winner is
    Pareto-optimal at every weight and the weights 0 and 1 are lexicographic.

    Args:
        plans: The plans.
        weight_millionths: 0 (cost) to 1,000,000 (time).
        floors: The least scales.
    """
    if not plans:
        return Ranking((), (), 1)
    least_cost = min(plan.cost_micro for plan in plans)
    least_time = min(plan.time_ms for plan in plans)
    cost_scale = max(least_cost, floors.cost_micro)
    time_scale = max(least_time, floors.time_ms)
    per_cost = (WEIGHT_ONE - weight_millionths) * time_scale
    per_time = weight_millionths * cost_scale
    scores = tuple(per_cost * (plan.cost_micro - least_cost) + per_time * (plan.time_ms - least_time) for plan in plans)
    cost_first = 2 * weight_millionths <= WEIGHT_ONE

    def place(index: int) -> tuple[int, int, int, str]:
        plan = plans[index]
        if cost_first:
            return scores[index], plan.cost_micro, plan.time_ms, plan.key
        return scores[index], plan.time_ms, plan.cost_micro, plan.key

    order = tuple(sorted(range(len(plans)), key=place))
    return Ranking(order, scores, WEIGHT_ONE * cost_scale * time_scale)
