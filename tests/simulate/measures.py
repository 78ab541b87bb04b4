"""What trials come to: regret against the oracle, dominated weights, coverage; each per seed, to be summed up."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from tests.simulate.study import WEIGHTS, Coverage, Key, Run, Trial

__all__ = [
    "Spread",
    "cost_regrets",
    "coverages",
    "dominated_counts",
    "dominators",
    "makespan_regrets",
    "medians",
    "spread",
]

OTHERS = ("random", "round_robin", "distance", "testribute")


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles over the seeds."""

    low: float
    middle: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Sum up at least one value."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*quantiles(values, n=4, method="inclusive"))


def medians(trials: Iterable[Trial], key: Key, figure: Callable[[Trial, Run], float]) -> float:
    """Return the median over the seeds of a figure of one policy."""
    return median(figure(trial, trial.runs[key]) for trial in trials)


def cost_regrets(trials: Iterable[Trial], key: Key) -> list[float]:
    """Return by how much a policy is dearer than the oracle at weight 0, as a share of its cost, by seed."""
    return [trial.runs[key].cost / trial.runs["oracle", 0.0].cost - 1 for trial in trials]


def makespan_regrets(trials: Iterable[Trial], key: Key) -> list[float]:
    """Return by how much longer a policy takes than the oracle at weight 1, as a share of its makespan, by seed."""
    return [trial.runs[key].makespan / trial.runs["oracle", 1.0].makespan - 1 for trial in trials]


def dominators(trial: Trial, key: Key) -> list[Key]:
    """Return which of the other policies are no worse in cost and makespan, and better in one."""
    own = trial.runs[key]
    found = []
    for other, run in trial.runs.items():
        no_worse = run.cost <= own.cost and run.makespan <= own.makespan
        if other[0] in OTHERS and no_worse and (run.cost < own.cost or run.makespan < own.makespan):
            found.append(other)
    return found


def dominated_counts(trials: Iterable[Trial], family: str) -> list[int]:
    """Return how many weights of a family are dominated by another policy, by seed."""
    return [sum(bool(dominators(trial, (family, weight))) for weight in WEIGHTS) for trial in trials]


def coverages(trials: Iterable[Trial], family: str, figure: Callable[[Run], Coverage]) -> list[float]:
    """Return the share of intervals that held, over all weights of a family together, by seed; seeds without none."""
    shares = []
    for trial in trials:
        each = [figure(trial.runs[family, weight]) for weight in WEIGHTS]
        share = Coverage(sum(one.given for one in each), sum(one.held for one in each)).share
        if share is not None:
            shares.append(share)
    return shares
