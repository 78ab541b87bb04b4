"""Weighted statistics of logarithms: medians, and intervals that hold 80 of 100 new values. Pure.

Run times and waits are heavy-tailed, so all of it works on their logarithms. Observations weigh less with age, by a
half-life; as all age alike, that changes how much they weigh altogether and never how they compare. So a window of
samples is summed up once, at the time of its newest sample, and only its weight is brought to the present.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.2815515655446004
"""The standard normal's 90th percentile: an interval of 80 % leaves out a tenth at either end."""

_TAIL = 0.1
_FEW, _MANY = 10.0, 30.0
"""Up to so many observations the interval is Student's, from so many on it is that of the ranks."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a window of logarithms comes to, with weights as of its newest sample.

    Attributes:
        weight: sum of the weights.
        effective: how many equal observations would tell as much (Kish); does not change with age.
        mean: weighted mean.
        variance: weighted variance around it (divided by n, not n - 1).
        median: weighted median.
        low: the 10th percentile by rank.
        high: the 90th percentile by rank.
    """

    weight: float
    effective: float
    mean: float
    variance: float
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Predicted:
    """Where the next value lies, as a logarithm: its median, and the interval of 80 %."""

    center: float
    low: float
    high: float


def effective_number(weights: Sequence[float]) -> float:
    """Return how many equal observations would tell as much as at least one of these weights (Kish)."""
    return math.fsum(weights) ** 2 / math.fsum(weight * weight for weight in weights)


def summarise(values: Sequence[float], weights: Sequence[float]) -> Summary:
    """Sum up at least one value; weights are positive."""
    total, effective = math.fsum(weights), effective_number(weights)
    mean = math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / total
    variance = math.fsum(weight * (value - mean) ** 2 for value, weight in zip(values, weights, strict=True)) / total
    ranked = sorted(zip(values, weights, strict=True))
    places = _places(ranked, total, effective)
    low, median, high = (_quantile(ranked, places, share) for share in (_TAIL, 0.5, 1 - _TAIL))
    return Summary(total, effective, mean, variance, median, low, high)


@dataclass(frozen=True, slots=True)
class Spread:
    """A variance expected beforehand, and how many observations it counts for."""

    variance: float
    weight: float


def predict(summary: Summary, spread: Spread) -> Predicted:
    """Tell where the next value lies.

    Few observations: Student's t around the mean, with the help of the spread expected. Many: the
    10th and 90th percentile by rank, which are right for whatever distribution. Between them, a mixture.

    Args:
        summary: of what was seen.
        spread: expected beforehand.
    """
    half = _student_half(summary, spread)
    ranks = min(1.0, max(0.0, (summary.effective - _FEW) / (_MANY - _FEW)))
    low = (1 - ranks) * (summary.mean - half) + ranks * summary.low
    high = (1 - ranks) * (summary.mean + half) + ranks * summary.high
    return Predicted(summary.median, min(low, summary.median), max(high, summary.median))


def ends_around_zero(values: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Return where 80 of 100 new values lie, by rank; 0 lies in it, too.

    A tenth is left out at either end. Where that is not possible, since 0 or a value that is very frequent is the end,
    more is left out at the other one.
    """
    total = math.fsum(weights)
    ranked = sorted(zip(values, weights, strict=True))
    places = _places(ranked, total, effective_number(weights))
    low = min(0.0, _quantile(ranked, places, _TAIL))
    high = _quantile(ranked, places, 1 - 2 * _TAIL + min(_TAIL, _share_below(ranked, places, low)))
    if high >= 0:
        return low, high
    mirrored = [(-value, weight) for value, weight in reversed(ranked)]
    places = [1 - place for place in reversed(places)]
    return -_quantile(mirrored, places, 1 - 2 * _TAIL + min(_TAIL, _share_below(mirrored, places, 0.0))), 0.0


def _student_half(summary: Summary, spread: Spread) -> float:
    """Half the width of Student's interval for one more value."""
    seen = summary.effective
    freedom = spread.weight + seen - 1
    variance = (spread.weight * spread.variance + seen * summary.variance) / freedom
    return student(freedom) * math.sqrt(variance * (1 + 1 / seen))


def student(freedom: float) -> float:
    """The 90th percentile of Student's t, by Cornish and Fisher's expansion: within 0.5 % from 2 degrees on."""
    freedom = max(freedom, 1.0)
    z3, z5, z7 = Z**3, Z**5, Z**7
    first = (z3 + Z) / 4
    second = (5 * z5 + 16 * z3 + 3 * Z) / 96
    third = (3 * z7 + 19 * z5 + 17 * z3 - 15 * Z) / 384
    return Z + first / freedom + second / freedom**2 + third / freedom**3


def _places(ranked: Sequence[tuple[float, float]], total: float, effective: float) -> list[float]:
    """The share of new values below each ranked one: i / (n + 1) where all weigh the same."""
    places, before = [], 0.0
    for _, weight in ranked:
        middle = (before + weight / 2) / total
        places.append((middle * effective + 0.5) / (effective + 1))
        before += weight
    return places


def _share_below(ranked: Sequence[tuple[float, float]], places: Sequence[float], value: float) -> float:
    """The share of new values below this one."""
    after = bisect_left(ranked, (value, 0.0))
    if after == 0 or after == len(ranked):
        return 0.0 if after == 0 and ranked[0][0] > value else places[min(after, len(ranked) - 1)]
    (lower, _), (upper, _) = ranked[after - 1], ranked[after]
    return places[after - 1] + (places[after] - places[after - 1]) * (value - lower) / (upper - lower)


def _quantile(ranked: Sequence[tuple[float, float]], places: Sequence[float], share: float) -> float:
    """The value below which `share` of new ones lie, between neighbours in proportion, at most the outermost."""
    if share <= places[0]:
        return ranked[0][0]
    for index in range(1, len(places)):
        if share <= places[index]:
            within = (share - places[index - 1]) / (places[index] - places[index - 1])
            below, above = ranked[index - 1][0], ranked[index][0]
            return below + within * (above - below)
    return ranked[-1][0]
