"""What a store must do: the laws that the contract suite (tests/contract) checks on every backend.

All methods are safe under many threads and, but for the memory store, under many processes. Times come from the
caller, so that a store reads no clock. A store is opened after fork and closed once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from protes.store.records import Attempt, Followed, InstanceLoad, Lease, TaskQuery, TaskRecord, Transition
from protes.tes.states import State


class StoreError(Exception):
    """The store did what was asked of it, or not: it could not say so.

    A write that raises has usually changed nothing, but it may have been carried out, wholly or in part: where a store
    is reached by network, the answer can be lost, or come too late. So whoever repeats a write must bear that it was
    done before; all writes here are made for that.
    """


class StoreUnavailable(StoreError):
    """The store is down, locked or full; the same call may go through later. A write may have been carried out."""


class StoreFull(StoreUnavailable):
    """There is no room for what was to be written, until somebody makes some; reads go on."""


class TooLarge(StoreError):
    """What was to be written is larger than the store can keep; it never will be."""


class LeaseLost(StoreError):
    """The lease token is not, or no longer, the task's."""


class Conflict(StoreError):
    """The expected version is not the stored one."""


class TaskStore(Protocol):
    """Tasks, durable. Every change is atomic and raises `version` by one."""

    def create(self, record: TaskRecord) -> TaskRecord:
        """Store a new task durably and return it.

        Idempotent for the caller-chosen id: where the id exists already the stored record is returned unchanged,
        so that a repeat after a lost acknowledgement is harmless. Returns only when the record is on disk.

        Raises:
            StoreUnavailable: it is not known to be stored; where the store is reached by network it may be.
        """

    def get(self, task_id: str, *, head: bool = False, audiences: Collection[str] | None = None) -> TaskRecord | None:
        """Return a task, or None.

        Args:
            task_id: its id.
            head: leave `document`, `attempts` and `system_logs` empty (and unread).
            audiences: only where it is shown under one of these keys, however many; None: whoever may see it. One that
                is not shown is as good as absent, and read no further than that.
        """

    def create_many(self, records: Sequence[TaskRecord]) -> Sequence[TaskRecord]:
        """Store each as by `create`, in as few durable writes as the store can; return what is stored, in that order.

        Where it raises, any of them may have been stored.
        """

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        """Return the version of each of these tasks, by one cheap read; tasks that do not exist are left out."""

    def list(self, query: TaskQuery) -> Sequence[TaskRecord]:
        """Return at most `query.limit` tasks, newest first (descending id), those after `query.before`.

        A task that stays is listed exactly once over all pages, whatever is created or finished meanwhile.
        """

    def due(self, now: datetime, limit: int, enqueue_until: datetime) -> Sequence[str]:
        """Return ids of tasks with `due_at <= now`, oldest due first, and stamp them `enqueued_until = enqueue_until`.

        Left out: tasks whose `enqueued_until`, or whose lease, lasts beyond `now`. Two callers never get the same id.
        Stamping does not raise `version`. A time that lies more than `FURTHEST_AHEAD` ahead counts as passed, for it is
        the mistake of a clock; tasks that are due by such a one come last.
        """

    def claim(self, task_id: str, lease: Lease, now: datetime) -> TaskRecord | None:
        """Put `lease` on the task; None where it does not exist or another lease lasts beyond `now`."""

    def extend(self, task_id: str, token: str, until: datetime) -> None:
        """Make the lease last until `until`. Raises LeaseLost if it is not the task's."""

    def release(self, task_id: str, token: str, due_at: datetime | None, system_logs: Sequence[str] = ()) -> None:
        """Drop the lease, set `due_at`, clear `enqueued_until`, append `system_logs`.

        Does nothing where the lease is no longer the task's. A finished task with no live attempt keeps `due_at` None;
        where a cancellation was requested while the lease was held, `due_at` is not moved later than it is. An
        unfinished task with no live attempt stays due where `due_at` is None.
        """

    def transition(self, transitions: Iterable[Transition], now: datetime) -> Sequence[TaskRecord]:
        """Apply what the relay saw, each by `changes.observe`, in one durable batch; return those that changed."""

    def save_attempt(self, task_id: str, token: str, attempt: Attempt, now: datetime) -> TaskRecord:
        """Add (`n` is new) or replace (same `n`) an attempt, by `changes.with_attempt`, durably.

        Raises:
            LeaseLost: the token is not the task's; or, where `n` is new, its lease ended before `now`.
            changes.CancelRequested: a new attempt for a task that is cancelled or finished.
            ValueError: the attempt would make a second live one, or go back (`changes.with_attempt`).
        """

    def fail(self, task_id: str, token: str, system_logs: Sequence[str], now: datetime) -> TaskRecord:
        """End the task in SYSTEM_ERROR with `system_logs` appended, under the lease. Raises LeaseLost."""

    def withdraw(self, task_id: str, token: str, n: int, line: str, now: datetime) -> TaskRecord | None:
        """Note the gateway's wish to take attempt `n` back, by `changes.withdraw`, durably, with a system log line.

        Returns:
            The task; None where the wish comes too late, or is there already.

        Raises:
            LeaseLost: the token is not the task's, or its lease ended before `now`.
        """

    def request_cancel(self, task_id: str, now: datetime) -> TaskRecord | None:
        """Record the caller's wish, by `changes.cancel`; None where the task does not exist. Idempotent."""

    def request_cancels(self, task_ids: Sequence[str], now: datetime) -> Sequence[TaskRecord]:
        """Record the wish for each, as by `request_cancel`, in one durable batch; return those that exist, in order."""

    def close_cancel(self, task_id: str, message: str, now: datetime) -> TaskRecord | None:
        """Show CANCELED though the instance has not confirmed it; None where that changes nothing."""

    def active(self, instance_url: str, after: str | None, limit: int) -> Sequence[TaskRecord]:
        """Return tasks whose live attempt is ACCEPTED at the instance, ascending id, after id `after`.

        `document` is left empty (and unread): the relay polls thousands and needs none.
        """

    def followed(self, instance_url: str, after: str | None, limit: int) -> Sequence[Followed]:
        """Return what `TaskRecord.followed` says of the tasks of `active`, in the same order.

        Reads what is extracted for queries only, no document, attempt or log: a sweep of a hundred thousand tasks
        begins with it.
        """

    def loads(self) -> Sequence[InstanceLoad]:
        """Return the load of every instance that has live attempts, by one indexed query."""

    def delete(self, task_id: str) -> bool:
        """Remove a task; return whether it was there."""

    def delete_many(self, task_ids: Sequence[str]) -> int:
        """Remove tasks in as few durable writes as the store can; return how many were there."""

    def finished_before(self, moment: datetime, limit: int) -> Sequence[str]:
        """Return ids of tasks finished before `moment` and without a live attempt, oldest first, for expiry."""

    def finished_since(self, after: tuple[datetime, str] | None, limit: int) -> Sequence[TaskRecord]:
        """Return finished tasks, whole, ascending by (`finished_at`, id), those after that of `after`."""

    def unannounced(self, limit: int) -> Sequence[TaskRecord]:
        """Return heads of tasks with `news`: their newest state is not known to be in the event log; in no order."""

    def announced(self, moves: Mapping[str, int]) -> None:
        """Note that the log has these moves of tasks, by id; a task that has moved on since keeps its `news`.

        It does not raise `version`.
        """

    def count(self, *, owner: str | None = None, unfinished: bool = False, most: int | None = None) -> int:
        """Return how many tasks there are; with `most` no more are counted, and no more work is done, than that."""

    def count_states(
        self, states: Collection[State], audiences: Collection[str] | None, *, shown: bool, most: int
    ) -> Mapping[State, int]:
        """Return how many tasks are in each of these states, from indexes alone.

        Args:
            states: the states.
            audiences: only tasks that are shown under one of these keys are counted; None: all.
            shown: of the states that TES 1.0 clients see.
            most: of a state no more are counted.
        """

    def created_since(self, owner: str, after: str, limit: int) -> Sequence[str]:
        """Return ids of an owner's tasks, ascending, after id `after` (see `ids.first_id`), by one indexed query."""

    def live_owners(self, instance_urls: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """Return, by instance and owner, how many tasks have a live attempt there; instances without any are left out.

        Takes as long as it takes to read these tasks: it is for instances whose tasks in flight are limited.
        """

    def close(self) -> None:
        """Close connections; calling it twice is harmless."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A value of `Records`. `version` is 1 at creation and one more with each put; `expires_at` None: never."""

    key: str
    value: Mapping[str, Any]
    version: int
    expires_at: datetime | None


class Records(Protocol):
    """Everything that is not a task: small JSON values by kind and key.

    A value expires at `expires_at`, not after it. An expired value is as good as absent for `get`, `put` and `scan`;
    `expire` removes it from disk.
    """

    def get(self, kind: str, key: str, now: datetime) -> Stored | None:
        """Return the value, or None."""

    def put(
        self,
        kind: str,
        key: str,
        value: Mapping[str, Any],
        now: datetime,
        *,
        expected_version: int | None = None,
        expires_at: datetime | None = None,
    ) -> int:
        """Write a value and return its new version.

        Args:
            expected_version: 0 creates and refuses to replace; another number must be the stored version; None
                replaces whatever is there.

        Raises:
            Conflict: `expected_version` does not fit.
        """

    def delete(self, kind: str, key: str) -> bool:
        """Remove a value; return whether it was there."""

    def put_many(
        self,
        kind: str,
        values: Mapping[str, Mapping[str, Any]],
        now: datetime,
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """Write values of a kind by key, whatever is there, in few durable writes; the version of each goes up."""

    def delete_many(self, kind: str, keys: Sequence[str]) -> int:
        """Remove values of a kind in one durable write; return how many were there."""

    def scan(self, kind: str, prefix: str, now: datetime, *, after: str = "", limit: int = 256) -> Sequence[Stored]:
        """Return values whose key starts with `prefix`, ascending by key, those after `after`."""

    def expire(self, now: datetime, limit: int = 1000) -> int:
        """Remove at most `limit` values that have expired at `now`; return how many."""
