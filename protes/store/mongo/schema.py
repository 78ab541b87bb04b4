"""The collections and their indexes, and how a database of an older version becomes one of this version.

The document `schema` of the collection `meta` counts the steps that a database has gone. Steps are only ever added,
never changed, and each may be taken twice and by many processes at once: MongoDB has no lock that they could hold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from protes.store.mongo.errors import translated
from protes.store.protocols import StoreError

TASKS, PARTS, RECORDS, META = "tasks", "parts", "records", "meta"

_SECONDS = 600.0
"""A step may take longer than an operation: an index over a million tasks is not made at once."""

_INDEX_NOT_FOUND = 27

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

_FIRST = (
    Index(TASKS, "tasks_by_owner", (*_ascending("owner"), _NEWEST_FIRST, *_ascending("name"))),
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

BY_AUDIENCE = (
    # Pages of tasks. What stands behind the id is looked at in the index, not in each task.
    Index(TASKS, "tasks_by_audience", (*_ascending("audience"), _NEWEST_FIRST, *_ascending("name"))),
    Index(TASKS, "tasks_by_audience_state", (*_ascending("audience", "state"), _NEWEST_FIRST, *_ascending("name"))),
    Index(TASKS, "tasks_by_audience_shown", (*_ascending("audience", "shown"), _NEWEST_FIRST, *_ascending("name"))),
    Index(TASKS, "tasks_by_audience_label", (*_ascending("audience", "labels"), _NEWEST_FIRST)),
    Index(TASKS, "tasks_of_all", (*_ascending("shown"), _NEWEST_FIRST)),
)

_OF_NEWS = (
    # Changes of state that the event log does not have yet: a field that few tasks have at any time.
    Index(TASKS, "tasks_news", _ascending("news"), sparse=True),
)

BY_NAME = (
    # What starts with a prefix that few names have is found without reading all tasks.
    Index(TASKS, "tasks_by_audience_name", (*_ascending("audience", "name"), _NEWEST_FIRST)),
)

INDEXES = (*_FIRST, *BY_AUDIENCE, *_OF_NEWS, *BY_NAME)
"""Those of the newest version."""


def _first(database: Database[dict[str, Any]]) -> None:
    _make(database, _FIRST)


def _second(database: Database[dict[str, Any]]) -> None:
    """Show tasks by audience: a task of before is its owner's, or everybody's where it has none."""
    tasks, last = database[TASKS], ""
    while found := tasks.find_one({"owner": {"$gt": last}}, sort=[("owner", ASCENDING)], hint="tasks_by_owner"):
        last = found["owner"]
        tasks.update_many({"owner": last, "audience": {"$exists": False}}, {"$set": {"audience": f"user:{last}"}})
    _make(database, BY_AUDIENCE)
    # The first step made these once; nothing is asked of them any more.
    for name in ("tasks_by_state", "tasks_by_shown"):
        if name in tasks.index_information():
            _drop(tasks, name)


def _third(database: Database[dict[str, Any]]) -> None:
    _make(database, _OF_NEWS)


def _fourth(database: Database[dict[str, Any]]) -> None:
    _make(database, BY_NAME)


def _drop(tasks: Collection[dict[str, Any]], name: str) -> None:
    try:
        tasks.drop_index(name)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:  # another process was quicker
            raise


def _make(database: Database[dict[str, Any]], indexes: Sequence[Index]) -> None:
    for index in indexes:
        options = {"sparse": True} if index.sparse else {}
        # It is there already where another process was quicker.
        database[index.collection].create_indexes([IndexModel(list(index.keys), name=index.name, **options)])


STEPS: tuple[Step, ...] = (_first, _second, _third, _fourth)
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
