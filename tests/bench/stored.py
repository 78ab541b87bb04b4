"""Many stored tasks, quickly: two are stored by the store itself and copied by SQL, in the order of their ids."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from protes.store.records import Attempt, Phase, TaskRecord
from protes.store.sqlite import Database, SQLiteTaskStore
from protes.tes.states import State

PER_RUN = 1000
"""Tasks that share a value of the tag `run`."""
_CHUNK = 100_000
_ID = "printf('0m%09d', number)"
_RUN = f"(number / {PER_RUN})"
_DOCUMENT = (
    '{"name":"name","executors":[{"image":"alpine","command":["sh","-c","cat /in > /out"]}],'
    '"inputs":[{"path":"/in","url":"s3://bucket/in"}],"outputs":[{"path":"/out","url":"s3://bucket/out"}],'
    '"tags":{"run":"0"}}'
)
_COPIED: Mapping[str, Mapping[str, str]] = {
    "tasks": {
        "id": _ID,
        "news": "NULL",
        "name": "printf('name-%07d', number)",
        "tags": f"printf('[\"run=%d\"]', {_RUN})",
    },
    "documents": {"task_id": _ID},
    "attempts": {"task_id": _ID},
    "tags": {"task_id": _ID, "value": f"cast({_RUN} AS TEXT)"},
}
"""The tables that hold tasks, and what is not copied as it is."""


def task_id(number: int) -> str:
    """Return the id of a stored task; the first has number 0."""
    return f"0m{number:09}"


def fill(folder: Path, count: int, running_every: int) -> None:
    """Store `count` tasks in a new store; each of `running_every` runs at an instance, the others are complete."""
    database = Database(folder / "protes.db")
    database.open()
    tasks = SQLiteTaskStore(database)
    templates = [_template(state) for state in (State.RUNNING, State.COMPLETE)]
    for template in templates:
        tasks.create(template)
    for first in range(0, count, _CHUNK):
        last = min(count, first + _CHUNK) - 1
        database.write(partial(_copy, first=first, last=last, every=running_every))
    for template in templates:
        tasks.delete(template.id)
    database.close()


def _copy(connection: sqlite3.Connection, first: int, last: int, every: int) -> None:
    values = {"first": first, "last": last, "every": every}
    for table, changed in _COPIED.items():
        columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
        copied = ", ".join(changed.get(column, f"template.{column}") for column in columns)
        place = "id" if table == "tasks" else "task_id"
        connection.execute(
            "WITH RECURSIVE numbers(number) AS "
            "(SELECT :first UNION ALL SELECT number + 1 FROM numbers WHERE number < :last), "
            # Not every table has an index that finds them among hundreds of thousands of copies.
            f"template AS MATERIALIZED (SELECT * FROM {table} "
            f"WHERE {place} IN ('{State.RUNNING}', '{State.COMPLETE}')) "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {copied} FROM numbers CROSS JOIN template "
            f"WHERE template.{place} = CASE number % :every WHEN 0 THEN '{State.RUNNING}' ELSE '{State.COMPLETE}' END",
            values,
        )


def _template(state: State) -> TaskRecord:
    now = datetime.now(UTC)
    phase = Phase.FINISHED if state.finished else Phase.ACCEPTED
    url = "http://127.0.0.1:9/ga4gh/tes/v1"  # nobody is there
    attempt = Attempt(1, url, "far", "funnel", phase, now, now, instance_task_id="x", state=state)
    record = TaskRecord(
        id=str(state),
        owner="",
        created_at=now,
        document=_DOCUMENT,
        name="name",
        tags=("run=0",),
        preference={"weight": "0.5", "carrier": "default"},
        state=state,
        last_steady=State.RUNNING,
        attempts=(attempt,),
    )
    return replace(record, finished_at=now) if state.finished else record
