"""Tells how fast instances are from how long tasks are: log(run) = log(length of the task) - log(speed) + noise.

Lengths and speeds are known up to a common factor only; the configured speeds (1 where there is none) fix it, each
counting for `prior` observations. What is solved are the normal equations of this mixed model with the lengths
eliminated, by Gauss-Seidel: a kind of task says of an instance only as much as it has been seen elsewhere too.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SWEEPS = 50
_TOLERANCE = 1e-4
_FARTHEST = math.log(32)
"""A run farther than this from the median of its kind counts as this far: it hung, or broke off."""
_LEAST_PRIOR = 0.1
"""Without any prior the common factor would be free."""

_ALONE = 1e-9
"""A kind of which less than this share was seen elsewhere was seen here only."""

RUN_SPREAD = 0.5
"""Standard deviation of the logs of runs of one kind, assumed before any were seen; counts for one observation."""

Run = tuple[str, float, float]
"""Kind of task, log of its run time, weight."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What runs tell of an instance's speed, its configured one left aside.

    Attributes:
        speed: log of the speed.
        weight: how many observations that is worth.
        variance: of runs' logs around what was expected, all instances together.
        at: time as of which `weight` is, microseconds since 1970.
    """

    speed: float
    weight: float
    variance: float
    at: int


def shrunk(fit: Fit | None, prior: float, prior_weight: float) -> float:
    """Return the log of the speed, between what runs tell and what is configured."""
    return prior if fit is None else _shrunk(fit.speed, fit.weight, prior, max(prior_weight, _LEAST_PRIOR))


def _shrunk(speed: float, weight: float, prior: float, prior_weight: float) -> float:
    return (prior_weight * prior + weight * speed) / (prior_weight + weight)


def fit_speeds(
    runs: Mapping[str, Iterable[Run]], priors: Mapping[str, float], prior_weight: float, at: int
) -> dict[str, Fit]:
    """Fit all instances at once.

    Args:
        runs: by instance.
        priors: log of the configured speed by instance; 0 where there is none.
        prior_weight: how many observations it counts for.
        at: time as of which the weights of the runs are.
    """
    prior_weight = max(prior_weight, _LEAST_PRIOR)
    cells = _cells(runs)
    kinds: dict[str, float] = {}
    for own in cells.values():
        for kind, (weight, _, _) in own.items():
            kinds[kind] = kinds.get(kind, 0.0) + weight
    speeds = {instance: priors.get(instance, 0.0) for instance in cells}
    lengths = dict.fromkeys(kinds, 0.0)
    for instance, own in cells.items():
        for kind, (weight, mean, _) in own.items():
            lengths[kind] += weight * (mean + speeds[instance])
    told: dict[str, tuple[float, float]] = {}
    for _ in range(_SWEEPS):
        farthest = 0.0
        for instance, own in cells.items():
            told[instance] = _told(own, speeds[instance], kinds, lengths)
            changed = _shrunk(*told[instance], priors.get(instance, 0.0), prior_weight) - speeds[instance]
            for kind, (weight, _, _) in own.items():
                lengths[kind] += weight * changed
            speeds[instance] += changed
            farthest = max(farthest, abs(changed))
        if farthest < _TOLERANCE:
            break
    squares = math.fsum(_squares(own, speeds[instance], kinds, lengths) for instance, own in cells.items())
    freedom = max(0.0, math.fsum(kinds.values()) - len(kinds))
    variance = (RUN_SPREAD**2 + squares) / (1 + freedom)
    return {instance: Fit(speed, weight, variance, at) for instance, (speed, weight) in told.items()}


Cell = tuple[float, float, float]
"""Weight, mean and sum of squares around it of the runs of a kind at an instance."""


def _told(
    own: Mapping[str, Cell], speed: float, kinds: Mapping[str, float], lengths: Mapping[str, float]
) -> tuple[float, float]:
    """What runs at an instance, compared to the same kinds elsewhere, say of its speed, and the weight of it."""
    told = weights = 0.0
    for kind, (weight, mean, _) in own.items():
        everywhere = kinds[kind]
        elsewhere = everywhere - weight
        if elsewhere > _ALONE * everywhere:
            told += weight * (lengths[kind] - weight * (mean + speed) - mean * elsewhere) / everywhere
            weights += weight * elsewhere / everywhere
    return (told / weights, weights) if weights > 0 else (0.0, 0.0)


def _squares(own: Mapping[str, Cell], speed: float, kinds: Mapping[str, float], lengths: Mapping[str, float]) -> float:
    """Sum of squares of what was not expected."""
    return math.fsum(
        square + weight * (lengths[kind] / kinds[kind] - mean - speed) ** 2
        for kind, (weight, mean, square) in own.items()
    )


def _cells(runs: Mapping[str, Iterable[Run]]) -> dict[str, dict[str, Cell]]:
    """Sum up runs by instance and kind, in a fixed order: the same runs give the same speeds to the last bit."""
    listed = {instance: sorted(own) for instance, own in sorted(runs.items())}
    medians = _medians(listed)
    cells: dict[str, dict[str, Cell]] = {}
    for instance, own in listed.items():
        sums: dict[str, Cell] = {}
        for kind, value, weight in own:
            value = min(max(value, medians[kind] - _FARTHEST), medians[kind] + _FARTHEST)
            before, mean, square = sums.get(kind, (0.0, 0.0, 0.0))
            after = before + weight
            changed = mean + (value - mean) * weight / after
            sums[kind] = (after, changed, square + weight * (value - mean) * (value - changed))
        cells[instance] = sums
    return cells


def _medians(listed: Mapping[str, list[Run]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for own in listed.values():
        for kind, value, _ in own:
            values.setdefault(kind, []).append(value)
    return {kind: sorted(each)[len(each) // 2] for kind, each in values.items()}
