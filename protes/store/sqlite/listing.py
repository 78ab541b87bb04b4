"""The SQL of a page of tasks. All of it reads along an index in descending id, and stops when the page is full."""

from protes.store.prefixes import after_prefix
from protes.store.records import TaskQuery, tag_entry_key
from protes.store.sqlite.rows import HEAD, WHOLE

_ABOVE_ALL_IDS = "~"
"""Ids are made of characters below it."""


def page_sql(query: TaskQuery) -> tuple[str, tuple[object, ...]]:
    """Return the statement for a query, and its parameters.

    One of the tags, the rarest thing that a client can ask for, leads; where there is none, the index of owner and
    state or of the owner does. Whatever else is asked for is looked at task by task.
    """
    wheres: list[str] = []
    values: list[object] = []
    # An exact tag is rarer than a mere key.
    tags = sorted(query.tags, key=lambda tag: tag[1] is None)
    if tags:
        source, place = "tags CROSS JOIN tasks ON tasks.id = tags.task_id", "tags.task_id"
        _add_tag(wheres, values, "{}", tags[0])
    else:
        source, place = "tasks", "tasks.id"
    wheres.append(f"{place} < ?")
    values.append(query.before or _ABOVE_ALL_IDS)
    for tag in tags[1:]:
        _add_tag(wheres, values, "EXISTS (SELECT 1 FROM tags WHERE task_id = tasks.id AND {})", tag)
    _add_columns(wheres, values, query)
    # Only fixed text is put together here; whatever a client chose is a parameter.
    columns = HEAD if query.heads else WHOLE
    sql = f"SELECT {columns} FROM {source} WHERE {' AND '.join(wheres)} ORDER BY {place} DESC LIMIT ?"  # noqa: S608
    return sql, (*values, query.limit)


def _add_tag(wheres: list[str], values: list[object], frame: str, tag: tuple[str, str | None]) -> None:
    key, value = tag
    values.append(tag_entry_key(key))
    if value is None:
        wheres.append(frame.format("tags.key = ?"))
    else:
        wheres.append(frame.format("tags.key = ? AND tags.value = ?"))
        values.append(value)


def _add_columns(wheres: list[str], values: list[object], query: TaskQuery) -> None:
    if query.owner is not None:
        wheres.append("tasks.owner = ?")
        values.append(query.owner)
    if query.state is not None:
        wheres.append("tasks.shown = ?" if query.shown else "tasks.state = ?")
        values.append(query.state.value)
    if query.name_prefix:
        wheres.append("tasks.name >= ?")
        values.append(query.name_prefix)
        if (end := after_prefix(query.name_prefix)) is not None:
            wheres.append("tasks.name < ?")
            values.append(end)
