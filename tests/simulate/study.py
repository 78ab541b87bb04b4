"""Plays all policies in the worlds of some seeds and keeps what the measures need."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.simulate.ours import Given, Learning, Surroundings
from tests.simulate.play import Finished, Outcome, Policy, play
from tests.simulate.policies import Distance, Oracle, RandomOrder, RoundRobin, Testribute
from tests.simulate.truth import Truth, least_cost, least_makespan
from tests.simulate.world import World, make_world

__all__ = ["FAMILIES", "LABELS", "WEIGHTS", "Coverage", "Key", "Run", "Trial", "policies", "try_seed"]

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)

LABELS = {
    "random": "random",
    "round_robin": "round robin",
    "distance": "distance",
    "testribute": "TEStribute's formula",
    "given": "ours, given with noise",
    "learned": "ours, learned",
    "oracle": "oracle",
}
FAMILIES = tuple(LABELS)

Key = tuple[str, float | None]
"""A family of policies, and the weight where it has one."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many intervals of 80 % were given, and how many of them held."""

    given: int
    held: int

    @property
    def share(self) -> float | None:
        """The share that held; None where none was given."""
        return self.held / self.given if self.given else None


@dataclass(frozen=True, slots=True)
class Run:
    """One policy in one world."""

    cost: float
    makespan: float
    flow: float
    waits: Coverage
    runs: Coverage


@dataclass(frozen=True, slots=True)
class Trial:
    """All policies in one world."""

    seed: int
    sites: int
    least_cost: float
    least_makespan: float
    runs: dict[Key, Run]


def policies(world: World) -> Iterator[tuple[Key, Callable[[], Policy]]]:
    """Name all policies, each with what makes it."""
    known = Surroundings(world)
    yield ("random", None), partial(RandomOrder, world)
    yield ("round_robin", None), RoundRobin
    yield ("distance", None), partial(Distance, world)
    for weight in WEIGHTS:
        yield ("testribute", weight), partial(Testribute, world, weight)
        yield ("given", weight), partial(Given, known, world, weight)
        yield ("learned", weight), partial(Learning, known, weight)
        yield ("oracle", weight), partial(Oracle, weight)


def try_seed(seed: int, count: int) -> Trial:
    """Play all policies in the world of a seed with so many tasks."""
    world = make_world(seed, count)
    truth = Truth(world)
    runs = {key: _run(play(world, truth, make())) for key, make in policies(world)}
    return Trial(seed, len(world.sites), least_cost(world, truth), least_makespan(world, truth), runs)


def _run(outcome: Outcome) -> Run:
    return Run(
        outcome.cost,
        outcome.makespan,
        outcome.flow,
        _coverage(outcome, lambda done: (done.said.wait if done.said else None, done.wait)),
        _coverage(outcome, lambda done: (done.said.run if done.said else None, done.plan.run)),
    )


def _coverage(outcome: Outcome, look: Callable[[Finished], tuple[tuple[float, float] | None, float]]) -> Coverage:
    looked = [look(done) for done in outcome.finished]
    held = [interval[0] <= value <= interval[1] for interval, value in looked if interval is not None]
    return Coverage(len(held), sum(held))
