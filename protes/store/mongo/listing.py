"""The filter of a page of tasks and the index it is read along, in descending id, until the page is full."""

from typing import Any

from protes.store.prefixes import after_prefix
from protes.store.records import TaskQuery, tag_entry, tag_entry_key

_ABOVE_ALL_IDS = "~"
"""Ids are made of characters below it."""

BY_ID = "_id_"


def page_filter(query: TaskQuery) -> tuple[dict[str, Any], str]:
    """Return the filter for a query, and the name of the index.

    One of the tags, the rarest thing that a client can ask for, leads; where there is none, the index of owner and
    state or of the owner does. Whatever else is asked for is looked at task by task.
    """
    found: dict[str, Any] = {"_id": {"$lt": query.before or _ABOVE_ALL_IDS}}
    index = BY_ID
    if query.owner is not None:
        found["owner"] = query.owner
        index = "tasks_by_owner"
    if query.state is not None:
        field = "shown" if query.shown else "state"
        found[field] = query.state.value
        index = index if query.owner is None else f"tasks_by_{field}"
    if query.tags:
        found["labels"] = _labels(query.tags)
        index = "tasks_by_label"
    if query.name_prefix:
        found["name"] = {"$gte": query.name_prefix}
        if (end := after_prefix(query.name_prefix)) is not None:
            found["name"]["$lt"] = end
    return found, index


def _labels(tags: tuple[tuple[str, str | None], ...]) -> Any:
    # An exact tag is rarer than a mere key; the first one is looked up in the index.
    ordered = sorted(tags, key=lambda tag: tag[1] is None)
    labels = [tag_entry_key(key) if value is None else tag_entry(key, value) for key, value in ordered]
    return labels[0] if len(labels) == 1 else {"$all": labels}
