"""The filter of a page of tasks and the index it is read along, in descending id, until the page is full."""

from collections.abc import Collection
from typing import Any

from protes.store.prefixes import after_prefix
from protes.store.records import TaskQuery, tag_entry, tag_entry_key

_ABOVE_ALL_IDS = "~"
"""Ids are made of characters below it."""

BY_ID = "_id_"
BY_NAME = "tasks_by_audience_name"

FEW = 2_000
"""So many tasks are read and sorted in some milliseconds. A prefix that more have fills a page soon, as a rule."""


def page_filter(query: TaskQuery) -> tuple[dict[str, Any], str]:
    """Return the filter for a query, and the name of the index.

    One of the tags, the rarest thing that a client can ask for, leads; where there is none, the index of audience and
    state or of the audience does. Whatever else is asked for is looked at task by task. Where there are several
    audiences, MongoDB reads each along the index and merges them.
    """
    found: dict[str, Any] = {"_id": {"$lt": query.before or _ABOVE_ALL_IDS}}
    if query.owner is not None:
        found["owner"] = query.owner
    found |= shown(query.audiences)
    if query.state is not None:
        found["shown" if query.shown else "state"] = query.state.value
    if query.tags:
        found["labels"] = _labels(query.tags)
    return found | _named(query.name_prefix), _index(query)


def name_filter(query: TaskQuery) -> dict[str, Any] | None:
    """Return the filter for all tasks that `BY_NAME` finds for a query; None where it is of no use.

    Where these are few, the page is better read by that index than by the one that `page_filter` names.
    """
    if not query.name_prefix or query.audiences is None:
        return None
    return shown(query.audiences) | _named(query.name_prefix)


def _named(prefix: str) -> dict[str, Any]:
    if not prefix:
        return {}
    end = after_prefix(prefix)
    return {"name": {"$gte": prefix} if end is None else {"$gte": prefix, "$lt": end}}


def _index(query: TaskQuery) -> str:
    if query.audiences is not None:
        if query.tags:
            return "tasks_by_audience_label"
        if query.state is None:
            return "tasks_by_audience"
        return "tasks_by_audience_shown" if query.shown else "tasks_by_audience_state"
    if query.tags:
        return "tasks_by_label"
    if query.owner is not None:
        return "tasks_by_owner"
    return "tasks_of_all" if query.state is not None and query.shown else BY_ID


def shown(audiences: Collection[str] | None) -> dict[str, Any]:
    """Return the condition that a task is shown under one of these keys; everybody's tasks have no audience."""
    if audiences is None:
        return {}
    stored = [audience or None for audience in audiences]
    return {"audience": stored[0] if len(stored) == 1 else {"$in": stored}}


def _labels(tags: tuple[tuple[str, str | None], ...]) -> Any:
    # An exact tag is rarer than a mere key; the first one is looked up in the index.
    ordered = sorted(tags, key=lambda tag: tag[1] is None)
    labels = [tag_entry_key(key) if value is None else tag_entry(key, value) for key, value in ordered]
    return labels[0] if len(labels) == 1 else {"$all": labels}
