"""What has been kept long enough is removed: values that have expired, and tasks that ended long ago.

Both in batches, so that other writes come in between, and within a time: what does not fit waits for the next run.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.store.protocols import Records, TaskStore

logger = logging.getLogger(__name__)

RECORDS_AT_ONCE = 1000
TASKS_AT_ONCE = 100
_MOST_SECONDS = 10.0


class Expiry:
    """Removes what is old. Safe to repeat, to interrupt, and to run twice at once."""

    def __init__(
        self,
        tasks: TaskStore,
        records: Records,
        clock: Clock,
        keep_finished_seconds: float | None,
        kinds: Sequence[str] = (),
        done_with: Callable[[datetime], datetime] = lambda moment: moment,
        removing: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        """Remove from `tasks` and `records`.

        Args:
            tasks: the tasks.
            records: everything else.
            clock: the clock.
            keep_finished_seconds: how long a task is kept after its end; None: for ever.
            kinds: kinds of records that are kept under the id of a task, and go with it.
            done_with: returns its argument, or an earlier moment where tasks that ended since are still needed.
            removing: is told of tasks before they are removed; may raise StoreError, and they stay.
        """
        self._tasks = tasks
        self._records = records
        self._clock = clock
        self._keep = None if keep_finished_seconds is None else timedelta(seconds=keep_finished_seconds)
        self._kinds = tuple(kinds)
        self._done_with = done_with
        self._removing = removing

    def expire_records(self) -> int:
        """Remove values that have expired; return how many. Raises StoreError."""
        now = self._clock.now()
        return self._in_batches(lambda: self._records.expire(now, RECORDS_AT_ONCE), RECORDS_AT_ONCE)

    def expire_tasks(self) -> int:
        """Remove tasks that ended long ago, with what was kept for them; return how many.

        One that still has a copy at an instance stays until that one has ended, too.

        Raises:
            StoreError: the store could not answer; what is left goes the next time.
        """
        if self._keep is None:
            return 0
        moment = self._done_with(self._clock.now() - self._keep)
        removed = self._in_batches(lambda: self._remove(moment), TASKS_AT_ONCE)
        if removed:
            logger.info("%d tasks were removed that had ended long ago", removed)
        return removed

    def _remove(self, moment: datetime) -> int:
        ids = self._tasks.finished_before(moment, TASKS_AT_ONCE)
        if ids:
            # The tasks last: as long as they are there, an interrupted removal is taken up again.
            for kind in self._kinds:
                self._records.delete_many(kind, ids)
            self._removing(ids)
            self._tasks.delete_many(ids)
        return len(ids)

    def _in_batches(self, batch: Callable[[], int], full: int) -> int:
        """Repeat what removes a batch until one is not full, or time is over; return how many were removed."""
        until = self._clock.monotonic() + _MOST_SECONDS
        total = 0
        while True:
            removed = batch()
            total += removed
            if removed < full or self._clock.monotonic() > until:
                return total
