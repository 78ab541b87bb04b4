"""Removing tasks because their owner says so; what has been kept long enough is removed by `protes.store.expiring`."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from protes.clock import Clock
from protes.store.protocols import Records, TaskStore

DELETED_KIND = "deleted"
"""What says that a task is not there any more because its owner deleted it, as long as a request may be repeated."""

_REMEMBERED = timedelta(hours=48)
_PAGE = 256


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
        self.leave_nothing(task_id)
        self._removing([task_id])
        return self._tasks.delete(task_id)

    def was_removed(self, task_id: str) -> bool:
        """Tell whether a task was removed by its owner, not long ago."""
        return self._records.get(DELETED_KIND, task_id, self._clock.now()) is not None

    def again(self, task_ids: Sequence[str]) -> Collection[str]:
        """Undo the creation of those of these tasks that had been removed before; return their ids.

        A request that stood still before it stored its task, while another one with its `Idempotency-Key` did, and the
        task ran, ended and was removed, makes it anew. To be asked after storing and before anybody is told to begin.

        Raises:
            StoreError: it could not be found out, or not be undone.
        """
        if not task_ids:
            return frozenset()
        found = self._removed_of(frozenset(task_ids))
        for task_id in found:
            # Cancelled first: then nobody begins, and what somebody has begun is seen to.
            cancelled = self._tasks.request_cancel(task_id, self._clock.now())
            if cancelled is not None and cancelled.live_attempt is None:
                self.remove(task_id)
        return found

    def leave_nothing(self, task_id: str) -> None:
        """Remove what is kept under the id of a task that is removed: somebody may still have been at work on it."""
        for kind in self.kinds:
            self._records.delete(kind, task_id)

    def _removed_of(self, task_ids: Collection[str]) -> set[str]:
        """Return those of these ids that are of removed tasks, by as few reads as it takes."""
        if len(task_ids) == 1:
            return {each for each in task_ids if self.was_removed(each)}
        return self._removed_among(min(task_ids), max(task_ids)) & set(task_ids)

    def _removed_among(self, first: str, last: str) -> set[str]:
        """Return the ids of removed tasks from `first` to `last`; ids that are made at a time stand together."""
        found: set[str] = set()
        after = first[:-1]
        while page := self._records.scan(DELETED_KIND, "", self._clock.now(), after=after, limit=_PAGE):
            found.update(each.key for each in page if each.key <= last)
            after = page[-1].key
            if after > last or len(page) < _PAGE:
                break
        return found
