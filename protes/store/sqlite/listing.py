"""The SQL of a page of tasks.

It reads along an index in descending id, and stops when the page is full. Only what looks for a prefix of the name may
go another way, as well (protes/store/sqlite/naming.py).
"""

from collections.abc import Collection

from protes.store.prefixes import after_prefix
from protes.store.records import TaskQuery, tag_entry_key
from protes.store.sqlite.codec import to_json
from protes.store.sqlite.rows import HEAD, WHOLE

_ABOVE_ALL_IDS = "~"
"""Ids are made of characters below it."""

_EXISTS = "EXISTS (SELECT 1 FROM tags WHERE tags.audience = tasks.audience AND task_id = tasks.id AND {})"

EVERY_AUDIENCE = (
    "WITH RECURSIVE every(audience) AS (SELECT min(audience) FROM tasks UNION ALL "
    "SELECT (SELECT min(audience) FROM tasks WHERE audience > every.audience) FROM every "
    "WHERE every.audience IS NOT NULL) "
)
"""The keys under which tasks are shown: one look into an index for each, however many tasks there are."""

Statement = tuple[str, tuple[object, ...]]


def page_sql(query: TaskQuery) -> Statement:
    """Return the statement for a query that is not for no audience at all, and its parameters.

    Each audience is read along an index of its own. Where there are several, SQLite merges them row by row, so that it
    reads one row more of each than the page has from it, and sorts nothing.
    """
    columns = HEAD if query.heads else WHOLE
    arms = [_arm(query, audience, columns) for audience in (query.audiences or (None,))]
    union = " UNION ALL ".join(sql for sql, _ in arms)
    values = [value for _, each in arms for value in each]
    return f"{union} ORDER BY 1 DESC LIMIT ?", (*values, query.limit)


def ids_sql(query: TaskQuery, audience: str | None) -> Statement:
    """Return the statement for the ids of a page of one audience, or of all where it is None.

    It reads in descending id until the page is full: the rarer what it looks for, the longer it takes.
    """
    sql, values = _arm(query, audience, "tasks.id")
    return f"{sql} ORDER BY 1 DESC LIMIT ?", (*values, query.limit)


def ids_by_name_sql(query: TaskQuery, audience: str | None) -> Statement:
    """Return another statement for the same ids.

    It reads all tasks with the prefix: the more there are, the longer it takes.
    """
    wheres: list[str] = ["tasks.id < ?"]
    values: list[object] = [query.before or _ABOVE_ALL_IDS]
    every, source = "", "tasks INDEXED BY tasks_by_name"
    if audience is None:
        every, source = EVERY_AUDIENCE, f"every CROSS JOIN {source} ON tasks.audience = every.audience"
    else:
        wheres.append("tasks.audience = ?")
        values.append(audience)
    _add_names(wheres, values, "tasks.name", query.name_prefix)
    for tag in query.tags:
        _add_tag(wheres, values, _EXISTS, tag)
    _add_columns(wheres, values, query)
    # Only fixed text is put together here; whatever a client chose is a parameter.
    sql = f"{every}SELECT tasks.id FROM {source} WHERE {' AND '.join(wheres)}"  # noqa: S608
    return f"{sql} ORDER BY 1 DESC LIMIT ?", (*values, query.limit)


def rows_sql(query: TaskQuery, ids: Collection[str]) -> Statement:
    """Return the statement for the tasks with these ids, in no order, but for those that have left the query's state.

    All else that a query asks for is constant.
    """
    wheres: list[str] = []
    values: list[object] = [to_json(list(ids))]
    _add_state(wheres, values, "+tasks", query)
    columns = HEAD if query.heads else WHOLE
    found = " AND ".join(["tasks.id IN (SELECT value FROM json_each(?))", *wheres])
    return f"SELECT {columns} FROM tasks WHERE {found}", tuple(values)  # noqa: S608


def shown_sql(audiences: Collection[str] | None) -> Statement:
    """Return the condition that a task found by its id is shown under one of these keys, and its parameters."""
    if audiences is None:
        return "", ()
    if len(audiences) == 1:
        return " AND audience = ?", tuple(audiences)
    # One parameter, however many there are: few statements to prepare. Not by an index: the id has found the task.
    return " AND +audience IN (SELECT value FROM json_each(?))", (to_json(sorted(audiences)),)


def _arm(query: TaskQuery, audience: str | None, columns: str) -> Statement:
    """Return what selects columns of the tasks of one audience, or of all where it is None; with the id as the first.

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
    # Not by an index, which would have the names in order rather than the ids.
    _add_names(wheres, values, "+tasks.name", query.name_prefix)
    columns = columns.replace("tasks.id", place, 1)
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
    _add_state(wheres, values, "tasks", query)


def _add_state(wheres: list[str], values: list[object], table: str, query: TaskQuery) -> None:
    if query.state is not None:
        wheres.append(f"{table}.{'shown' if query.shown else 'state'} = ?")
        values.append(query.state.value)


def _add_names(wheres: list[str], values: list[object], column: str, prefix: str) -> None:
    if prefix:
        wheres.append(f"{column} >= ?")
        values.append(prefix)
        if (end := after_prefix(prefix)) is not None:
            wheres.append(f"{column} < ?")
            values.append(end)
