"""The SQL of a page of tasks. All of it reads along an index in descending id, and stops when the page is full."""

from collections.abc import Collection

from protes.store.prefixes import after_prefix
from protes.store.records import TaskQuery, tag_entry_key
from protes.store.sqlite.codec import to_json
from protes.store.sqlite.rows import HEAD, WHOLE

_ABOVE_ALL_IDS = "~"
"""Ids are made of characters below it."""

_EXISTS = "EXISTS (SELECT 1 FROM tags WHERE tags.audience = tasks.audience AND task_id = tasks.id AND {})"

Statement = tuple[str, tuple[object, ...]]


def page_sql(query: TaskQuery) -> Statement:
    """Return the statement for a query that is not for no audience at all, and its parameters.

    Each audience is read along an index of its own. Where there are several, SQLite merges them row by row, so that it
    reads one row more of each than the page has from it, and sorts nothing.
    """
    arms = [_arm(query, audience) for audience in (query.audiences or (None,))]
    union = " UNION ALL ".join(sql for sql, _ in arms)
    values = [value for _, each in arms for value in each]
    return f"{union} ORDER BY 1 DESC LIMIT ?", (*values, query.limit)


def shown_sql(audiences: Collection[str] | None) -> Statement:
    """Return the condition that a task found by its id is shown under one of these keys, and its parameters."""
    if audiences is None:
        return "", ()
    if len(audiences) == 1:
        return " AND audience = ?", tuple(audiences)
    # One parameter, however many there are: few statements to prepare. Not by an index: the id has found the task.
    return " AND +audience IN (SELECT value FROM json_each(?))", (to_json(sorted(audiences)),)


def _arm(query: TaskQuery, audience: str | None) -> Statement:
    """Return what selects the tasks of one audience, or of all where it is None, with the id as the first column.

    One of the tags, the rarest thing that a client can ask for, leads; where there is none, the index of audience and
    state or of the audience does. Whatever else is asked for is looked at task by task.
    """
    wheres: list[str] = []
    values: list[object] = []
    # An exact tag is rarer than a mere key, by which no index finds the tasks of all audiences.
    tags = sorted(query.tags, key=lambda tag: tag[1] is None)
    leading = tags[:1] if audience is not None or (tags and tags[0][1] is not None) else []
    if leading:
        source, place, shown = "tags CROSS JOIN tasks ON tasks.id = tags.task_id", "tags.task_id", "tags.audience"
        _add_tag(wheres, values, "{}", leading[0])
    else:
        source, place, shown = "tasks", "tasks.id", "tasks.audience"
    if audience is not None:
        wheres.append(f"{shown} = ?")
        values.append(audience)
    wheres.append(f"{place} < ?")
    values.append(query.before or _ABOVE_ALL_IDS)
    for tag in tags[len(leading) :]:
        _add_tag(wheres, values, _EXISTS, tag)
    _add_columns(wheres, values, query)
    # Only fixed text is put together here; whatever a client chose is a parameter.
    columns = (HEAD if query.heads else WHOLE).replace("tasks.id", place, 1)
    return f"SELECT {columns} FROM {source} WHERE {' AND '.join(wheres)}", tuple(values)  # noqa: S608


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
