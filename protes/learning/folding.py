"""The leader's part: finished tasks into the model, the model into the store (DESIGN.md section 5, "Statistics")."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.config.planning import LearningSettings
from protes.learning.model import Model
from protes.learning.observing import observations
from protes.store.protocols import Conflict, Records, Stored, TaskStore

logger = logging.getLogger(__name__)

KIND, CURSOR, SHARD_PREFIXES = "learning", "cursor", ("i/", "k/", "w/")
PAGE = 256

_TASKS_AT_ONCE, _PAGES = 50, 10
_SETTLED = timedelta(seconds=10)
"""Tasks are folded so long after their end: by then whoever finished an earlier one has stored it, and clocks agree."""
_PRUNE_EVERY = timedelta(hours=1)
_HALF_LIVES_BACK = 10


@dataclass(slots=True)
class _Work:
    """What the folding process holds between two folds.

    Attributes:
        model: all that is learned.
        after: the task folded last.
        cursor_version: version of the cursor, 0 where there is none yet.
        versions: versions of the shards.
    """

    model: Model
    after: tuple[datetime, str]
    cursor_version: int
    versions: dict[str, int]


class Folder:
    """Folds finished tasks.

    Shards are written first and the cursor last, each only over the version that was read. A crash in between makes the
    next fold see the same tasks again, which changes nothing: in a window the same sample is there once. A second
    process that folds meanwhile meets a conflict, forgets what it held and reads anew.
    """

    def __init__(
        self,
        settings: LearningSettings,
        tasks: TaskStore,
        records: Records,
        clock: Clock,
        speeds: Callable[[], Mapping[str, float]],
    ) -> None:
        """Fold from `tasks` into `records`; `speeds` tells the configured speeds by base URL."""
        self._settings = settings
        self._tasks = tasks
        self._records = records
        self._clock = clock
        self._speeds = speeds
        self._lock = threading.Lock()
        self._work: _Work | None = None
        self._ripe_at: datetime | None = None
        self._pruned_at: datetime | None = None

    def fold(self) -> int:
        """See `Learning.fold`."""
        now = self._clock.now()
        if (self._ripe_at is not None and now < self._ripe_at) or not self._lock.acquire(blocking=False):
            return 0
        try:
            return self._fold(now)
        except Conflict:
            logger.info("another process is learning from the same tasks; starting anew")
            self._work = None
            return 0
        except BaseException:
            # What is in memory may be ahead of the store by now.
            self._work = None
            raise
        finally:
            self._lock.release()

    def folded_until(self, moment: datetime) -> datetime:
        """See `Learning.done_with`."""
        now = self._clock.now()
        page = self._tasks.finished_since(self._begin(self._records.get(KIND, CURSOR, now), now), 1)
        return min(moment, page[0].finished_at or moment) if page else moment

    def _fold(self, now: datetime) -> int:
        work = self._work = self._current(now)
        folded = 0
        self._ripe_at = None
        speeds = self._speeds()
        for _ in range(_PAGES):
            page = self._tasks.finished_since(work.after, _TASKS_AT_ONCE)
            settled = list(
                takewhile(lambda each: each.finished_at is not None and each.finished_at <= now - _SETTLED, page)
            )
            for record in settled:
                for seen in observations(record):
                    work.model.observe(seen, speeds.get(seen.instance_url))
            if settled:
                work.after = (settled[-1].finished_at or now, settled[-1].id)
                folded += len(settled)
            if len(settled) < len(page):
                self._ripe_at = (page[len(settled)].finished_at or now) + _SETTLED
            if len(settled) < _TASKS_AT_ONCE:
                break
        if folded:
            self._prune(work.model, now)
            self._write(work, now)
        return folded

    def _current(self, now: datetime) -> _Work:
        """Return what is held where nobody has written since, else what is stored."""
        cursor = self._records.get(KIND, CURSOR, now)
        version = cursor.version if cursor is not None else 0
        if self._work is not None and self._work.cursor_version == version:
            return self._work
        shards, versions = read_shards(self._records, now)
        model = Model(self._settings)
        model.load(shards)
        return _Work(model, self._begin(cursor, now), version, versions)

    def _begin(self, cursor: Stored | None, now: datetime) -> tuple[datetime, str]:
        """Return after which task to go on; what ended very long ago tells nothing any more."""
        oldest = now - timedelta(seconds=_HALF_LIVES_BACK * self._settings.half_life_seconds)
        after = (oldest, "") if cursor is None else (parse_rfc3339(cursor.value["at"]), cursor.value["id"])
        return max(after, (oldest, ""))

    def _prune(self, model: Model, now: datetime) -> None:
        if self._pruned_at is None or now - self._pruned_at > _PRUNE_EVERY:
            self._pruned_at = now
            model.prune(now)

    def _write(self, work: _Work, now: datetime) -> None:
        for key, value in work.model.shards(work.model.take_changed()):
            if value:
                expected = work.versions.get(key, 0)
                work.versions[key] = self._records.put(KIND, key, value, now, expected_version=expected)
            elif work.versions.pop(key, None) is not None:
                self._records.delete(KIND, key)
        at, task_id = work.after
        cursor = {"at": rfc3339(at), "id": task_id, "shards": work.versions}
        work.cursor_version = self._records.put(KIND, CURSOR, cursor, now, expected_version=work.cursor_version)


def read_shards(records: Records, now: datetime) -> tuple[dict[str, Mapping[str, Any]], dict[str, int]]:
    """Read all shards, and their versions."""
    shards: dict[str, Mapping[str, Any]] = {}
    versions: dict[str, int] = {}
    for prefix in SHARD_PREFIXES:
        after = ""
        while page := records.scan(KIND, prefix, now, after=after, limit=PAGE):
            for stored in page:
                shards[stored.key], versions[stored.key] = stored.value, stored.version
            after = page[-1].key
    return shards, versions
