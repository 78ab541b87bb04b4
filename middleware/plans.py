"""The best plan of one candidate: which replicas to take there, under an objective and caps.

Cost and time of a plan are those of its candidate (`Site`) and of its point of the stage: C = C_site + c + h * T_in,
T = T_site + T_in, where in parallel staging T_in is at least what the ingress needs for all bytes.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from middleware.estimates import Site
from middleware.scoring import Objective

__all__ = ["CHEAPEST", "FASTEST", "NO_CAPS", "Caps", "Chosen", "best", "within"]


class Chosen(NamedTuple):
    """A plan."""

    cost: int
    time: int
    moved: int
    """What moving the inputs costs, grains."""
    staged: int
    """How long they take to come in, ns."""
    key: int
    """Names the choice of replicas (`Moves.replicas`)."""


class Caps(NamedTuple):
    """The most that a plan may cost and take; None is no cap."""

    cost: int | None = None
    time: int | None = None

    def allow(self, plan: Chosen) -> bool:
        """Tell whether a plan is within."""
        return (self.cost is None or plan.cost <= self.cost) and (self.time is None or plan.time <= self.time)


NO_CAPS = Caps()
CHEAPEST = Objective(per_cost=1, per_time=0, cost_first=True, unit=1)
"""The first plan by (cost, time)."""
FASTEST = Objective(per_cost=0, per_time=1, cost_first=False, unit=1)
"""The first plan by (time, cost)."""


def best(site: Site, objective: Objective) -> Chosen:
    """Return the plan with the least score of all, equal ones as the objective says; exact."""
    stage = site.moves.stage
    times, costs, hull = stage.times, stage.costs, stage.hull
    low, high = 0, len(hull) - 1
    if not high:
        return _chosen(site, costs[0], times[0], 0)
    # Along the hull the score falls, stays at most once, and rises: find the first step on which it does not fall.
    per_cost, per_time = objective.per_cost, objective.per_time + objective.per_cost * site.held
    while low < high:
        middle = (low + high) // 2
        one, two = hull[middle], hull[middle + 1]
        change = per_cost * (costs[two] - costs[one]) + per_time * (times[two] - times[one])
        if change < 0 or (not change and objective.cost_first and _cheaper(site, one, two)):
            low = middle + 1
        else:
            high = middle
    index = hull[low]
    if times[index] >= site.bound:
        return _chosen(site, costs[index], times[index], index)
    return _beyond(site, objective)


def within(site: Site, objective: Objective, caps: Caps) -> Chosen | None:
    """Return the plan with the least score of those within the caps, None where there is none."""
    plan = best(site, objective)
    if caps.allow(plan):
        return plan
    allowed = [plan for plan in _all(site) if caps.allow(plan)]
    return min(allowed, key=lambda plan: _place(objective, plan), default=None)


def _cheaper(site: Site, one: int, two: int) -> bool:
    stage = site.moves.stage
    return stage.costs[two] + site.held * stage.times[two] < stage.costs[one] + site.held * stage.times[one]


def _chosen(site: Site, cost: int, time: int, key: int) -> Chosen:
    staged = time if time > site.bound else site.bound
    return Chosen(site.cost + cost + site.held * staged, site.time + staged, cost, staged, key)


def _beyond(site: Site, objective: Objective) -> Chosen:
    """Return the best plan where the ingress bounds: what comes in sooner does not help."""
    stage = site.moves.stage
    times, costs = stage.times, stage.costs
    first = max(0, bisect_right(times, site.bound) - 1)
    found = _chosen(site, costs[first], times[first], first)
    place = _place(objective, found)
    per_time = objective.per_time + objective.per_cost * site.held
    for index in range(first + 1, len(times)):
        if per_time * (times[index] - found.staged) > objective.per_cost * (found.moved - costs[-1]):
            break  # even at the least cost of all it would be worse
        plan = _chosen(site, costs[index], times[index], index)
        other = _place(objective, plan)
        if other < place:
            found, place = plan, other
    return found


def _place(objective: Objective, plan: Chosen) -> tuple[int, int, int]:
    score = objective.score(plan.cost, plan.time)
    return (score, plan.cost, plan.time) if objective.cost_first else (score, plan.time, plan.cost)


def _all(site: Site) -> Iterator[Chosen]:
    for time, cost, key in site.moves.stage.front():
        yield _chosen(site, cost, time, key)
