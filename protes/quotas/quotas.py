"""Quotas of owners (docs/quotas.md): who may store another task now, and who may ask for another dry run.

Everything is counted in the store, so that it holds over several processes and after a restart; `protes.quotas.tally`
says at what cost, and how far beyond a limit several processes may get.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from types import TracebackType
from typing import Self

from protes.clock import Clock
from protes.config.quotas import QuotaSettings
from protes.quotas.errors import QuotaExceeded, TaskTooLarge
from protes.quotas.limits import Limits, Who, limits_of
from protes.quotas.tally import Count, Stored, Tally
from protes.quotas.windows import Creations, DryRuns, stored_among
from protes.store.ids import new_token
from protes.store.protocols import Records, StoreError, TaskStore

_MOST_TALLIES = 10_000
_IN_FLIGHT, _STORED, _CREATIONS, _DRY_RUNS = (
    "tasks_in_flight",
    "tasks_stored",
    "creations_per_minute",
    "dry_runs_per_minute",
)
_RETRY_AFTER_SECONDS = {_IN_FLIGHT: 10, _STORED: 60}
"""Nobody knows when a task ends, or is deleted: it is worth while to look again then."""


class Counts:
    """What is counted, of every owner, in this process; it outlives a change of settings."""

    def __init__(self, tasks: TaskStore, records: Records, clock: Clock) -> None:
        """Count in these stores."""
        self.creations = Creations(tasks, clock)
        self.dry_runs = DryRuns(records, clock)
        self._tasks = tasks
        self._clock = clock
        self._tallies: OrderedDict[tuple[str, str], Tally] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, quota: str, owner: str) -> Tally:
        """Return the tally of a quota and an owner."""
        with self._lock:
            found = self._tallies.get((quota, owner))
            if found is None:
                found = self._tallies[quota, owner] = Tally(self._clock, *self._ways(quota, owner))
                self._bound()
            self._tallies.move_to_end((quota, owner))
            return found

    def _ways(self, quota: str, owner: str) -> tuple[Count, Stored]:
        stored = stored_among(self._tasks)
        count: Callable[[int], int]
        if quota == _IN_FLIGHT:
            count = lambda most: self._tasks.count(owner=owner, unfinished=True, most=most)  # noqa: E731
        elif quota == _STORED:
            count = lambda most: self._tasks.count(owner=owner, most=most)  # noqa: E731
        elif quota == _CREATIONS:
            count = lambda most: self.creations.count(owner, most)  # noqa: E731
        else:
            count, stored = (lambda most: self.dry_runs.count(owner, most)), (lambda _: ())
        return count, stored

    def _bound(self) -> None:
        """Forget who was asked for longest ago; what is forgotten is counted again."""
        for key in list(self._tallies)[: max(0, len(self._tallies) - _MOST_TALLIES)]:
            if self._tallies[key].idle:
                del self._tallies[key]


class Quotas:
    """The quotas that the settings of the moment give."""

    def __init__(self, settings: QuotaSettings, counts: Counts) -> None:
        """Hold owners to their limits by what `counts` says."""
        self._settings = settings
        self._counts = counts

    def admission(self, who: Who) -> "Admission":
        """Return what lets a caller's tasks in, one by one, until it is closed."""
        return Admission(who, limits_of(self._settings, who), self._counts)

    def dry_run(self, who: Who, size: int) -> None:
        """Let a dry run pass, of a task of so many bytes, and count it.

        Raises:
            QuotaExceeded: there were too many within the last minute.
            TaskTooLarge: the task could not be stored.
            StoreError: the store cannot count.
        """
        limits = limits_of(self._settings, who)
        _check_size(limits, size)
        limit = limits.dry_runs_per_minute
        if limit is None:
            return
        tally, bearer, key = self._counts.of(_DRY_RUNS, who.subject), object(), new_token()
        if not tally.take(key, bearer, limit):
            seconds = self._counts.dry_runs.seconds_until_free(who.subject, limit)
            text = "you have asked for too many offers or estimates within a minute: ask again later"
            raise QuotaExceeded(_DRY_RUNS, limit, text, _whole(seconds, limit))
        try:
            self._counts.dry_runs.note(who.subject)
        finally:
            tally.leave(key, bearer, stored=True)


class Admission:
    """Lets tasks of one owner in; a context manager, around checking them and storing them.

    When it ends by an error of the store, what was let in counts as stored, for it may be.
    """

    def __init__(self, who: Who, limits: Limits, counts: Counts) -> None:
        """Let them in within `limits`."""
        self._owner = who.subject
        self._limits = limits
        self._counts = counts
        self._taken: dict[str, list[Tally]] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Count what was let in, and not given back, as stored."""
        stored = error is None or isinstance(error, StoreError)
        for task_id in list(self._taken):
            self._end(task_id, stored=stored)

    def take(self, task_id: str, size: int) -> None:
        """Let a task in whose document has so many bytes.

        Raises:
            QuotaExceeded: a limit is reached; the text says which.
            TaskTooLarge: it is too large.
            StoreError: the store cannot count.
        """
        _check_size(self._limits, size)
        if task_id in self._taken:
            return
        self._taken[task_id] = []
        try:
            for quota in (_CREATIONS, _IN_FLIGHT, _STORED):
                limit: int | None = getattr(self._limits, quota)
                if limit is None:
                    continue
                tally = self._counts.of(quota, self._owner)
                if not tally.take(task_id, self, limit):
                    raise self._refusal(quota, limit)
                self._taken[task_id].append(tally)
        except BaseException:
            self.give_back(task_id)
            raise

    def give_back(self, task_id: str) -> None:
        """Note that a task will not be stored after all."""
        self._end(task_id, stored=False)

    def _end(self, task_id: str, *, stored: bool) -> None:
        tallies = self._taken.pop(task_id, [])
        for tally in tallies:
            tally.leave(task_id, self, stored=stored)
        if stored and tallies and self._limits.creations_per_minute is not None:
            self._counts.creations.note(self._owner, task_id)

    def _refusal(self, quota: str, limit: int) -> QuotaExceeded:
        if quota == _CREATIONS:
            seconds = self._counts.creations.seconds_until_free(self._owner, limit)
            text = "you have created too many tasks within a minute: send the others later"
            return QuotaExceeded(quota, limit, text, _whole(seconds, limit))
        if quota == _IN_FLIGHT:
            text = "you have too many unfinished tasks: wait until some end, or cancel some"
        else:
            text = "you have too many tasks stored: delete finished ones (DELETE /protes/v1/tasks/{id})"
        return QuotaExceeded(quota, limit, text, _RETRY_AFTER_SECONDS[quota] if limit else None)


def _check_size(limits: Limits, size: int) -> None:
    if limits.task_bytes is not None and size > limits.task_bytes:
        raise TaskTooLarge(size, limits.task_bytes)


def _whole(seconds: float, limit: int) -> int | None:
    return max(1, ceil(seconds)) if limit else None
