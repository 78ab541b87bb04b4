"""What planning is told of what was learned, and the job that learns."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from middleware import Basis, Learned, TaskView
from protes.clock import Clock
from protes.config.planning import LearningSettings
from protes.learning.folding import CURSOR, KIND, Folder, read_shards
from protes.learning.kinds import bucket_of, signature_of
from protes.learning.model import Model
from protes.store.protocols import Records, StoreError, TaskStore

logger = logging.getLogger(__name__)

_FRESH_SECONDS = 3.0
_MOST_READS = 64
"""Where more shards than that have changed, all are read at once."""
_MOST_KEPT = 50_000
_KEPT_HALF_LIVES = 0.01
"""Figures are used again for so long: weights change by less than one percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFigures:
    """What planning is told of an instance for a task; the names are those of `middleware.Candidate`.

    Attributes:
        speed: speed against the reference, None where nothing is configured or learned.
        speed_basis: where it comes from.
        queue_seconds: expected wait, None where learning is off and nothing is configured.
        queue_interval: where the wait lies in 80 of 100 cases, None as long as too little is learned.
        queue_basis: where the wait comes from.
        failure_rate: share of tasks that fail there, None where not learned; the ranker decides whether it counts.
    """

    speed: float | None = None
    speed_basis: Basis = "configured"
    queue_seconds: float | None = None
    queue_interval: tuple[float, float] | None = None
    queue_basis: Basis = "configured"
    failure_rate: float | None = None


class _Kept(NamedTuple):
    """Figures with what they were reckoned from."""

    shard: object
    crowding: object
    until: datetime
    figures: InstanceFigures


