"""Plays one policy in one world: every task is placed once, at its arrival, and runs to its end.

Ends are handed to the policy before the next arrival after them, in the order in which they happen.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from tests.simulate.queues import SiteQueue
from tests.simulate.truth import Plan, Truth
from tests.simulate.world import Site, Task, World

__all__ = ["SEEN_LATE", "Finished", "Interval", "Outcome", "Policy", "State", "play"]

SEEN_LATE = 30.0
"""Seconds after its start that the gateway knows a task to run: the relay's longest interval by default."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a policy thought a figure would lie in 80 of 100 cases; None where it did not say."""

    wait: tuple[float, float] | None
    run: tuple[float, float] | None


@dataclass(frozen=True, slots=True, order=True)
class Finished:
    """A task as it ran; ordered by its end."""

    end: float
    index: int
    """Of the task."""
    task: Task = field(compare=False)
    plan: Plan = field(compare=False)
    wait: float = field(compare=False)
    said: Interval | None = field(compare=False)


class State:
    """The federation as it is at the arrival of a task."""

    def __init__(self, world: World, truth: Truth) -> None:
        """Begin before the first arrival."""
        self.world = world
        self.truth = truth
        self.now = 0.0
        self.in_flight = [0] * len(world.sites)
        """Tasks of the gateway at each site that have not ended."""
        self._placed: list[list[Finished]] = [[] for _ in world.sites]
        """Those of them that had not been seen to run, when that was asked last."""
        self._queues = [SiteQueue(site) for site in world.sites]

    def wait(self, task: Task, plan: Plan) -> float:
        """Return how long a task would wait by this plan; exact."""
        return self._queues[plan.site].start(self.now, task.kind.cores, plan.held) - self.now

    def queued(self, site: Site) -> int:
        """Return how many of the gateway's tasks at a site are not known to have started.

        A start is seen `SEEN_LATE` seconds after it, an end at once.
        """
        waiting = self._placed[site.index] = [
            done
            for done in self._placed[site.index]
            if self.now < min(done.end, done.task.arrival + done.wait + SEEN_LATE)
        ]
        return len(waiting)

    def place(self, task: Task, plan: Plan, said: Interval | None) -> Finished:
        """Send a task where the plan says."""
        start = self._queues[plan.site].place(self.now, task.kind.cores, plan.held)
        self.in_flight[plan.site] += 1
        placed = Finished(start + plan.held, task.index, task, plan, start - self.now, said)
        self._placed[plan.site].append(placed)
        return placed


class Policy(Protocol):
    """A way of choosing; made anew for each world."""

    def choose(self, task: Task, state: State) -> tuple[Plan, Interval | None]:
        """Choose a site and replicas."""

    def learn(self, done: Finished) -> None:
        """Hear of a task that has ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a workload."""

    finished: tuple[Finished, ...]
    """By the order of arrival."""

    @property
    def cost(self) -> float:
        """All of it, EUR."""
        return sum(each.plan.cost for each in self.finished)

    @property
    def makespan(self) -> float:
        """From the first arrival to the last end, s."""
        return max(each.end for each in self.finished) - self.finished[0].task.arrival

    @property
    def flow(self) -> float:
        """Mean time from a task's arrival to its end, s."""
        return sum(each.end - each.task.arrival for each in self.finished) / len(self.finished)


def play(world: World, truth: Truth, policy: Policy) -> Outcome:
    """Let a policy place the tasks of a world."""
    state = State(world, truth)
    running: list[Finished] = []
    placed = []
    for task in world.tasks:
        state.now = task.arrival
        for done in _ended(running, task.arrival):
            state.in_flight[done.plan.site] -= 1
            policy.learn(done)
        plan, said = policy.choose(task, state)
        placed.append(state.place(task, plan, said))
        heapq.heappush(running, placed[-1])
    return Outcome(tuple(placed))


def _ended(running: list[Finished], now: float) -> Iterator[Finished]:
    while running and running[0].end <= now:
        yield heapq.heappop(running)
