"""Pages of tasks by a prefix of the name, quick whether the prefix is rare or common.

Along the ids, newest first, a common prefix fills a page soon, and a rare one not before all tasks have been read.
Along the names a rare prefix is found at once, and a common one has all its tasks read and sorted. Nobody knows
beforehand which it is, nor where in the list its tasks are. So the ways are tried by turns, each time for twice as
long: that costs a few times what the better one does.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, cycle
from typing import Any

from protes.store.records import TaskQuery
from protes.store.sqlite.database import Database
from protes.store.sqlite.listing import ids_by_name_sql, ids_sql, rows_sql

_STEPS = 4_000
"""Of SQLite's machine, for the first try: some 300 tasks along an index, a fraction of a millisecond."""


def page_by_name(database: Database, query: TaskQuery) -> Sequence[Any]:
    """Return the rows of a page for a query with a prefix that is not for no audience at all."""
    page: list[Any] = []
    while True:
        ids = _ids(database, query)
        found = database.read(*rows_sql(query, ids))
        page += sorted(found, key=lambda row: str(row[0]), reverse=True)
        if len(found) == len(ids) or len(ids) < query.limit:
            return page
        # Tasks went, or changed their state, between the two reads. A page with room left would be taken for the last.
        query = replace(query, before=ids[-1], limit=query.limit - len(found))


def _ids(database: Database, query: TaskQuery) -> Sequence[str]:
    """Return the ids of a page, newest first. What is rare in one audience may be common in another."""
    found = chain.from_iterable(_ids_of(database, query, audience) for audience in query.audiences or (None,))
    return sorted(found, reverse=True)[: query.limit]


def _ids_of(database: Database, query: TaskQuery, audience: str | None) -> Sequence[str]:
    ways = (ids_by_name_sql(query, audience), ids_sql(query, audience))
    tries = (database.read_within(_STEPS << number, *way) for number, way in enumerate(cycle(ways)))
    return [task_id for (task_id,) in next(rows for rows in tries if rows is not None)]
