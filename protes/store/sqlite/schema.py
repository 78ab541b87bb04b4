"""The tables, and how a file of an older version becomes one of this version.

`PRAGMA user_version` counts the steps that a file has gone. Steps are only ever added, never changed.
"""

import sqlite3

from protes.store.protocols import StoreError
from protes.store.sqlite.errors import translated

_FIRST = (
    # What heads and queries need. Times are RFC 3339 in UTC with microseconds, which sort as text. `shown` is `state`
    # as TES 1.0 clients see it; `live_*` are of the attempt whose copy runs, or may run, at an instance.
    """
    CREATE TABLE tasks (
        id TEXT NOT NULL PRIMARY KEY,
        owner TEXT NOT NULL,
        created_at TEXT NOT NULL,
        name TEXT NOT NULL,
        tags TEXT NOT NULL,
        preference TEXT NOT NULL,
        via TEXT NOT NULL,
        state TEXT NOT NULL,
        last_steady TEXT NOT NULL,
        shown TEXT NOT NULL,
        version INTEGER NOT NULL,
        cancel_requested_at TEXT,
        due_at TEXT,
        enqueued_until TEXT,
        lease_holder TEXT,
        lease_token TEXT,
        lease_until TEXT,
        lease_cancel_known INTEGER,
        finished_at TEXT,
        live_url TEXT,
        live_phase TEXT,
        live_since TEXT
    )
    """,
    "CREATE INDEX tasks_by_owner ON tasks (owner, id, name)",
    "CREATE INDEX tasks_by_state ON tasks (owner, state, id, name)",
    "CREATE INDEX tasks_by_shown ON tasks (owner, shown, id, name)",
    "CREATE INDEX tasks_due ON tasks (due_at, id, enqueued_until, lease_until) WHERE due_at IS NOT NULL",
    "CREATE INDEX tasks_live ON tasks (live_url, live_phase, id, live_since) WHERE live_url IS NOT NULL",
    "CREATE INDEX tasks_unfinished ON tasks (owner, finished_at) WHERE finished_at IS NULL",
    "CREATE INDEX tasks_finished ON tasks (finished_at, id) WHERE finished_at IS NOT NULL AND live_url IS NULL",
    # What is large has tables of its own: a change of state does not write it again, and a head does not read it.
    "CREATE TABLE documents (task_id TEXT NOT NULL PRIMARY KEY, document TEXT NOT NULL)",
    "CREATE TABLE system_logs (task_id TEXT NOT NULL PRIMARY KEY, lines TEXT NOT NULL)",
    """
    CREATE TABLE attempts (
        task_id TEXT NOT NULL,
        n INTEGER NOT NULL,
        data TEXT NOT NULL,
        log TEXT,
        PRIMARY KEY (task_id, n)
    )
    """,
    """
    CREATE TABLE tags (
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        task_id TEXT NOT NULL,
        PRIMARY KEY (key, value, task_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX tags_by_key ON tags (key, task_id)",
    """
    CREATE TABLE records (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        version INTEGER NOT NULL,
        expires_at TEXT,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX records_expiring ON records (expires_at) WHERE expires_at IS NOT NULL",
)

_SECOND = (
    # Learning asks for all finished tasks, expiry for those without a live attempt: one index serves both.
    "DROP INDEX tasks_finished",
    "CREATE INDEX tasks_ended ON tasks (finished_at, id, live_url) WHERE finished_at IS NOT NULL",
)

_THIRD = (
    # Waits are estimated by how many tasks have not been seen to start yet.
    "ALTER TABLE tasks ADD COLUMN live_queued INTEGER",
    """
    UPDATE tasks SET live_queued = (
        SELECT json_extract(data, '$.state') IN ('UNKNOWN', 'QUEUED')
        FROM attempts WHERE task_id = tasks.id ORDER BY n DESC LIMIT 1
    ) WHERE live_url IS NOT NULL
    """,
    "DROP INDEX tasks_live",
    "CREATE INDEX tasks_live ON tasks (live_url, live_phase, id, live_since, live_queued) WHERE live_url IS NOT NULL",
)

_FOURTH = (
    # Sweeps begin with what they follow; they need not read attempts for that.
    "ALTER TABLE tasks ADD COLUMN live_n INTEGER",
    "ALTER TABLE tasks ADD COLUMN live_task_id TEXT",
    "ALTER TABLE tasks ADD COLUMN live_dialect TEXT",
    "ALTER TABLE tasks ADD COLUMN live_state TEXT",
    "ALTER TABLE tasks ADD COLUMN live_missing INTEGER",
    """
    UPDATE tasks SET (live_n, live_task_id, live_dialect, live_state, live_missing) = (
        SELECT
            n,
            json_extract(data, '$.instance_task_id'),
            json_extract(data, '$.dialect'),
            json_extract(data, '$.state'),
            json_extract(data, '$.missing_since') IS NOT NULL
        FROM attempts WHERE task_id = tasks.id ORDER BY n DESC LIMIT 1
    ) WHERE live_url IS NOT NULL
    """,
)

_FIFTH = (
    # Tasks are shown by audience. A task of before is its owner's, or everybody's where it has none. The default is for
    # processes of the older version, which know of no caller, and go on until they are replaced.
    "ALTER TABLE tasks ADD COLUMN audience TEXT NOT NULL DEFAULT ''",
    "UPDATE tasks SET audience = 'user:' || owner WHERE owner > ''",
    "DROP INDEX tasks_by_owner",
    "DROP INDEX tasks_by_state",
    "DROP INDEX tasks_by_shown",
    "CREATE INDEX tasks_by_audience ON tasks (audience, id, name)",
    "CREATE INDEX tasks_by_state ON tasks (audience, state, id, name)",
    "CREATE INDEX tasks_by_shown ON tasks (audience, shown, id, name)",
    "CREATE INDEX tasks_by_owner ON tasks (owner, id)",
    "CREATE INDEX tasks_of_all ON tasks (shown, id)",
    # Whoever looks for a tag reads nothing of tasks that they may not see.
    "ALTER TABLE tags RENAME TO older_tags",
    """
    CREATE TABLE tags (
        audience TEXT NOT NULL DEFAULT '',
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        task_id TEXT NOT NULL,
        PRIMARY KEY (audience, key, value, task_id)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO tags (audience, key, value, task_id)
    SELECT tasks.audience, key, value, task_id FROM older_tags CROSS JOIN tasks ON tasks.id = task_id
    """,
    "DROP TABLE older_tags",
    "CREATE INDEX tags_by_key ON tags (audience, key, task_id)",
    "CREATE INDEX tags_of_all ON tags (key, value, task_id)",
)

_SIXTH = (
    # Changes of state that the event log does not have yet (protes/store/sqlite/news.py).
    "ALTER TABLE tasks ADD COLUMN moves INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE tasks ADD COLUMN news INTEGER",
    "ALTER TABLE tasks ADD COLUMN state_at TEXT",
    "CREATE INDEX tasks_news ON tasks (news) WHERE news IS NOT NULL",
)

_SEVENTH = (
    # A rare prefix of the name is found without reading all tasks (protes/store/sqlite/naming.py).
    "CREATE INDEX tasks_by_name ON tasks (audience, name, id)",
)

STEPS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH)
"""Each step is the statements that lead from version n to n + 1; an empty file is version 0."""


def migrate(connection: sqlite3.Connection, steps: tuple[tuple[str, ...], ...] = STEPS) -> None:
    """Bring the file to the newest version, in one transaction; safe while other processes do the same.

    Raises:
        StoreError: the file was written by a newer protes.
        StoreUnavailable: another process does not let go of the file.
    """
    with translated():
        connection.execute("BEGIN IMMEDIATE")
        try:
            _migrate(connection, steps)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection, steps: tuple[tuple[str, ...], ...]) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(steps):
        raise StoreError(
            f"the store was written by a newer protes (its schema is {version}, this version knows up to "
            f"{len(steps)}): run that version, or use another folder"
        )
    for statements in steps[version:]:
        for statement in statements:
            connection.execute(statement)
    # A pragma takes no parameters.
    connection.execute(f"PRAGMA user_version = {len(steps)}")
