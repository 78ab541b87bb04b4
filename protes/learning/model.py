"""What finished tasks teach, in memory: no store, no clock (ESTIMATES.md: the figures of "One plan").

Everything is kept in windows of the newest observations (`windows.py`) and reckoned from them when it is asked for, so
that the order in which observations come does not matter and a repeated one counts once.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator, Mapping, Set
from datetime import datetime
from typing import Any

from middleware import Learned
from protes.config.planning import LearningSettings
from protes.learning.kinds import bucket_of, signature_of
from protes.learning.observation import Figure, Observation, Outcome, Wait
from protes.learning.reckoning import Reckoner, Speeds, fitted_speeds, log_run, microseconds, prior_speed
from protes.learning.shards import OUTCOMES, UNKNOWN, ErrorShard, InstanceShard, JsonObject, KindShard, number_of
from protes.learning.speeds import Run, fit_speeds
from protes.learning.waits import Crowding

__all__ = ["Figure", "Model", "Observation", "Outcome", "bucket_of", "signature_of"]

_LONGEST_SECONDS = 366 * 86400.0
_LARGEST_BYTES = 2**60
_FORGOTTEN_HALF_LIVES = 10
_STALE_SHARE = 20
"""Speeds are fitted anew when one in so many runs is new."""
_ROOM_SHARE = 20
"""One in so many kinds goes when there are too many, so that the next ones find room."""
_INSTANCE, _KINDS = "i/", "k/"
_ERRORS = "w/errors"


class Model:
    """Windows of observations, and the figures reckoned from them.

    Changed by one thread; others may ask for figures meanwhile.
    """

    def __init__(self, settings: LearningSettings) -> None:
        """Know nothing yet."""
        self._keep_kinds = settings.keep_signatures
        self._reckoner = Reckoner(settings)
        self._instances: dict[str, InstanceShard] = {}
        self._shelves: dict[str, dict[str, KindShard]] = {}
        """Kinds of tasks by shard."""
        self._kind_count = 0
        self._errors = ErrorShard()
        self._revision = 0
        """Counts changes of instances and errors."""
        self._crowding: tuple[int, Crowding] | None = None
        self._changed: set[str] = set()
        self._speeds = Speeds({})
        self._new_runs = 0
        self._fitted_runs = 0

    def __eq__(self, other: object) -> bool:
        """Tell whether both have learned the same."""
        return isinstance(other, Model) and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]

    def observe(self, seen: Observation, configured_speed: float | None = None) -> None:
        """Learn of a task; the same observation again changes nothing.

        Figures that are NaN, infinite, negative or longer than a year count as not known.

        Args:
            seen: what became of it.
            configured_speed: the instance's speed by its operator's word, None where there is none.
        """
        at, number = microseconds(seen.at), number_of(seen)
        run, wait = _milliseconds(seen.run_seconds), _milliseconds(seen.queue_seconds)
        instance = self._instances.setdefault(seen.instance_url, InstanceShard(seen.instance_url))
        if configured_speed is not None and 0 < configured_speed < math.inf:
            instance.configured = max(instance.configured or (at, configured_speed), (at, configured_speed))
        instance.ends.add((at, number, OUTCOMES.index(seen.outcome)))
        if wait is not None and seen.outcome in ("complete", "executor_error"):
            instance.wait_window(seen.bucket).add((at, number, wait))
            self._observe_error(seen, at, number, wait)
        self._revision += 1
        if run is not None and seen.outcome == "complete":
            self._new_runs += instance.runs.add((at, number, seen.signature, run))
            self._observe_kind(seen, at, number, run)
        self._changed.add(_instance_key(seen.instance_url))

    def queue(
        self, instance_url: str, bucket: str, now: datetime, load: tuple[int, int], configured: float | None
    ) -> Wait:
        """Return how long a task of this class of resources would wait there now.

        The least that such tasks waited, shrunk toward what is configured or none, and how long it takes until our
        tasks that wait there now have started and one more place is free (`crowding_seconds`).

        Args:
            instance_url: base URL of the instance, whether anything is learned of it or not.
            bucket: class of resources.
            now: time.
            load: how many unfinished tasks of ours are there, and how many of them have not started.
            configured: the configured wait, None where there is none.
        """
        crowding = self.crowding(now)
        return self._reckoner.wait(self._instances.get(instance_url), bucket, now, load, configured, crowding)

    def crowding(self, now: datetime) -> Crowding:
        """Return what all instances together tell of waits; another object when something was learned."""
        revision, found = self._revision, self._crowding
        if found is None or found[0] != revision:
            crowding = self._reckoner.crowding(list(self._instances.values()), self._errors, now)
            found = self._crowding = (revision, crowding)
        return found[1]

    def runtime(self, signature: str, now: datetime) -> Learned | None:
        """Return how long a task of this kind runs at reference speed 1, seconds; None where too little is known."""
        kind = self._kind(signature)
        if kind is None:
            return None
        self._fit_if_stale()
        return self._reckoner.run(kind, self._speeds, now)

    def output_bytes(self, signature: str, now: datetime) -> int | None:
        """Return the median size of all outputs of a task of this kind; None where too little is known."""
        kind = self._kind(signature)
        return self._reckoner.output_bytes(kind, now) if kind else None

    def speed(self, instance_url: str, now: datetime, configured: float | None) -> Figure | None:
        """Return the speed of an instance, shrunk toward `configured` (1 where None); None where nothing is learned.

        The interval is that of the speed itself, not of single runs.
        """
        self._fit_if_stale()
        instance = self._instances.get(instance_url)
        return self._reckoner.speed(instance, now, configured) if instance else None

    def failure_rate(self, instance_url: str, now: datetime) -> Figure | None:
        """Return the share of tasks that end in SYSTEM_ERROR there, shrunk toward 0 and below 1.

        Errors of executors count as the instance's success, cancelled tasks not at all.
        """
        instance = self._instances.get(instance_url)
        return self._reckoner.failure_rate(instance, now) if instance else None

    def throughput(self, instance_url: str, now: datetime) -> Figure | None:
        """Return how many tasks of ours end there per second, cancelled ones aside."""
        instance = self._instances.get(instance_url)
        return self._reckoner.throughput(instance, now) if instance else None

    def instance(self, instance_url: str) -> InstanceShard | None:
        """Return what is learned of an instance; another object each time it was loaded anew."""
        return self._instances.get(instance_url)

    def fit(self) -> None:
        """Tell speeds of instances and lengths of tasks apart anew; done by itself where one run in 20 is new."""
        newest = max((each.newest for each in self._instances.values()), default=0)
        priors = {url: prior_speed(each) for url, each in self._instances.items()}
        runs = {url: list(self._weighed(each, newest)) for url, each in self._instances.items() if each.runs.samples}
        fits = fit_speeds(runs, priors, self._reckoner.prior_weight, newest)
        for url, instance in self._instances.items():
            if instance.fit != fits.get(url):
                instance.fit = fits.get(url)
                self._changed.add(_instance_key(url))
        self._new_runs, self._fitted_runs = 0, sum(map(len, runs.values()))
        self._take_speeds()

    def prune(self, now: datetime) -> None:
        """Forget instances and kinds not seen for ten half-lives."""
        before = microseconds(now) - _FORGOTTEN_HALF_LIVES * self._reckoner.half_life
        for url in [url for url, each in self._instances.items() if each.newest < before]:
            del self._instances[url]
            self._changed.add(_instance_key(url))
        for name in [name for name, each in self._kinds() if each.newest < before]:
            self._forget(name)
        if 0 < self._errors.newest < before:
            self._errors = ErrorShard()
            self._changed.add(_ERRORS)
        self._revision += 1

    def dump(self) -> dict[str, JsonObject]:
        """Write all of it as JSON values by shard: one per instance, one of errors of waits, and kinds of
        tasks in 256 of about equal size.
        """
        if self._new_runs:
            self.fit()
        full = {key for key, shelf in self._shelves.items() if shelf}
        full |= {_ERRORS} if self._errors.newest else set()
        return dict(self.shards(full.union(map(_instance_key, self._instances))))

    def take_changed(self) -> frozenset[str]:
        """Return which shards have changed since this was asked last."""
        self._fit_if_stale()
        changed, self._changed = frozenset(self._changed), set()
        return changed

    def shards(self, keys: Set[str]) -> Iterator[tuple[str, JsonObject]]:
        """Write the named shards; one that has become empty is an empty object."""
        instances = {_instance_key(url): each for url, each in self._instances.items()}
        for key in sorted(keys):
            if key == _ERRORS:
                yield key, self._errors.to_json()
            elif key.startswith(_KINDS):
                yield key, {name: each.to_json() for name, each in sorted(self._shelves.get(key, {}).items())}
            else:
                yield key, instances[key].to_json() if key in instances else {}

    def load(self, shards: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over shards as `dump` or `shards` wrote them; the others stay as they are."""
        for key, value in shards.items():
            if key == _ERRORS:
                self._errors = ErrorShard.from_json(value)
            elif key.startswith(_KINDS):
                self._shelves[key] = {name: KindShard.from_json(each) for name, each in value.items()}
            elif value:
                self._instances[value["url"]] = InstanceShard.from_json(value)
            else:
                for url in [url for url in self._instances if _instance_key(url) == key]:
                    del self._instances[url]
        self._kind_count = sum(map(len, self._shelves.values()))
        self._fitted_runs = sum(len(each.runs.samples) for each in self._instances.values())
        self._revision += 1
        self._take_speeds()

    def _observe_error(self, seen: Observation, at: int, number: int, wait: int) -> None:
        """Compare a wait with what was predicted when the task was sent."""
        predicted = _milliseconds(seen.predicted_wait)
        window = self._errors.crowded if seen.queued > 0 else self._errors.free
        if predicted is not None and window.add((at, number, predicted, wait)):
            self._changed.add(_ERRORS)

    def _observe_kind(self, seen: Observation, at: int, number: int, run: int) -> None:
        kind = self._kind(seen.signature)
        if kind is None:
            kind = self._shelves.setdefault(_kinds_key(seen.signature), {})[seen.signature] = KindShard()
            self._kind_count += 1
        size = seen.output_bytes
        known_size = size if size is not None and 0 <= size <= _LARGEST_BYTES else UNKNOWN
        kind.runs.add((at, number, seen.instance_url, run, known_size))
        self._changed.add(_kinds_key(seen.signature))
        if self._kind_count > self._keep_kinds:
            self._make_room()

    def _make_room(self) -> None:
        """Forget the kinds not seen for longest."""
        oldest = sorted((each.newest, name) for name, each in self._kinds())
        for _, name in oldest[: self._kind_count - self._keep_kinds + self._keep_kinds // _ROOM_SHARE]:
            self._forget(name)

    def _forget(self, name: str) -> None:
        del self._shelves[_kinds_key(name)][name]
        self._kind_count -= 1
        self._changed.add(_kinds_key(name))

    def _kind(self, signature: str) -> KindShard | None:
        return self._shelves.get(_kinds_key(signature), {}).get(signature)

    def _kinds(self) -> Iterator[tuple[str, KindShard]]:
        return ((name, each) for shelf in self._shelves.values() for name, each in shelf.items())

    def _fit_if_stale(self) -> None:
        if self._new_runs * _STALE_SHARE > self._fitted_runs:
            self.fit()

    def _weighed(self, instance: InstanceShard, newest: int) -> Iterator[Run]:
        for at, _, name, run in instance.runs.samples:
            yield name, log_run(run), 0.5 ** ((newest - at) / self._reckoner.half_life)

    def _take_speeds(self) -> None:
        self._speeds = fitted_speeds(self._instances, self._reckoner.prior_weight, self._speeds.revision + 1)


def _milliseconds(seconds: float | None) -> int | None:
    if seconds is None or not 0 <= seconds <= _LONGEST_SECONDS:
        return None
    return round(seconds * 1000)


def _instance_key(url: str) -> str:
    return _INSTANCE + hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:16]


def _kinds_key(signature: str) -> str:
    return f"{_KINDS}{zlib.crc32(signature.encode('utf-8', 'replace')) % 256:02x}"
