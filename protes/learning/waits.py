"""How long a task would wait at an instance now.

Waits of tasks that have ended are hours old and say little: what counts is how crowded the instance is at this moment.
Of others' tasks the gateway sees nothing, of its own everything. So a wait is what the instance takes to start a task
even when it has room, and what our own tasks that wait there now are going to take. Where none of ours waits, nothing
is added: an instance is tried, and the first of our tasks that waits there shows that it is full.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protes.learning.statistics import effective_number, ends_around_zero

WAIT_UNIT_SECONDS = 1.0
"""Added to waits before their logarithm is taken: much longer ones are compared by ratio, shorter ones hardly."""
ERROR_UNIT_SECONDS = 30.0
"""Added to waits before a predicted one is compared with the actual one: so much is about how late starts are seen."""
_DEFAULT_RUN_SECONDS = 10.0
"""How long tasks are taken to run where none has ended yet anywhere: enough to spread tasks over instances that are
about as good, too little to keep one from an instance that is better or to fail a deadline."""
_LEAST_ERRORS = 9.0
"""With fewer there is no 10th and 90th percentile by rank."""


@dataclass(frozen=True, slots=True)
class Errors:
    """By which ratio actual waits differ from predicted ones in 80 of 100 cases, as logarithms."""

    low: float
    high: float

    def around(self, predicted: float) -> tuple[float, float]:
        """Return the interval of a predicted wait; it holds the predicted wait itself."""
        moved = predicted + ERROR_UNIT_SECONDS
        low, high = (max(0.0, moved * math.exp(each) - ERROR_UNIT_SECONDS) for each in (self.low, self.high))
        return min(low, predicted), max(high, predicted)


@dataclass(frozen=True, slots=True)
class Crowding:
    """What all instances together tell of waits.

    Attributes:
        run_seconds: how long tasks run on average.
        learned: whether that was seen.
        free: errors of predictions where none of our tasks waited; None while too few are known.
        crowded: errors of predictions where some did.
    """

    run_seconds: float = _DEFAULT_RUN_SECONDS
    learned: bool = False
    free: Errors | None = None
    crowded: Errors | None = None


def crowding_seconds(run_seconds: float, in_flight: int, queued: int) -> float:
    """Return how long one more task waits for our tasks that wait there now.

    The tasks that run show how many places we hold there; where none runs, one is what we can hope for. Places are free
    again every run, and one more task starts when all that wait now have had one, and another is free. Where none of
    ours waits, nobody knows that there is no place left.
    """
    return run_seconds * (queued + 1) / max(1, in_flight - queued) if queued > 0 else 0.0


def errors_of(pairs: Iterable[tuple[float, float]], weights: Sequence[float]) -> Errors | None:
    """Sum up predicted and actual waits, seconds; None where they are too few."""
    values = [math.log((actual + ERROR_UNIT_SECONDS) / (predicted + ERROR_UNIT_SECONDS)) for predicted, actual in pairs]
    if not values:
        return None
    if effective_number(weights) < _LEAST_ERRORS:
        return None
    return Errors(*ends_around_zero(values, weights))