class Learning:
    """Statistics of finished tasks, shared through the store by all processes."""

    def __init__(
        self,
        settings: LearningSettings,
        tasks: TaskStore,
        records: Records,
        clock: Clock,
        speeds: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Read nothing yet.

        Args:
            settings: how to learn.
            tasks: where finished tasks are.
            records: where what is learned is kept.
            clock: what time it is.
            speeds: tells the configured speeds by base URL; what other instances' speeds are measured by.
        """
        self._settings = settings
        self._records = records
        self._clock = clock
        self._folder = Folder(settings, tasks, records, clock, speeds)
        self._model = Model(settings)
        self._versions: dict[str, int] = {}
        self._cursor_version = 0
        self._read_at: float | None = None
        self._now = clock.now()
        self._lock = threading.Lock()
        self._kept: dict[tuple[object, ...], _Kept] = {}
        self._keep = timedelta(seconds=_KEPT_HALF_LIVES * settings.half_life_seconds)
        self._bucket: tuple[TaskView, str] | None = None
        self._signature: tuple[TaskView, str, str] | None = None

    def fold(self) -> int:
        """Learn of tasks that have finished since the last time, at most 500; return how many.

        For the leader, every few seconds. Safe to repeat and to run twice at once, see `Folder`.

        Raises:
            StoreUnavailable: the store cannot be read or written now; nothing is lost.
        """
        return self._folder.fold() if self._settings.enabled else 0

    def done_with(self, moment: datetime) -> datetime:
        """Return `moment`, or an earlier one where tasks that ended since then have yet to be learned from.

        Asks the store. Raises StoreError.
        """
        return self._folder.folded_until(moment) if self._settings.enabled else moment

    def figures(
        self,
        instance_url: str,
        speed: float | None,
        queue_seconds: float | None,
        in_flight: int,
        queued: int,
        task: TaskView,
    ) -> InstanceFigures:
        """Return the figures of an instance for a task, learned ones in the place of configured ones.

        Asks nothing of the store but every few seconds, whether something new was learned.

        Args:
            instance_url: base URL of the instance.
            speed: its configured speed.
            queue_seconds: its configured wait.
            in_flight: unfinished tasks of ours there.
            queued: those of them that have not started.
            task: the task.
        """
        if not self._settings.enabled:
            return InstanceFigures(speed=speed, queue_seconds=queue_seconds)
        model = self._current()
        shard, crowding = model.instance(instance_url), model.crowding(self._now)
        bucket = self._bucket_of(task)
        key = (instance_url, speed, queue_seconds, in_flight, queued, bucket)
        kept = self._kept.get(key)
        if kept is not None and kept.shard is shard and kept.crowding is crowding and kept.until > self._now:
            return kept.figures
        figures = self._reckon(model, instance_url, speed, queue_seconds, (in_flight, queued), bucket)
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {}
        self._kept[key] = _Kept(shard, crowding, self._now + self._keep, figures)
        return figures

    def runtime(self, task: TaskView, audience: str = "") -> Learned | None:
        """Return how long tasks of this kind run at reference speed 1, seconds; None where too little is known.

        Only tasks that are shown to the same audience count.
        """
        return self._current().runtime(self._signature_of(task, audience), self._now)

    def output_bytes(self, task: TaskView, audience: str = "") -> int | None:
        """Return how much tasks of this kind put out in all, as `runtime` does; None where too little is known."""
        return self._current().output_bytes(self._signature_of(task, audience), self._now)

    def _reckon(
        self,
        model: Model,
        url: str,
        speed: float | None,
        queue_seconds: float | None,
        load: tuple[int, int],
        bucket: str,
    ) -> InstanceFigures:
        now = self._now
        fast = model.speed(url, now, speed)
        wait = model.queue(url, bucket, now, load, queue_seconds)
        failures = model.failure_rate(url, now)
        return InstanceFigures(
            speed=speed if fast is None else fast.value,
            speed_basis="configured" if fast is None else fast.basis,
            queue_seconds=wait.seconds,
            queue_interval=wait.interval,
            queue_basis=wait.basis,
            failure_rate=None if failures is None else failures.value,
        )

    def _bucket_of(self, task: TaskView) -> str:
        """The task's class of resources, reckoned once for all instances that are asked about in a row."""
        last = self._bucket
        if last is None or last[0] is not task:
            last = self._bucket = (task, bucket_of(task))
        return last[1]

    def _signature_of(self, task: TaskView, audience: str) -> str:
        """The task's kind, reckoned once for all that is asked about it in a row."""
        last = self._signature
        if last is None or last[0] is not task or last[1] != audience:
            last = self._signature = (task, audience, signature_of(task, audience))
        return last[2]

    def _current(self) -> Model:
        """Return the model, at most a few seconds old; while one thread reads, the others go on with what there is."""
        if self._settings.enabled and self._is_old() and self._lock.acquire(blocking=self._read_at is None):
            try:
                if self._is_old():
                    self._read()
                    self._read_at = self._clock.monotonic()
            finally:
                self._lock.release()
        return self._model

    def _is_old(self) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at >= _FRESH_SECONDS

    def _read(self) -> None:
        self._now = now = self._clock.now()
        try:
            cursor = self._records.get(KIND, CURSOR, now)
            if cursor is None or cursor.version == self._cursor_version:
                return
            self._take(cursor.value["shards"], now)
            self._cursor_version = cursor.version
        except StoreError as error:
            # Old figures, or configured ones, are better than no plan.
            logger.warning("what was learned cannot be read, going on without what is new: %s", error)

    def _take(self, wanted: Mapping[str, int], now: datetime) -> None:
        """Take over the shards that have changed."""
        changed = [key for key, version in wanted.items() if self._versions.get(key) != version]
        gone: dict[str, Mapping[str, Any]] = {key: {} for key in self._versions if key not in wanted}
        if len(changed) > _MOST_READS:
            shards, versions = read_shards(self._records, now)
        else:
            found = [stored for key in changed if (stored := self._records.get(KIND, key, now)) is not None]
            shards = {stored.key: stored.value for stored in found}
            versions = {**self._versions, **{stored.key: stored.version for stored in found}}
        self._model.load({**gone, **shards})
        self._versions = {key: version for key, version in versions.items() if key in wanted}
