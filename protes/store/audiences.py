"""The keys under which tasks are shown (`TaskRecord.audience`), and pages over any number of them (docs/visibility.md).

What stands before the first colon is the kind; what comes after is taken as it is, so that no name of one kind is one
of another.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from heapq import merge
from itertools import islice

from protes.store.protocols import TaskStore
from protes.store.records import MOST_AUDIENCES, TaskQuery, TaskRecord

EVERYBODY = ""
"""The audience of tasks that everybody sees: those of anonymous callers, and those without bounds."""


def of_user(subject: str) -> str:
    """Return the audience that is one caller; the anonymous one is everybody."""
    return f"user:{subject}" if subject else EVERYBODY


def of_tenant(tenant: str) -> str:
    """Return the audience that is a tenant."""
    return f"tenant:{tenant}"


def of_group(group: str) -> str:
    """Return the audience that is a group."""
    return f"group:{group}"


def page(tasks: TaskStore, query: TaskQuery, audiences: Collection[str] | None) -> Sequence[TaskRecord]:
    """Return a page of the tasks that are shown under any of these keys, as `TaskStore.list` does; None: of all.

    The store merges `MOST_AUDIENCES` of them by itself; who is in more groups than that costs as many more queries.
    """
    if audiences is None or len(audiences) <= MOST_AUDIENCES:
        return tasks.list(replace(query, audiences=None if audiences is None else tuple(sorted(audiences))))
    ordered, places = tuple(sorted(audiences)), range(0, len(audiences), MOST_AUDIENCES)
    parts = [tasks.list(replace(query, audiences=ordered[each : each + MOST_AUDIENCES])) for each in places]
    return list(islice(merge(*parts, key=lambda record: record.id, reverse=True), query.limit))
