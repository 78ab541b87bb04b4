"""Removing tasks because their owner says so; what has been kept long enough is removed by `protes.store.expiring`."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from protes.clock import Clock
from protes.store.protocols import Records, TaskStore

DELETED_KIND = "deleted"
"""What says that a task is not there any more because its owner deleted it, as long as a request may be repeated."""

_REMEMBERED = timedelta(hours=48)


class Removal:
    """Removes tasks with all that is kept for them. Safe to repeat and to interrupt."""

    def __init__(
        self,
        tasks: TaskStore,
        records: Records,
        clock: Clock,
        kinds: Sequence[str] = (),
        removing: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        """Remove from `tasks` and `records`.

        Args:
            tasks: the tasks.
            records: everything else.
            clock: the clock.
            kinds: kinds of records that are kept under the id of a task, and go with it.
            removing: is told of tasks before they are removed.
        """
        self.kinds = tuple(kinds)
        self._tasks = tasks
        self._records = records
        self._clock = clock
        self._removing = removing

    def remove(self, task_id: str) -> bool:
        """Remove a task; return whether it was there.

        That it was there is remembered as long as an `Idempotency-Key` lasts, and some more, so that a request that is
        repeated does not run it again.

        Raises:
            StoreError: it may have been removed, or not.
        """
        now = self._clock.now()
        self._records.put(DELETED_KIND, task_id, {}, now, expires_at=now + _REMEMBERED)
        for kind in self.kinds:
            self._records.delete(kind, task_id)
        self._removing([task_id])
        return self._tasks.delete(task_id)

    def was_removed(self, task_id: str) -> bool:
        """Tell whether a task was removed by its owner, not long ago."""
        return self._records.get(DELETED_KIND, task_id, self._clock.now()) is not None
