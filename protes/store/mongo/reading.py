"""Reading whole tasks: their documents, and the parts that these name."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from protes.store.mongo import codec
from protes.store.mongo.codec import Document, Loaded
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import translated
from protes.store.protocols import StoreError

_TRIES = 8

_MOST_AT_ONCE = 1000
"""Documents in an answer, so that a page takes one; MongoDB's own choice is 101. Beyond 16 MiB it takes another."""


def by_ids(ids: Collection[str]) -> dict[str, Any]:
    """Return the filter for these ids; for a single one the plainest, which servers answer fastest."""
    return {"_id": next(iter(ids)) if len(ids) == 1 else {"$in": list(ids)}}


def find(
    database: MongoDatabase,
    wanted: Mapping[str, Any],
    projection: Mapping[str, int] | None = None,
    *,
    order: Sequence[tuple[str, int]] | None = None,
    limit: int = 0,
    index: str | None = None,
) -> list[Document]:
    """Return the documents of tasks that a filter finds, all at once: a page is small."""
    with translated():
        return list(
            database.tasks.find(
                wanted,
                None if projection is None else dict(projection),
                sort=None if order is None else list(order),
                limit=limit,
                batch_size=limit or _MOST_AT_ONCE,
                hint=index,
            )
        )


def complete(
    database: MongoDatabase,
    documents: Sequence[Document],
    wanted: Mapping[str, Any],
    projection: Mapping[str, int] | None = None,
) -> list[Loaded]:
    """Read the parts of documents, all in one go, and return the tasks in the same order, each of one version.

    A document whose parts have been replaced since it was read is read again; one that the filter `wanted` does not
    find any more is left out.

    Raises:
        StoreError: a part is not there.
    """
    parts: dict[str, str] = {}
    current: list[Document | None] = list(documents)
    for _ in range(_TRIES):
        names = [name for each in current if each for name in codec.missing_parts(each, parts)]
        if not names:
            return [Loaded(each, codec.whole(each, parts)) for each in current if each]
        with translated():
            parts |= {each["_id"]: each["text"] for each in database.parts.find(by_ids(names))}
        stale = [each["_id"] for each in current if each and codec.missing_parts(each, parts)]
        if stale:
            again = find(database, {"$and": [{"_id": {"$in": stale}}, wanted]}, projection)
            fresh = {each["_id"]: each for each in again}
            current = [fresh.get(each["_id"]) if each and each["_id"] in stale else each for each in current]
    raise StoreError("MongoDB: a part of a task is missing")
