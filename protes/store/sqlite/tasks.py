"""The TaskStore on SQLite."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from protes.clock import parse_rfc3339, rfc3339
from protes.store.applying import Applied, ApplyingTaskStore, Change
from protes.store.records import FURTHEST_AHEAD, Followed, InstanceLoad, Phase, TaskQuery, TaskRecord
from protes.store.sqlite import codec, news, rows
from protes.store.sqlite.counting import CREATED_SINCE, LIVE_OWNERS, count_sql, count_states_sql
from protes.store.sqlite.database import Database
from protes.store.sqlite.listing import page_sql, shown_sql
from protes.store.sqlite.naming import page_by_name
from protes.tes.states import State


class SQLiteTaskStore(ApplyingTaskStore):
    """A `TaskStore` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        """Keep tasks in an open database, which is closed with the store."""
        self._database = database

    def create(self, record: TaskRecord) -> TaskRecord:
        """See `TaskStore.create`."""
        return self._database.write(lambda connection: _create(connection, record))

    def create_many(self, records: Sequence[TaskRecord]) -> Sequence[TaskRecord]:
        """See `TaskStore.create_many`; all of them are stored, or none."""
        return self._database.write(lambda connection: [_create(connection, record) for record in records])

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        """See `TaskStore.versions`."""
        # One parameter for all of them: there is no limit to their number, and one statement to prepare.
        found = self._database.read(
            "SELECT id, version FROM tasks WHERE id IN (SELECT value FROM json_each(?))",
            (codec.to_json(sorted(task_ids)),),
        )
        return dict(found)

    def get(self, task_id: str, *, head: bool = False, audiences: Collection[str] | None = None) -> TaskRecord | None:
        """See `TaskStore.get`."""
        columns, record = (rows.HEAD, codec.head_from_row) if head else (rows.WHOLE, codec.whole_from_row)
        shown, values = shown_sql(audiences)
        found = self._database.read(f"SELECT {columns} FROM tasks WHERE id = ?{shown}", (task_id, *values))  # noqa: S608
        return record(found[0]) if found else None

    def list(self, query: TaskQuery) -> Sequence[TaskRecord]:
        """See `TaskStore.list`."""
        if query.audiences == ():
            return []
        record = codec.head_from_row if query.heads else codec.whole_from_row
        if query.name_prefix:
            return [record(row) for row in page_by_name(self._database, query)]
        return [record(row) for row in self._database.read(*page_sql(query))]

    def due(self, now: datetime, limit: int, enqueue_until: datetime) -> Sequence[str]:
        """See `TaskStore.due`."""

        def stamp(connection: sqlite3.Connection) -> Sequence[str]:
            ids = _due(connection, "due_at <= :now", now, limit)
            # Seldom any; apart, so that both are found, and in order, by the index.
            ids += _due(connection, "due_at > :far", now, limit - len(ids))
            until = rfc3339(enqueue_until)
            connection.executemany("UPDATE tasks SET enqueued_until = ? WHERE id = ?", [(until, one) for one in ids])
            return ids

        return self._database.write(stamp)

    def apply(self, steps: Sequence[tuple[str, Change]]) -> Sequence[Applied | None]:
        """See `ApplyingTaskStore.apply`; where a change raises, none of the steps is taken."""
        return self._database.write(lambda connection: [_apply(connection, *step) for step in steps])

    def active(self, instance_url: str, after: str | None, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.active`."""
        found = self._database.read(
            f"SELECT {rows.WITHOUT_DOCUMENT} FROM tasks WHERE live_url = ? AND live_phase = ? AND id > ? "  # noqa: S608
            "ORDER BY id LIMIT ?",
            (instance_url, Phase.ACCEPTED.value, after or "", limit),
        )
        return [codec.whole_from_row(row) for row in found]

    def followed(self, instance_url: str, after: str | None, limit: int) -> Sequence[Followed]:
        """See `TaskStore.followed`."""
        found = self._database.read(
            f"SELECT {rows.FOLLOWED} FROM tasks WHERE live_url = ? AND live_phase = ? AND id > ? "  # noqa: S608
            "ORDER BY id LIMIT ?",
            (instance_url, Phase.ACCEPTED.value, after or "", limit),
        )
        return [codec.followed_from_row(row) for row in found]

    def loads(self) -> Sequence[InstanceLoad]:
        """See `TaskStore.loads`."""
        found = self._database.read(
            "SELECT live_url, count(*), max(live_since), sum(live_queued) FROM tasks WHERE live_url IS NOT NULL "
            "GROUP BY live_url"
        )
        return [InstanceLoad(url, active, parse_rfc3339(youngest), queued) for url, active, youngest, queued in found]

    def delete(self, task_id: str) -> bool:
        """See `TaskStore.delete`."""
        return self._database.write(lambda connection: rows.delete(connection, task_id))

    def delete_many(self, task_ids: Sequence[str]) -> int:
        """See `TaskStore.delete_many`; all of them are removed, or none."""
        return self._database.write(lambda connection: sum(rows.delete(connection, task_id) for task_id in task_ids))

    def finished_before(self, moment: datetime, limit: int) -> Sequence[str]:
        """See `TaskStore.finished_before`."""
        found = self._database.read(
            "SELECT id FROM tasks WHERE finished_at < ? AND live_url IS NULL ORDER BY finished_at, id LIMIT ?",
            (rfc3339(moment), limit),
        )
        return [task_id for (task_id,) in found]

    def finished_since(self, after: tuple[datetime, str] | None, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.finished_since`."""
        moment, task_id = ("", "") if after is None else (rfc3339(after[0]), after[1])
        found = self._database.read(
            f"SELECT {rows.WHOLE} FROM tasks WHERE finished_at IS NOT NULL "  # noqa: S608
            "AND (finished_at, id) > (?, ?) ORDER BY finished_at, id LIMIT ?",
            (moment, task_id, limit),
        )
        return [codec.whole_from_row(row) for row in found]

    def unannounced(self, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.unannounced`."""
        return news.unannounced(self._database, limit)

    def announced(self, moves: Mapping[str, int]) -> None:
        """See `TaskStore.announced`."""
        news.announced(self._database, moves)

    def count(self, *, owner: str | None = None, unfinished: bool = False, most: int | None = None) -> int:
        """See `TaskStore.count`."""
        return int(self._database.read(*count_sql(owner, unfinished, most))[0][0])

    def count_states(
        self, states: Collection[State], audiences: Collection[str] | None, *, shown: bool, most: int
    ) -> Mapping[State, int]:
        """See `TaskStore.count_states`."""
        return {
            State(state): found
            for state, found in self._database.read(*count_states_sql(states, audiences, shown, most))
        }

    def created_since(self, owner: str, after: str, limit: int) -> Sequence[str]:
        """See `TaskStore.created_since`."""
        return [task_id for (task_id,) in self._database.read(CREATED_SINCE, (owner, after, limit))]

    def live_owners(self, instance_urls: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """See `TaskStore.live_owners`."""
        found: dict[str, Counter[str]] = {}
        for url, owner in self._database.read(LIVE_OWNERS, (codec.to_json(sorted(instance_urls)),)):
            found.setdefault(url, Counter())[owner] += 1
        return found

    def close(self) -> None:
        """See `TaskStore.close`; the database is closed for all who use it."""
        self._database.close()


def _create(connection: sqlite3.Connection, record: TaskRecord) -> TaskRecord:
    if rows.insert(connection, record):
        return record
    stored = rows.whole(connection, record.id)
    assert stored is not None  # noqa: S101 - in the same transaction
    return stored


def _due(connection: sqlite3.Connection, when: str, now: datetime, limit: int) -> list[str]:
    """Return ids of tasks that are due by the condition `when`, and neither leased nor on their way."""
    found = connection.execute(
        f"SELECT id FROM tasks WHERE {when} "  # noqa: S608 (one of two)
        "AND (enqueued_until IS NULL OR enqueued_until <= :now OR enqueued_until > :far) "
        "AND (lease_until IS NULL OR lease_until <= :now OR lease_until > :far) ORDER BY due_at, id LIMIT :limit",
        {"now": rfc3339(now), "far": rfc3339(now + FURTHEST_AHEAD), "limit": limit},
    )
    return [task_id for (task_id,) in found]


def _apply(connection: sqlite3.Connection, task_id: str, change: Change) -> Applied | None:
    before = rows.whole(connection, task_id)
    if before is None:
        return None
    after = change(before)
    if after is None:
        return Applied(before, changed=False)
    rows.update(connection, before, after)
    return Applied(after, changed=True)
