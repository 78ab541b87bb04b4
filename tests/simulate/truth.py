"""What really happens to a task at an instance, the oracle that knows it, and bounds that nobody can beat.

The formulas are those of ESTIMATES.md, "One plan", reckoned once more and apart from the ranker, in floats, with true
run times, bandwidths and output sizes. While inputs and outputs are moved the task holds its cores.
"""

import itertools
import math
from dataclasses import dataclass

from tests.simulate.world import GB, HOUR, Site, Task, World

__all__ = ["Plan", "Truth", "least_cost", "least_makespan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A task at an instance with a replica for each input: what is fixed before it queues."""

    site: int
    replicas: tuple[int, ...]
    cost: float
    """EUR."""
    run: float
    """s."""
    held: float
    """How long it holds its cores, s: staging and run."""


class Truth:
    """True plans of the tasks of a world, each reckoned once."""

    def __init__(self, world: World) -> None:
        """Reckon nothing yet."""
        self._world = world
        self._plans: dict[tuple[int, int, tuple[int, ...]], Plan] = {}
        self._fronts: dict[int, tuple[Plan, ...]] = {}

    def plan(self, task: Task, site: Site, replicas: tuple[int, ...]) -> Plan:
        """Return what becomes of a task at a site with these replicas."""
        key = task.index, site.index, replicas
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = self._reckon(task, site, replicas)
        return found

    def front(self, task: Task) -> tuple[Plan, ...]:
        """Return, for all sites, the plans that no other plan at the same site beats in cost and time."""
        found = self._fronts.get(task.index)
        if found is None:
            found = self._fronts[task.index] = tuple(
                plan for site in self._world.sites for plan in self._front_at(task, site)
            )
        return found

    def _front_at(self, task: Task, site: Site) -> list[Plan]:
        choices = itertools.product(*(range(len(each.zones)) for each in task.inputs))
        plans = sorted((self.plan(task, site, each) for each in choices), key=lambda plan: (plan.cost, plan.held))
        kept: list[Plan] = []
        for plan in plans:
            if not kept or plan.held < kept[-1].held:
                kept.append(plan)
        return kept

    def _reckon(self, task: Task, site: Site, replicas: tuple[int, ...]) -> Plan:
        kind, routes = task.kind, self._world.routes
        run = task.seconds / site.speed * kind.affinity[site.index]
        times, moved = [], 0.0
        for each, index in zip(task.inputs, replicas, strict=True):
            route = routes[each.zones[index], site.zone]
            times.append(route.latency + each.size / route.true)
            moved += each.size / GB * route.egress_gb
        size = sum(each.size for each in task.inputs)
        stage_in = sum(times) if site.staging == "sequential" else max(*times, size / site.ingress)
        out = routes[site.zone, task.output_zone]
        stage_out = out.latency + task.output_bytes / out.true
        moved += task.output_bytes / GB * out.egress_gb
        hourly = kind.cores * site.cpu_core_hour + kind.ram_gb * site.ram_gb_hour
        disk = kind.disk_gb * site.disk_gb_hour
        charged = site.quantum * math.ceil(max(site.minimum, run) / site.quantum)
        staging = (disk + hourly * site.bills_staging) * (stage_in + stage_out)
        cost = site.per_task + (hourly * charged + disk * run + staging) / HOUR + moved
        return Plan(site.index, replicas, cost, run, stage_in + run + stage_out)


def least_cost(world: World, truth: Truth) -> float:
    """Return a cost that no policy can go below: the sum of each task's cheapest plan."""
    return sum(min(plan.cost for plan in truth.front(task)) for task in world.tasks)


def least_makespan(world: World, truth: Truth) -> float:
    """Return a time, from the first arrival to the last end, that no policy can go below.

    The greater of two: no task ends before its arrival and its fastest plan without any wait; and the work of the tasks
    from the k-th arrival on cannot be done faster than by all cores of all instances together, each at its best speed
    for any kind of task, without own users and without staging.
    """
    capacity = sum(
        site.cores * site.speed / min(kind.affinity[site.index] for kind in world.kinds) for site in world.sites
    )
    bound, work = 0.0, 0.0
    for task in reversed(world.tasks):
        work += task.kind.cores * task.seconds
        alone = min(plan.held for plan in truth.front(task))
        bound = max(bound, task.arrival + alone, task.arrival + work / capacity)
    return bound - world.tasks[0].arrival
