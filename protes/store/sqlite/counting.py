"""How tasks are counted: by indexes alone, and no further than somebody wants to know."""

from collections.abc import Collection

from protes.store.sqlite.codec import to_json
from protes.store.sqlite.listing import EVERY_AUDIENCE, Statement
from protes.tes.states import State

CREATED_SINCE = "SELECT id FROM tasks WHERE owner = ? AND id > ? ORDER BY id LIMIT ?"
"""Parameters: the owner, an id, how many."""

_OF_EVERY = "every CROSS JOIN tasks ON tasks.audience = every.audience WHERE"

LIVE_OWNERS = "SELECT live_url, owner FROM tasks WHERE live_url IN (SELECT value FROM json_each(?))"
"""Parameter: the URLs of instances as a JSON array."""


def count_states_sql(states: Collection[State], audiences: Collection[str] | None, shown: bool, most: int) -> Statement:
    """Return the statement that counts tasks by state, `most` of a state at most, and its parameters."""
    column, every = "shown" if shown else "state", ""
    values: list[object] = [to_json(sorted(audiences or ()))] if audiences is not None else []
    if audiences is not None:
        every, source = "WITH every(audience) AS (SELECT value FROM json_each(?)) ", _OF_EVERY
    elif shown:
        source = "tasks WHERE"
    else:
        every, source = EVERY_AUDIENCE, _OF_EVERY
    # Only fixed text is put together here.
    counted = f"SELECT count(*) FROM (SELECT 1 FROM {source} tasks.{column} = json_each.value LIMIT ?)"  # noqa: S608
    sql = f"{every}SELECT json_each.value, ({counted}) FROM json_each(?)"  # noqa: S608
    return sql, (*values, max(0, most), to_json(sorted(states)))


def count_sql(owner: str | None, unfinished: bool, most: int | None) -> tuple[str, tuple[str | int, ...]]:
    """Return the statement that counts tasks, `most` of them at most, and its parameters."""
    wheres = ["owner = ?"] if owner is not None else []
    if unfinished:
        wheres.append("finished_at IS NULL")
    condition = f" WHERE {' AND '.join(wheres)}" if wheres else ""
    values: tuple[str | int, ...] = () if owner is None else (owner,)
    if most is None:
        return f"SELECT count(*) FROM tasks{condition}", values  # noqa: S608
    return f"SELECT count(*) FROM (SELECT 1 FROM tasks{condition} LIMIT ?)", (*values, max(0, most))  # noqa: S608
