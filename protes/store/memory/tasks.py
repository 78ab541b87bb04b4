"""`TaskStore` in memory."""

import copy
import heapq
import threading
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from protes.clock import lies_ahead
from protes.store import changes
from protes.store.applying import Applied, ApplyingTaskStore, Change
from protes.store.records import (
    FURTHEST_AHEAD,
    NOT_STARTED,
    Attempt,
    Followed,
    InstanceLoad,
    Phase,
    TaskQuery,
    TaskRecord,
    tag_entry,
    tag_entry_key,
)
from protes.tes.states import State
from protes.tes.states import shown as shown_as


class MemoryTaskStore(ApplyingTaskStore):
    """A `TaskStore` under one lock."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskRecord] = {}
        self._ids: list[str] = []
        self._ids_shown: dict[str, list[str]] = {}

    def create(self, record: TaskRecord) -> TaskRecord:
        """See `TaskStore.create`."""
        with self._lock:
            if record.id not in self._tasks:
                self._tasks[record.id] = copy.deepcopy(record)
                insort(self._ids, record.id)
                insort(self._ids_shown.setdefault(record.audience, []), record.id)
            return copy.deepcopy(self._tasks[record.id])

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        """See `TaskStore.versions`."""
        with self._lock:
            return {task_id: self._tasks[task_id].version for task_id in task_ids if task_id in self._tasks}

    def get(self, task_id: str, *, head: bool = False, audiences: Collection[str] | None = None) -> TaskRecord | None:
        """See `TaskStore.get`."""
        with self._lock:
            record = self._tasks.get(task_id)
            absent = record is None or (audiences is not None and record.audience not in audiences)
            return None if record is None or absent else _copy(record, head)

    def list(self, query: TaskQuery) -> Sequence[TaskRecord]:
        """See `TaskStore.list`."""
        found: list[TaskRecord] = []
        with self._lock:
            for task_id in self._descending(query):
                if len(found) >= query.limit:
                    break
                record = self._tasks[task_id]
                if _matches(record, query):
                    found.append(_copy(record, query.heads))
        return found

    def due(self, now: datetime, limit: int, enqueue_until: datetime) -> Sequence[str]:
        """See `TaskStore.due`."""
        with self._lock:
            waiting = (record for record in self._tasks.values() if _is_due(record, now))
            # The filter leaves none without `due_at`; `now` only satisfies the type.
            oldest = sorted(waiting, key=lambda record: (record.due_at or now, record.id))[:limit]
            for record in oldest:
                self._tasks[record.id] = replace(record, enqueued_until=enqueue_until)
        return [record.id for record in oldest]

    def apply(self, steps: Sequence[tuple[str, Change]]) -> Sequence[Applied | None]:
        """See `ApplyingTaskStore.apply`; one lock around all of it."""
        done: list[Applied | None] = []
        with self._lock:
            after: dict[str, TaskRecord] = {}
            for task_id, change in steps:
                record = after.get(task_id, self._tasks.get(task_id))
                if record is None:
                    done.append(None)
                    continue
                changed = change(record)
                if changed is not None:
                    after[task_id] = copy.deepcopy(changed)
                done.append(Applied(copy.deepcopy(changed or record), changed is not None))
            self._tasks.update(after)
        return done

    def active(self, instance_url: str, after: str | None, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.active`."""
        with self._lock:
            accepted = (
                record
                for record in map(self._tasks.__getitem__, self._ids)
                if (live := record.live_attempt) is not None
                and live.phase is Phase.ACCEPTED
                and live.instance_url == instance_url
                and record.id > (after or "")
            )
            return [copy.deepcopy(replace(record, document="")) for record in islice(accepted, limit)]

    def followed(self, instance_url: str, after: str | None, limit: int) -> Sequence[Followed]:
        """See `TaskStore.followed`."""
        return [each for record in self.active(instance_url, after, limit) if (each := record.followed) is not None]

    def loads(self) -> Sequence[InstanceLoad]:
        """See `TaskStore.loads`."""
        live: dict[str, list[Attempt]] = {}
        with self._lock:
            for record in self._tasks.values():
                if (attempt := record.live_attempt) is not None:
                    live.setdefault(attempt.instance_url, []).append(attempt)
        return [
            InstanceLoad(
                url,
                len(there),
                max(each.intended_at for each in there),
                sum(each.state in NOT_STARTED for each in there),
            )
            for url, there in sorted(live.items())
        ]

    def delete(self, task_id: str) -> bool:
        """See `TaskStore.delete`."""
        with self._lock:
            record = self._tasks.pop(task_id, None)
            if record is None:
                return False
            shown_with = self._ids_shown[record.audience]
            del self._ids[bisect_left(self._ids, task_id)]
            del shown_with[bisect_left(shown_with, task_id)]
            if not shown_with:
                del self._ids_shown[record.audience]
            return True

    def delete_many(self, task_ids: Sequence[str]) -> int:
        """See `TaskStore.delete_many`."""
        return sum(self.delete(task_id) for task_id in task_ids)

    def finished_before(self, moment: datetime, limit: int) -> Sequence[str]:
        """See `TaskStore.finished_before`."""
        with self._lock:
            ended = sorted(
                (record.finished_at, record.id)
                for record in self._tasks.values()
                if record.finished_at is not None and record.finished_at < moment and record.live_attempt is None
            )
        return [task_id for _, task_id in ended[:limit]]

    def finished_since(self, after: tuple[datetime, str] | None, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.finished_since`."""
        with self._lock:
            ended = sorted(
                (record.finished_at, record.id)
                for record in self._tasks.values()
                if record.finished_at is not None and (after is None or (record.finished_at, record.id) > after)
            )
            return [copy.deepcopy(self._tasks[task_id]) for _, task_id in ended[:limit]]

    def unannounced(self, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.unannounced`."""
        with self._lock:
            untold = (record for record in map(self._tasks.__getitem__, self._ids) if record.news is not None)
            return [_copy(record, head=True) for record in islice(untold, limit)]

    def announced(self, moves: Mapping[str, int]) -> None:
        """See `TaskStore.announced`."""
        with self._lock:
            for task_id, move in moves.items():
                record = self._tasks.get(task_id)
                if record is not None and record.news == move:
                    self._tasks[task_id] = replace(record, news=None)

    def count(self, *, owner: str | None = None, unfinished: bool = False, most: int | None = None) -> int:
        """See `TaskStore.count`."""
        with self._lock:
            counted = (
                record
                for record in self._tasks.values()
                if (owner is None or record.owner == owner) and not (unfinished and record.finished_at is not None)
            )
            return sum(1 for _ in islice(counted, most))

    def count_states(
        self, states: Collection[State], audiences: Collection[str] | None, *, shown: bool, most: int
    ) -> Mapping[State, int]:
        """See `TaskStore.count_states`."""
        with self._lock:
            found = Counter(
                shown_as(record.state, record.last_steady) if shown else record.state
                for record in self._tasks.values()
                if audiences is None or record.audience in audiences
            )
        return {state: min(found[state], most) for state in states}

    def created_since(self, owner: str, after: str, limit: int) -> Sequence[str]:
        """See `TaskStore.created_since`."""
        with self._lock:
            later = (self._ids[place] for place in range(bisect_right(self._ids, after), len(self._ids)))
            return list(islice((each for each in later if self._tasks[each].owner == owner), limit))

    def live_owners(self, instance_urls: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """See `TaskStore.live_owners`."""
        found: dict[str, Counter[str]] = {}
        with self._lock:
            for record in self._tasks.values():
                if (attempt := record.live_attempt) is not None and attempt.instance_url in instance_urls:
                    found.setdefault(attempt.instance_url, Counter())[record.owner] += 1
        return found

    def close(self) -> None:
        """Nothing is open."""

    def _descending(self, query: TaskQuery) -> Iterator[str]:
        """Return the ids that a query may find; of the audiences it is for, where it is not for all."""
        if query.audiences is None:
            return _before(self._ids, query.before)
        shown = (_before(self._ids_shown.get(each, ()), query.before) for each in query.audiences)
        return heapq.merge(*shown, reverse=True)


def _before(ids: Sequence[str], before: str | None) -> Iterator[str]:
    end = len(ids) if before is None else bisect_left(ids, before)
    return (ids[place] for place in reversed(range(end)))


def _copy(record: TaskRecord, head: bool) -> TaskRecord:
    return copy.deepcopy(replace(record, document="", attempts=(), system_logs=()) if head else record)


def _is_due(record: TaskRecord, now: datetime) -> bool:
    if record.due_at is None or lies_ahead(record.due_at, now, FURTHEST_AHEAD) or changes.lease_lasts(record, now):
        return False
    return record.enqueued_until is None or not lies_ahead(record.enqueued_until, now, FURTHEST_AHEAD)


def _matches(record: TaskRecord, query: TaskQuery) -> bool:
    if query.owner is not None and record.owner != query.owner:
        return False
    if query.state is not None:
        state = shown_as(record.state, record.last_steady) if query.shown else record.state
        if state is not query.state:
            return False
    if not record.name.startswith(query.name_prefix):
        return False
    return all(_has_tag(record, key, value) for key, value in query.tags)


def _has_tag(record: TaskRecord, key: str, value: str | None) -> bool:
    if value is not None:
        return tag_entry(key, value) in record.tags
    return any(entry.startswith(tag_entry_key(key) + "=") for entry in record.tags)
