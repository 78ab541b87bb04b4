"""How tasks are counted: by indexes alone, and no further than somebody wants to know."""

CREATED_SINCE = "SELECT id FROM tasks WHERE owner = ? AND id > ? ORDER BY id LIMIT ?"
"""Parameters: the owner, an id, how many."""

LIVE_OWNERS = "SELECT live_url, owner FROM tasks WHERE live_url IN (SELECT value FROM json_each(?))"
"""Parameter: the URLs of instances as a JSON array."""


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
