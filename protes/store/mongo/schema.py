"""The collections and their indexes, and how a database of an older version becomes one of this version.

The document `schema` of the collection `meta` counts the steps that a database has gone. Steps are only ever added,
never changed, and each may be taken twice and by many processes at once: MongoDB has no lock that they could hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from protes.store.mongo.errors import translated
from protes.store.protocols import StoreError

TASKS, PARTS, RECORDS, META = "tasks", "parts", "records", "meta"

_SECONDS = 600.0
"""A step may take longer than an operation: an index over a million tasks is not made at once."""

Step = Callable[[Database[dict[str, Any]]], None]


@dataclass(frozen=True, slots=True)
class Index:
    """An index beside that of `_id`, which every collection has.

    Attributes:
        collection: of which collection.
        name: by which queries ask for it.
        keys: fields with the direction of each.
        sparse: documents with none of its fields are left out; FerretDB, which knows no sparse ones, has them in.
    """

    collection: str
    name: str
    keys: tuple[tuple[str, int], ...]
    sparse: bool = False


def _ascending(*names: str) -> tuple[tuple[str, int], ...]:
    return tuple((name, ASCENDING) for name in names)


_NEWEST_FIRST = ("_id", DESCENDING)

INDEXES = (
    # Pages of tasks. What stands behind the id is looked at in the index, not in each task.
    Index(TASKS, "tasks_by_owner", (*_ascending("owner"), _NEWEST_FIRST, *_ascending("name"))),
    Index(TASKS, "tasks_by_state", (*_ascending("owner", "state"), _NEWEST_FIRST, *_ascending("name"))),
    Index(TASKS, "tasks_by_shown", (*_ascending("owner", "shown"), _NEWEST_FIRST, *_ascending("name"))),
    Index(TASKS, "tasks_by_label", (*_ascending("labels"), _NEWEST_FIRST, *_ascending("owner"))),
    # All that is asked of due tasks, so that those on their way already are passed over without being read.
    Index(TASKS, "tasks_due", _ascending("due_at", "enqueued_until", "lease_until")),
    # `live_id` and `open_owner` are there while the task is live, or unfinished, and so is its entry here.
    Index(
        TASKS, "tasks_live", _ascending("live_url", "live_phase", "live_id", "live_since", "live_queued"), sparse=True
    ),
    Index(TASKS, "tasks_unfinished", _ascending("open_owner"), sparse=True),
    Index(TASKS, "tasks_ended", _ascending("finished_at", "_id", "live_url")),
    Index(RECORDS, "records_expiring", _ascending("expires_at"), sparse=True),
)


def _first(database: Database[dict[str, Any]]) -> None:
    for index in INDEXES:
        options = {"sparse": True} if index.sparse else {}
        # It is there already where another process was quicker.
        database[index.collection].create_indexes([IndexModel(list(index.keys), name=index.name, **options)])


STEPS: tuple[Step, ...] = (_first,)
"""Each leads from version n to n + 1; an empty database is version 0."""


def migrate(database: Database[dict[str, Any]], steps: Sequence[Step] = STEPS) -> None:
    """Bring a database to the newest version; safe while other processes do the same.

    Raises:
        StoreError: the database was written by a newer protes.
        StoreUnavailable: no server answers, or a step takes too long; it goes on from there when tried again.
    """
    with translated():
        while (version := _version(database)) < len(steps):
            with pymongo.timeout(_SECONDS):
                steps[version](database)
            _raise_version(database, version)
    if version > len(steps):
        raise StoreError(
            f"the store was written by a newer protes (its schema is {version}, this version knows up to "
            f"{len(steps)}): run that version, or use another database"
        )


def _version(database: Database[dict[str, Any]]) -> int:
    found = database[META].find_one({"_id": "schema"})
    return 0 if found is None else int(found["version"])


def _raise_version(database: Database[dict[str, Any]], version: int) -> None:
    if version > 0:
        database[META].update_one({"_id": "schema", "version": version}, {"$set": {"version": version + 1}})
        return
    try:
        database[META].insert_one({"_id": "schema", "version": 1})
    except DuplicateKeyError:
        return  # another process was quicker
