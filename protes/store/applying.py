"""The part of a TaskStore that is the same everywhere: changes of one task, each a pure function of `changes`.

A backend only says how a change is applied atomically; what the change is stands once, here, so that backends
cannot disagree about leases, attempts and cancellation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from protes.store import changes
from protes.store.protocols import LeaseLost
from protes.store.records import Attempt, Lease, TaskRecord, Transition

Change = Callable[[TaskRecord], TaskRecord | None]
"""Makes the next version of a record, or None where nothing changes; may run more than once, and may raise."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did: the record as it is stored now, and whether the change made it so."""

    record: TaskRecord
    changed: bool


class ApplyingTaskStore(ABC):
    """The changing half of `TaskStore`, on top of `apply`."""

    @abstractmethod
    def apply(self, steps: Sequence[tuple[str, Change]]) -> Sequence[Applied | None]:
        """Apply each change to the task with the given id, in order, atomically and durably.

        No other change of a task may come between the version a change was given and the one it makes. Where a change
        raises, its exception comes out and its own task stays as it was.

        Returns:
            What was done, in the order of `steps`; None for a task that does not exist.
        """

    @abstractmethod
    def create(self, record: TaskRecord) -> TaskRecord:
        """See `TaskStore.create`."""

    def create_many(self, records: Sequence[TaskRecord]) -> Sequence[TaskRecord]:
        """See `TaskStore.create_many`; one by one, where the backend knows no better way."""
        return [self.create(record) for record in records]

    def claim(self, task_id: str, lease: Lease, now: datetime) -> TaskRecord | None:
        """See `TaskStore.claim`."""
        applied = self._apply_one(task_id, partial(changes.claim, lease=lease, now=now))
        return applied.record if applied is not None and applied.changed else None

    def extend(self, task_id: str, token: str, until: datetime) -> None:
        """See `TaskStore.extend`."""
        self._apply_leased(task_id, partial(changes.extend, token=token, until=until))

    def release(self, task_id: str, token: str, due_at: datetime | None, system_logs: Sequence[str] = ()) -> None:
        """See `TaskStore.release`."""
        self._apply_one(task_id, partial(changes.release, token=token, due_at=due_at, system_logs=system_logs))

    def transition(self, transitions: Iterable[Transition], now: datetime) -> Sequence[TaskRecord]:
        """See `TaskStore.transition`."""
        steps = [(seen.task_id, partial(changes.observe, seen=seen, now=now)) for seen in transitions]
        if not steps:
            return ()
        changed = {one.record.id: one.record for one in self.apply(steps) if one is not None and one.changed}
        return tuple(changed.values())

    def save_attempt(self, task_id: str, token: str, attempt: Attempt, now: datetime) -> TaskRecord:
        """See `TaskStore.save_attempt`."""

        def saved(record: TaskRecord) -> TaskRecord:
            changes.check_lease(record, token, now, attempt.n)
            return changes.with_attempt(record, attempt)

        return self._apply_leased(task_id, saved)

    def fail(self, task_id: str, token: str, system_logs: Sequence[str], now: datetime) -> TaskRecord:
        """See `TaskStore.fail`."""

        def failed(record: TaskRecord) -> TaskRecord:
            changes.check_lease(record, token, now)
            return changes.fail(record, system_logs, now)

        return self._apply_leased(task_id, failed)

    def withdraw(self, task_id: str, token: str, n: int, line: str, now: datetime) -> TaskRecord | None:
        """See `TaskStore.withdraw`."""

        def withdrawn(record: TaskRecord) -> TaskRecord | None:
            changes.check_lease(record, token, now)
            return changes.withdraw(record, n, line, now)

        applied = self._apply_one(task_id, withdrawn)
        if applied is None:
            raise LeaseLost(task_id)
        return applied.record if applied.changed else None

    def request_cancel(self, task_id: str, now: datetime) -> TaskRecord | None:
        """See `TaskStore.request_cancel`."""
        applied = self._apply_one(task_id, partial(changes.cancel, now=now))
        return None if applied is None else applied.record

    def request_cancels(self, task_ids: Sequence[str], now: datetime) -> Sequence[TaskRecord]:
        """See `TaskStore.request_cancels`."""
        if not task_ids:
            return ()
        applied = self.apply([(task_id, partial(changes.cancel, now=now)) for task_id in task_ids])
        return tuple(one.record for one in applied if one is not None)

    def close_cancel(self, task_id: str, message: str, now: datetime) -> TaskRecord | None:
        """See `TaskStore.close_cancel`."""
        applied = self._apply_one(task_id, partial(changes.close_cancel, message=message, now=now))
        return applied.record if applied is not None and applied.changed else None

    def _apply_one(self, task_id: str, change: Change) -> Applied | None:
        return self.apply([(task_id, change)])[0]

    def _apply_leased(self, task_id: str, change: Change) -> TaskRecord:
        applied = self._apply_one(task_id, change)
        if applied is None:
            raise LeaseLost(task_id)
        return applied.record
