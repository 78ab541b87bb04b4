"""Figures from windows. What depends on a window alone is kept beside it until the window changes."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from middleware import Learned
from protes.config.planning import LearningSettings
from protes.learning.observation import Figure, Wait
from protes.learning.shards import OUTCOMES, UNKNOWN, ErrorShard, InstanceShard, KindShard
from protes.learning.speeds import RUN_SPREAD, shrunk
from protes.learning.statistics import Spread, Summary, Z, predict, student, summarise
from protes.learning.waits import WAIT_UNIT_SECONDS, Crowding, Errors, crowding_seconds, errors_of
from protes.learning.windows import Window

_LEAST_RUN_SECONDS = 0.1
"""Shorter runs count as this long: clocks of instances tick in seconds, and a logarithm needs something."""
_RUN_SPREAD_WEIGHT = 2.0
"""What all kinds of tasks together tell of the spread of one counts for so many observations."""
_LEAST_SEEN_SHARE = 0.25
"""No run stands for more than four of its kind."""
_FRESH_SHARE = 0.25
"""So many observations as are asked for are enough until they weigh this share of it, two half-lives later."""
_HIGHEST_FAILURE_RATE = 0.95
_FAILED, _CANCELED = OUTCOMES.index("system_error"), OUTCOMES.index("canceled")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=16)
def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def log_run(milliseconds: int) -> float:
    """Return the logarithm of a run time in seconds."""
    return math.log(max(milliseconds / 1000, _LEAST_RUN_SECONDS))


@dataclass(frozen=True, slots=True)
class Speeds:
    """The speeds of all instances, as fitted last.

    Attributes:
        logarithms: of the speeds, by base URL.
        variance: of the logarithms of runs around what was expected.
        revision: changes when they do.
    """

    logarithms: Mapping[str, float]
    variance: float = RUN_SPREAD**2
    revision: int = 0


class Reckoner:
    """Reckons by the settings; without state."""

    def __init__(self, settings: LearningSettings) -> None:
        """Reckon with half-life, prior and least number of the settings."""
        self.half_life = settings.half_life_seconds * 1e6
        self.prior_weight = settings.prior_observations
        self._least = settings.min_observations

    def wait(
        self,
        instance: InstanceShard | None,
        bucket: str,
        now: datetime,
        load: tuple[int, int],
        configured: float | None,
        crowding: Crowding,
    ) -> Wait:
        """See `Model.queue`; `load` is how many of our tasks are there, and how many of them wait."""
        in_flight, queued = load
        base, weight = self._idle_wait(instance, bucket, now, configured)
        crowded = 0.0
        if queued > 0:
            crowded = crowding_seconds(self._run_seconds(instance, now, crowding), in_flight, queued)
        errors = crowding.crowded if queued > 0 else crowding.free
        seconds = base + crowded
        learned = weight > 0 or (queued > 0 and crowding.learned)
        return Wait(
            seconds=seconds,
            interval=errors.around(seconds) if errors else None,
            count=weight,
            basis="learned" if learned else "default" if queued > 0 or configured is None else "configured",
        )

    def crowding(self, instances: Iterable[InstanceShard], errors: ErrorShard, now: datetime) -> Crowding:
        """Sum up what all instances tell of waits."""
        total = weights = 0.0
        for each in instances:
            mean, weight = self._mean_run(each, now)
            total, weights = total + weight * mean, weights + weight
        free, crowded = (self._errors(window) for window in (errors.free, errors.crowded))
        if weights <= 0:
            return Crowding(free=free, crowded=crowded)
        return Crowding(total / weights, learned=True, free=free, crowded=crowded)

    def _errors(self, window: Window) -> Errors | None:
        pairs = ((predicted / 1000, actual / 1000) for _, _, predicted, actual in window.samples)
        return errors_of(pairs, window.weights(self.half_life))

    def _idle_wait(
        self, instance: InstanceShard | None, bucket: str, now: datetime, configured: float | None
    ) -> tuple[float, float]:
        """Return the shortest waits seen, shrunk toward what is configured or none, and the weight of what was seen."""
        prior = max(0.0, configured or 0.0)
        window = instance.waits.get(bucket) if instance is not None else None
        if instance is None or window is None or not window.samples:
            return prior, 0.0
        summary = self._waits(instance, bucket, window)
        weight = self._aged(summary.weight, window.newest, now)
        if configured is None and not self._enough(window, weight):
            return prior, 0.0
        share = weight / (weight + self.prior_weight)
        center = math.log(prior + WAIT_UNIT_SECONDS)
        return max(0.0, math.exp(center + share * (summary.low - center)) - WAIT_UNIT_SECONDS), weight

    def _run_seconds(self, instance: InstanceShard | None, now: datetime, crowding: Crowding) -> float:
        """How long tasks run at an instance on average, shrunk toward how long they run anywhere."""
        mean, weight = self._mean_run(instance, now) if instance is not None else (0.0, 0.0)
        if weight <= 0:
            return crowding.run_seconds
        return (weight * mean + self.prior_weight * crowding.run_seconds) / (weight + self.prior_weight)

    def _mean_run(self, instance: InstanceShard, now: datetime) -> tuple[float, float]:
        """Mean run time there, seconds, and its weight as of now."""
        runs = instance.runs
        if not runs.samples:
            return 0.0, 0.0
        found = instance.cache.get("mean run")
        if found is None or found[0] != runs.revision:
            weights = runs.weights(self.half_life)
            total = math.fsum(weights)
            sums = math.fsum(weight * each[3] for weight, each in zip(weights, runs.samples, strict=True))
            found = instance.cache["mean run"] = (runs.revision, (sums / total / 1000, total))
        mean, weight = found[1]
        return mean, self._aged(weight, runs.newest, now)

    def run(self, kind: KindShard, speeds: "Speeds", now: datetime) -> Learned | None:
        """See `Model.runtime`."""
        if not kind.runs.samples:
            return None
        summary = self._runs(kind, speeds, now)
        weight = self._aged(summary.weight, kind.runs.newest, now)
        if not self._enough(kind.runs, weight):
            return None
        found = predict(summary, Spread(speeds.variance, _RUN_SPREAD_WEIGHT))
        return Learned(value=math.exp(found.center), low=math.exp(found.low), high=math.exp(found.high), count=weight)

    def output_bytes(self, kind: KindShard, now: datetime) -> int | None:
        """See `Model.output_bytes`."""
        samples = [(each[4], each[0]) for each in kind.runs.samples if each[4] != UNKNOWN]
        if not samples:
            return None
        found = kind.cache.get("bytes")
        if found is None or found[0] != kind.runs.revision:
            weights = [0.5 ** ((samples[-1][1] - at) / self.half_life) for _, at in samples]
            median = summarise([math.log1p(size) for size, _ in samples], weights).median
            found = kind.cache["bytes"] = (kind.runs.revision, (round(math.expm1(median)), math.fsum(weights)))
        size, weight = found[1]
        weight *= 0.5 ** (max(0, microseconds(now) - samples[-1][1]) / self.half_life)
        return size if len(samples) >= self._least and weight >= self._least * _FRESH_SHARE else None

    def speed(self, instance: InstanceShard, now: datetime, configured: float | None) -> Figure | None:
        """See `Model.speed`."""
        fit = instance.fit
        if fit is None or fit.weight <= 0:
            return None
        weight = self._aged(fit.weight, fit.at, now)
        if configured is None and not self._enough(instance.runs, weight):
            return None
        prior = log_speed(configured)
        share = weight / (weight + self.prior_weight)
        value = prior + share * (fit.speed - prior)
        half = student(weight) * math.sqrt(fit.variance / (weight + self.prior_weight))
        return Figure(value=math.exp(value), low=math.exp(value - half), high=math.exp(value + half), count=weight)

    def failure_rate(self, instance: InstanceShard, now: datetime) -> Figure | None:
        """See `Model.failure_rate`."""
        counted, total, bad = self._ends(instance)
        aging = self._aged(1.0, instance.ends.newest, now)
        total, bad = total * aging, bad * aging
        if counted < self._least or total < self._least * _FRESH_SHARE:
            return None
        rate = bad / (total + self.prior_weight)
        low, high = _wilson(bad / total, total)
        top = _HIGHEST_FAILURE_RATE
        return Figure(value=min(rate, top), low=min(low, rate, top), high=min(max(high, rate), top), count=total)

    def throughput(self, instance: InstanceShard, now: datetime) -> Figure | None:
        """See `Model.throughput`."""
        ends = [sample[0] for sample in instance.ends.samples if sample[2] != _CANCELED]
        if len(ends) < max(2.0, self._least):
            return None
        moment, decay = max(microseconds(now), ends[-1]), math.log(2) / self.half_life
        # The first end opens the time that is looked at; it is not one of those that fell into it.
        weight = math.fsum(math.exp(-decay * (moment - at)) for at in ends[1:])
        seconds = -math.expm1(-decay * (moment - ends[0])) / decay / 1e6
        if seconds <= 0 or weight <= 0:
            return None
        rate, half = weight / seconds, math.exp(Z / math.sqrt(weight)) if weight >= 1 else math.exp(Z)
        return Figure(value=rate, low=rate / half, high=rate * half, count=weight)

    def _ends(self, instance: InstanceShard) -> tuple[int, float, float]:
        """Number and weight of the tasks that were not cancelled, and the weight of those that failed."""
        found = instance.cache.get("ends")
        if found is None or found[0] != instance.ends.revision:
            weighed = zip(instance.ends.weights(self.half_life), instance.ends.samples, strict=True)
            counted = [(weight, sample[2]) for weight, sample in weighed if sample[2] != _CANCELED]
            bad = math.fsum(weight for weight, outcome in counted if outcome == _FAILED)
            sums = (len(counted), math.fsum(weight for weight, _ in counted), bad)
            found = instance.cache["ends"] = (instance.ends.revision, sums)
        number, total, failed = found[1]
        return number, total, failed

    def _waits(self, instance: InstanceShard, bucket: str, window: Window) -> Summary:
        found = instance.cache.get("waits " + bucket)
        if found is None or found[0] != window.revision:
            values = [math.log(each[2] / 1000 + WAIT_UNIT_SECONDS) for each in window.samples]
            found = instance.cache["waits " + bucket] = (
                window.revision,
                summarise(values, window.weights(self.half_life)),
            )
        summary: Summary = found[1]
        return summary

    def _runs(self, kind: KindShard, speeds: "Speeds", now: datetime) -> Summary:
        if len(kind.runs.samples) < kind.runs.size:
            return summarise(_reference_runs(kind, speeds), self._weights_of_few(kind.runs, now))
        key = (kind.runs.revision, speeds.revision)
        found = kind.cache.get("runs")
        if found is None or found[0] != key:
            values = _reference_runs(kind, speeds)
            found = kind.cache["runs"] = (key, summarise(values, kind.runs.weights(self.half_life)))
        summary: Summary = found[1]
        return summary

    def _weights_of_few(self, runs: Window, now: datetime) -> list[float]:
        """Weights by age, and by how likely it is that a run as long as that has ended by now.

        In the beginning only short tasks have ended. Where tasks began at any time since the first one, those that run
        for a share x of the time since then have ended with the probability 1 - x; the ones that are seen stand for the
        others. Once the window is full, as many long ones end within it as short ones for each that begins.
        """
        weights = runs.weights(self.half_life)
        since = max(microseconds(now), runs.newest) - min(each[0] - each[3] * 1000 for each in runs.samples)
        shares = (max(_LEAST_SEEN_SHARE, 1 - each[3] * 1000 / max(since, 1)) for each in runs.samples)
        standing = [weight / share for weight, share in zip(weights, shares, strict=True)]
        scale = math.fsum(weights) / math.fsum(standing)
        return [weight * scale for weight in standing]

    def _aged(self, weight: float, at: int, now: datetime) -> float:
        """What weighed so much at that time weighs less now."""
        return float(weight * 0.5 ** (max(0, microseconds(now) - at) / self.half_life))

    def _enough(self, window: Window, weight: float) -> bool:
        return len(window.samples) >= self._least and weight >= self._least * _FRESH_SHARE


def _reference_runs(kind: KindShard, speeds: Speeds) -> list[float]:
    """Logarithms of run times, at reference speed."""
    return [log_run(run) + speeds.logarithms.get(url, 0.0) for _, _, url, run, _ in kind.runs.samples]


def log_speed(configured: float | None) -> float:
    """Return the logarithm of a configured speed; 1 is the speed of an instance that has none."""
    return math.log(configured) if configured is not None and 0 < configured < math.inf else 0.0


def prior_speed(instance: InstanceShard) -> float:
    """Return the logarithm of the speed last configured when a task was observed there."""
    return log_speed(instance.configured[1] if instance.configured else None)


def fitted_speeds(instances: Mapping[str, InstanceShard], prior_weight: float, revision: int) -> Speeds:
    """Put together what the instances' fits say."""
    logarithms = {url: shrunk(each.fit, prior_speed(each), prior_weight) for url, each in instances.items()}
    newest = max((each.fit for each in instances.values() if each.fit), key=lambda fit: fit.at, default=None)
    return Speeds(logarithms, newest.variance if newest else RUN_SPREAD**2, revision)


def _wilson(share: float, number: float) -> tuple[float, float]:
    """Wilson's interval of a share seen in so many cases."""
    square = Z * Z
    middle = (share + square / (2 * number)) / (1 + square / number)
    half = Z * math.sqrt(share * (1 - share) / number + square / (4 * number * number)) / (1 + square / number)
    return max(0.0, middle - half), min(1.0, middle + half)
