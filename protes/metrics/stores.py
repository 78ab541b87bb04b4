"""How long the store takes, and what it was told of tasks: everything that happens to a task goes through it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from protes.clock import Clock
from protes.metrics.catalogue import STORE_FAILURES, STORE_SECONDS
from protes.metrics.port import Meter
from protes.metrics.wrapping import public_methods, wrapped
from protes.store.factory import Stores
from protes.store.protocols import Records, StoreUnavailable, TaskStore
from protes.store.records import Attempt, Phase, TaskRecord

_ROUNDED = timedelta(milliseconds=2)
"""Stores keep times with as few as three digits."""


class Watcher(Protocol):
    """Is told, in the thread where it happens, once it is stored. Must be quick, and not raise."""

    def creating(self, record: TaskRecord) -> None:
        """A task is about to be stored; somebody may work on it before `created` is called."""

    def created(self, record: TaskRecord) -> None:
        """A task was stored."""

    def attempted(self, record: TaskRecord, attempt: Attempt, now: datetime) -> None:
        """What became of a POST was stored: ACCEPTED, REJECTED, or UNKNOWN."""

    def changed(self, record: TaskRecord) -> None:
        """Something of a task has changed by what was seen at its instance, or by what its caller wishes."""

    def withdrawn(self, record: TaskRecord) -> None:
        """A task is to be taken back from its instance."""

    def ended(self, record: TaskRecord, now: datetime) -> None:
        """A task has reached a final state."""


def measured(stores: Stores, meter: Meter, clock: Clock) -> Stores:
    """Return stores that measure how long they take."""
    tasks = _measured(stores.tasks, TaskStore, "tasks", meter, clock)
    records = _measured(stores.records, Records, "records", meter, clock)
    return replace(stores, tasks=tasks, records=records)


def _measured(part: Any, protocol: type, name: str, meter: Meter, clock: Clock) -> Any:
    def around(method: str) -> Callable[..., Any]:
        call, operation, now = getattr(part, method), f"{name}.{method}", clock.monotonic

        def measuring(*args: Any, **options: Any) -> Any:
            began = now()
            try:
                return call(*args, **options)
            except StoreUnavailable:
                meter.count(STORE_FAILURES, operation)
                raise
            finally:
                meter.observe(STORE_SECONDS, now() - began, operation)

        return measuring

    return wrapped(part, {method: around(method) for method in public_methods(protocol) if method != "close"})


def watched(stores: Stores, watchers: Sequence[Watcher]) -> Stores:
    """Return stores that tell these watchers what they store of tasks."""
    return replace(stores, tasks=_Watched(stores.tasks, watchers).tasks) if watchers else stores


class _Watched:
    """See `watched`."""

    def __init__(self, inner: TaskStore, watchers: Sequence[Watcher]) -> None:
        self._inner = inner
        self._watchers = watchers
        methods = ("create", "create_many", "save_attempt", "transition", "fail", "withdraw", "close_cancel")
        replaced = {name: getattr(self, name) for name in (*methods, "request_cancel", "request_cancels")}
        self.tasks = wrapped(inner, replaced)

    def create(self, record: TaskRecord) -> TaskRecord:
        self._creating((record,))
        stored = self._inner.create(record)
        self._created((record,), (stored,))
        return stored

    def create_many(self, records: Sequence[TaskRecord]) -> Sequence[TaskRecord]:
        self._creating(records)
        stored = self._inner.create_many(records)
        self._created(records, stored)
        return stored

    def save_attempt(self, task_id: str, token: str, attempt: Attempt, now: datetime) -> TaskRecord:
        stored = self._inner.save_attempt(task_id, token, attempt, now)
        first = attempt.phase in (Phase.ACCEPTED, Phase.REJECTED)
        if first or (attempt.phase is Phase.UNKNOWN and attempt.looks == 0):
            for watcher in self._watchers:
                watcher.attempted(stored, attempt, now)
        return stored

    def transition(self, transitions: Iterable[Any], now: datetime) -> Sequence[TaskRecord]:
        changed = self._inner.transition(transitions, now)
        for record in changed:
            self._changed(record, now)
        return changed

    def fail(self, task_id: str, token: str, system_logs: Sequence[str], now: datetime) -> TaskRecord:
        failed = self._inner.fail(task_id, token, system_logs, now)
        self._changed(failed, now)
        return failed

    def withdraw(self, task_id: str, token: str, n: int, line: str, now: datetime) -> TaskRecord | None:
        record = self._inner.withdraw(task_id, token, n, line, now)
        if record is not None:
            for watcher in self._watchers:
                watcher.withdrawn(record)
        return record

    def request_cancel(self, task_id: str, now: datetime) -> TaskRecord | None:
        record = self._inner.request_cancel(task_id, now)
        if record is not None:
            self._changed(record, now)
        return record

    def request_cancels(self, task_ids: Sequence[str], now: datetime) -> Sequence[TaskRecord]:
        records = self._inner.request_cancels(task_ids, now)
        for record in records:
            self._changed(record, now)
        return records

    def close_cancel(self, task_id: str, message: str, now: datetime) -> TaskRecord | None:
        record = self._inner.close_cancel(task_id, message, now)
        if record is not None:
            self._changed(record, now)
        return record

    def _creating(self, records: Sequence[TaskRecord]) -> None:
        for watcher in self._watchers:
            for record in records:
                watcher.creating(record)

    def _created(self, records: Sequence[TaskRecord], stored: Sequence[TaskRecord]) -> None:
        for watcher in self._watchers:
            for record, kept in zip(records, stored, strict=True):
                # A repeat finds what was stored before; had it the same time too, it is counted twice.
                if abs(kept.created_at - record.created_at) < _ROUNDED:
                    watcher.created(kept)

    def _changed(self, record: TaskRecord, now: datetime) -> None:
        for watcher in self._watchers:
            watcher.changed(record)
            # A task that has ended before can still change: its logs come in.
            if record.finished_at is not None and abs(record.finished_at - now) < _ROUNDED:
                watcher.ended(record, now)
