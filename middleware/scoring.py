"""Weighing cost against time, in integers (ESTIMATES.md, "Choosing").

A plan is what a task would cost and take at one candidate. Its score is the relative excess over the ideal, the least
cost and the least time of all plans, without a division: smaller is better and 0 is the ideal. Or it is an amount of
money, the time valued at a price: free of any ideal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from middleware.preference import WEIGHT_ONE

__all__ = ["Floors", "Objective", "Plan", "Ranking", "rank", "valued", "weighed"]


class Plan(NamedTuple):
    """Cost and time of a task at one candidate, in whole units of any size, not negative."""

    cost: int
    time: int
    key: tuple[object, ...] | str
    """The last tie-break, different for each plan: in the end the candidate's canonical base URL."""


@dataclass(frozen=True, slots=True)
class Floors:
    """Least scales: they bound what a small difference can weigh and make free instances safe. Both above 0."""

    cost: int
    time: int


@dataclass(frozen=True, slots=True)
class Objective:
    """What is to be as small as can be: a weighted sum of cost and time."""

    per_cost: int
    per_time: int
    cost_first: bool
    """Whether equal scores go by (cost, time) rather than (time, cost)."""
    unit: int
    """`score / unit` is what people see."""
    least_cost: int = 0
    least_time: int = 0

    def score(self, cost: int, time: int) -> int:
        """Return the score of a plan; 0 is the ideal."""
        return self.per_cost * (cost - self.least_cost) + self.per_time * (time - self.least_time)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Plans in order, with their scores."""

    order: tuple[int, ...]
    """Indices of the plans, best first."""
    scores: tuple[int, ...]
    """Score of each plan, in the order in which the plans were given."""


def weighed(weight_millionths: int, least_cost: int, least_time: int, floors: Floors) -> Objective:
    """Weigh the relative excess of cost and time over the ideal.

    Equal scores go by (cost, time) for weights up to 1/2 and by (time, cost) above, so that the winner is
    Pareto-optimal at every weight and the weights 0 and 1 are lexicographic.

    Args:
        weight_millionths: 0 (cost) to 1,000,000 (time).
        least_cost: The least cost of all plans.
        least_time: The least time of all plans.
        floors: The least scales.
    """
    cost_scale, time_scale = max(least_cost, floors.cost), max(least_time, floors.time)
    return Objective(
        per_cost=(WEIGHT_ONE - weight_millionths) * time_scale,
        per_time=weight_millionths * cost_scale,
        cost_first=2 * weight_millionths <= WEIGHT_ONE,
        unit=WEIGHT_ONE * cost_scale * time_scale,
        least_cost=least_cost,
        least_time=least_time,
    )


def valued(per_time: int, unit: int) -> Objective:
    """Add to the cost what the time is worth; equal ones go by (cost, time)."""
    return Objective(per_cost=1, per_time=per_time, cost_first=True, unit=unit)


def rank(plans: Sequence[Plan], objective: Objective) -> Ranking:
    """Order plans by score; equal ones as the objective says, then by key."""
    scores = tuple(objective.score(plan.cost, plan.time) for plan in plans)
    if objective.cost_first:
        keys = [(score, cost, time, key) for score, (cost, time, key) in zip(scores, plans, strict=True)]
    else:
        keys = [(score, time, cost, key) for score, (cost, time, key) in zip(scores, plans, strict=True)]
    return Ranking(tuple(sorted(range(len(plans)), key=keys.__getitem__)), scores)
