"""Ways of choosing that ours are compared with, and the oracle. All but the oracle know no more than a gateway can."""

import math
from random import Random

from tests.simulate.places import PLACES, kilometres
from tests.simulate.play import Finished, Interval, State
from tests.simulate.truth import Plan
from tests.simulate.world import GB, HOUR, Site, Task, World

__all__ = ["Distance", "Oracle", "RandomOrder", "RoundRobin", "Testribute", "nearest"]

FLOOR_COST, FLOOR_SECONDS = 0.10, 60.0
"""The least scales of the score (ESTIMATES.md, "Choosing"), as the ranker has them by default."""

Choice = tuple[Plan, Interval | None]


def nearest(task: Task, site: Site) -> tuple[int, ...]:
    """Return, for each input, the replica with the shortest great circle to a site."""
    return tuple(
        min(range(len(each.zones)), key=lambda index: kilometres(PLACES[each.zones[index]], site.coordinates))
        for each in task.inputs
    )


class Unlearning:
    """What does not learn."""

    def learn(self, done: Finished) -> None:
        """Forget it."""


class RandomOrder(Unlearning):
    """Any site; the nearest replicas."""

    def __init__(self, world: World) -> None:
        """Draw from the world's seed."""
        self._random = Random(f"random {world.seed}")

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        site = self._random.choice(state.world.sites)
        return state.truth.plan(task, site, nearest(task, site)), None


class RoundRobin(Unlearning):
    """One site after the other; the nearest replicas."""

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        site = state.world.sites[task.index % len(state.world.sites)]
        return state.truth.plan(task, site, nearest(task, site)), None


class Distance(Unlearning):
    """The site to which the bytes of the inputs have the shortest way; among equals any, by the seed."""

    def __init__(self, world: World) -> None:
        """Draw from the world's seed."""
        self._random = Random(f"distance {world.seed}")

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        ways = [
            (byte_kilometres(task, site, nearest(task, site)), self._random.random(), site)
            for site in state.world.sites
        ]
        site = min(ways, key=lambda way: way[:2])[2]
        return state.truth.plan(task, site, nearest(task, site)), None


def byte_kilometres(task: Task, site: Site, replicas: tuple[int, ...]) -> float:
    """Return the sum over the inputs of size times distance, B km."""
    return sum(
        each.size * kilometres(PLACES[each.zones[index]], site.coordinates)
        for each, index in zip(task.inputs, replicas, strict=True)
    )


class Testribute(Unlearning):
    """TEStribute's formula: cost and time against those of the first combination, kilometres priced, no transfer time.

    It is given the same noisy run times and waits as ours. The combination that comes first, which its code leaves to
    the order of sets, is drawn from the seed. Only each site's nearest replicas are looked at: among combinations at
    one site they are never worse by this formula.
    """

    __test__ = False

    PER_GB_1000KM = 0.02
    """EUR; so that 4000 km cost about what clouds charge for a GB that leaves."""

    def __init__(self, world: World, mode: float) -> None:
        """Choose by a mode from 0 (cost) to 1 (time)."""
        self._random = Random(f"testribute {world.seed}")
        self._mode = mode

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        sites = list(state.world.sites)
        first = self._random.choice(sites)
        any_replicas = tuple(self._random.randrange(len(each.zones)) for each in task.inputs)
        unit_cost, unit_time = self._cost(task, first, any_replicas), self._time(task, first, state)
        self._random.shuffle(sites)
        scores = [self._score(task, site, state, unit_cost, unit_time) for site in sites]
        # As argsort does: what is no number comes last.
        best = min(range(len(sites)), key=lambda index: (math.isnan(scores[index]), scores[index]))
        return state.truth.plan(task, sites[best], nearest(task, sites[best])), None

    def _score(self, task: Task, site: Site, state: State, unit_cost: float, unit_time: float) -> float:
        cost = _ratio(self._cost(task, site, nearest(task, site)), unit_cost)
        return self._mode * _ratio(self._time(task, site, state), unit_time) + (1 - self._mode) * cost

    def _cost(self, task: Task, site: Site, replicas: tuple[int, ...]) -> float:
        kind, seconds = task.kind, task.seconds * task.noise.runtime
        compute = seconds * (kind.cores * site.cpu_core_hour + kind.ram_gb * site.ram_gb_hour) / HOUR
        storage = kind.disk_gb * site.disk_gb_hour
        return compute + storage + byte_kilometres(task, site, replicas) * self.PER_GB_1000KM / (GB * 1000)

    def _time(self, task: Task, site: Site, state: State) -> float:
        return noisy_wait(task, site, state) + task.seconds * task.noise.runtime


def _ratio(value: float, unit: float) -> float:
    """Divide as NumPy does."""
    if unit:
        return value / unit
    return math.inf if value else math.nan


def noisy_wait(task: Task, site: Site, state: State) -> float:
    """Return the wait that an instance reports: the true one, but for a factor."""
    plan = state.truth.plan(task, site, nearest(task, site))
    return state.wait(task, plan) * task.noise.waits[site.index]


class Oracle(Unlearning):
    """The best true score at the arrival, of all sites and replicas: greedy, for it does not know what comes later."""

    def __init__(self, weight: float) -> None:
        """Choose by a weight from 0 (cost) to 1 (time)."""
        self._weight = weight

    def choose(self, task: Task, state: State) -> Choice:
        """Choose a site and replicas."""
        plans = state.truth.front(task)
        times = [state.wait(task, plan) + plan.held for plan in plans]
        least_cost, least_time = min(plan.cost for plan in plans), min(times)
        per_cost = (1 - self._weight) / max(least_cost, FLOOR_COST)
        per_time = self._weight / max(least_time, FLOOR_SECONDS)
        cost_first = self._weight <= 0.5

        def key(index: int) -> tuple[float, float, float]:
            cost, time = plans[index].cost, times[index]
            score = per_cost * (cost - least_cost) + per_time * (time - least_time)
            return (score, cost, time) if cost_first else (score, time, cost)

        return plans[min(range(len(plans)), key=key)], None
