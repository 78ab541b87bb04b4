"""The TaskStore on MongoDB."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import bson
from pymongo import ASCENDING, DESCENDING, DeleteMany
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from protes.store.applying import Applied, ApplyingTaskStore, Change
from protes.store.ids import new_token
from protes.store.mongo import applying, codec, counting, loads, news, reading
from protes.store.mongo.codec import Document
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import TOO_LARGE, duplicates, refused, translated
from protes.store.mongo.listing import BY_NAME, FEW, name_filter, page_filter, shown
from protes.store.mongo.texts import TextWriter, parts_prefix, task_of
from protes.store.prefixes import after_prefix
from protes.store.protocols import StoreError, StoreUnavailable, TooLarge
from protes.store.records import FURTHEST_AHEAD, Followed, InstanceLoad, Phase, TaskQuery, TaskRecord
from protes.tes.states import State

_DUE_TRIES = 8

_LARGEST_BYTES = 12 * 1024 * 1024
"""Of a new document: what is added to it later must find room within MongoDB's 16 MiB, too."""


class MongoTaskStore(ApplyingTaskStore):
    """A `TaskStore` in a database of MongoDB."""

    def __init__(self, database: MongoDatabase) -> None:
        """Keep tasks in an open database, which is closed with the store."""
        self._database = database

    def create(self, record: TaskRecord) -> TaskRecord:
        """See `TaskStore.create`."""
        return self.create_many([record])[0]

    def create_many(self, records: Sequence[TaskRecord]) -> Sequence[TaskRecord]:
        """See `TaskStore.create_many`; one write for all of them, and one for their large texts."""
        documents, parts = [], []
        for record in records:
            writer = TextWriter(record.id)
            documents.append(_checked(codec.new_document(record, writer)))
            parts += writer.parts
        if not documents:
            return []
        with translated():
            if parts:
                self._database.parts.insert_many(parts, ordered=False)
            try:
                there = self._insert_again(documents)
            except PyMongoError as error:
                never = {records[place].id for place in refused(error, len(documents))}
                self._drop([part["_id"] for part in parts if task_of(part["_id"]) in never])
                raise
        if not there:
            return records
        return self._instead(records, there, parts)

    def _insert_again(self, documents: Sequence[Document]) -> set[int]:
        """Insert as `_insert` does; once more where the connection broke, so that what was written then is found.

        The driver does so itself where the server is one of a replica set. Not after a time-out: time is up.
        """
        try:
            return self._insert(documents)
        except (NetworkTimeout, ServerSelectionTimeoutError):
            raise
        except AutoReconnect:
            return self._insert(documents)

    def _insert(self, documents: Sequence[Document]) -> set[int]:
        """Insert what is not there; return the places of the others."""
        if len(documents) == 1:
            try:
                self._database.tasks.insert_one(documents[0])
            except DuplicateKeyError:
                return {0}
            return set()
        try:
            self._database.tasks.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if not duplicates(error):
                raise
            return {int(each["index"]) for each in error.details["writeErrors"]}
        return set()

    def _drop(self, parts: Sequence[str]) -> None:
        """Remove parts that nothing names; what is left over takes room and hurts nobody."""
        if parts:
            with suppress(StoreError), translated():
                self._database.parts.delete_many({"_id": {"$in": parts}})

    def _instead(
        self, records: Sequence[TaskRecord], there: set[int], parts: Sequence[Document]
    ) -> Sequence[TaskRecord]:
        """Return what is stored in the place of those that were there, and remove the parts that came with these."""
        wanted = reading.by_ids({records[place].id for place in there})
        stored = reading.complete(self._database, reading.find(self._database, wanted), wanted)
        found = {each.record.id: each.record for each in stored}
        used = {name for each in stored for name in codec.named_parts(each.document)}
        self._drop([part["_id"] for part in parts if task_of(part["_id"]) in found and part["_id"] not in used])
        try:
            return [found[record.id] if place in there else record for place, record in enumerate(records)]
        except KeyError:
            # Removed just now, or not yet written by a majority: only what is durable is read.
            raise StoreUnavailable("MongoDB: the task is being written or removed by somebody else") from None

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        """See `TaskStore.versions`."""
        if not task_ids:
            return {}
        found = reading.find(self._database, reading.by_ids(task_ids), {"version": 1})
        return {each["_id"]: each["version"] for each in found}

    def get(self, task_id: str, *, head: bool = False, audiences: Collection[str] | None = None) -> TaskRecord | None:
        """See `TaskStore.get`."""
        wanted = {"_id": task_id, **shown(audiences)}
        found = reading.find(self._database, wanted, codec.HEAD if head else None)
        if head:
            return codec.head(found[0]) if found else None
        whole = reading.complete(self._database, found, wanted)
        return whole[0].record if whole else None

    def list(self, query: TaskQuery) -> Sequence[TaskRecord]:
        """See `TaskStore.list`."""
        wanted, index = page_filter(query)
        names = name_filter(query)
        if names is not None and counting.at_most(self._database, names, BY_NAME, FEW):
            index = BY_NAME
        return self._page(wanted, index, [("_id", DESCENDING)], query.limit, codec.HEAD if query.heads else None)

    def _page(
        self,
        wanted: Mapping[str, Any],
        index: str,
        order: Sequence[tuple[str, int]],
        limit: int,
        projection: Mapping[str, int] | None = None,
    ) -> Sequence[TaskRecord]:
        if limit <= 0:  # which is no limit to MongoDB
            return []
        found = reading.find(self._database, wanted, projection, order=order, limit=limit, index=index)
        if projection is codec.HEAD:
            return [codec.head(each) for each in found]
        return [each.record for each in reading.complete(self._database, found, wanted, projection)]

    def due(self, now: datetime, limit: int, enqueue_until: datetime) -> Sequence[str]:
        """See `TaskStore.due`."""
        moment, far = codec.time(now), codec.time(now + FURTHEST_AHEAD)
        ids = self._due({"$lte": moment}, moment, far, limit, enqueue_until)
        return [*ids, *self._due({"$gt": far}, moment, far, limit - len(ids), enqueue_until)]

    def _due(
        self, when: Mapping[str, str], moment: str, far: str, limit: int, enqueue_until: datetime
    ) -> Sequence[str]:
        """Stamp and return tasks whose `due_at` is so; `far` is what lies too far ahead to be believed."""
        passed = {"$not": {"$gt": moment, "$lte": far}}  # or absent
        waiting = {"due_at": when, "enqueued_until": passed, "lease_until": passed}
        for _ in range(_DUE_TRIES if limit > 0 else 0):
            found = reading.find(
                self._database, waiting, {"_id": 1}, order=[("due_at", ASCENDING)], limit=limit, index="tasks_due"
            )
            ids = [each["_id"] for each in found]
            if not ids or (won := self._stamp(ids, waiting, codec.time(enqueue_until))):
                return won if ids else []
        return []

    def _stamp(self, ids: Sequence[str], waiting: Mapping[str, Any], until: str) -> Sequence[str]:
        """Stamp those that still wait; return them. The answer tells how many; which ones, if not all, is read."""
        token = new_token()
        with translated():
            stamped = self._database.tasks.update_many(
                {"_id": {"$in": list(ids)}, **waiting},
                {"$set": {"enqueued_until": until, "enqueued_by": token}},
                hint="_id_",  # not that of `due_at`, which fits as well
            )
        if stamped.matched_count == len(ids):
            return ids
        found = reading.find(self._database, {"_id": {"$in": list(ids)}, "enqueued_by": token}, {"_id": 1})
        won = {each["_id"] for each in found}
        return [each for each in ids if each in won]

    def apply(self, steps: Sequence[tuple[str, Change]]) -> Sequence[Applied | None]:
        """See `ApplyingTaskStore.apply` and `applying.apply`."""
        return applying.apply(self._database, steps)

    def active(self, instance_url: str, after: str | None, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.active`."""
        order = [("live_id", ASCENDING)]
        return self._page(_accepted(instance_url, after), "tasks_live", order, limit, codec.WITHOUT_DOCUMENT)

    def followed(self, instance_url: str, after: str | None, limit: int) -> Sequence[Followed]:
        """See `TaskStore.followed`."""
        if limit <= 0:
            return []
        order = [("live_id", ASCENDING)]
        wanted = _accepted(instance_url, after)
        found = reading.find(self._database, wanted, codec.FOLLOWED, order=order, limit=limit, index="tasks_live")
        return [codec.followed(each) for each in found]

    def loads(self) -> Sequence[InstanceLoad]:
        """See `TaskStore.loads`."""
        return loads.read(self._database)

    def delete(self, task_id: str) -> bool:
        """See `TaskStore.delete`."""
        return self.delete_many([task_id]) > 0

    def delete_many(self, task_ids: Sequence[str]) -> int:
        """See `TaskStore.delete_many`; the tasks first, since one whose parts are missing could not be read."""
        if not task_ids:
            return 0
        prefixes = [parts_prefix(task_id) for task_id in task_ids]
        parts = [DeleteMany({"_id": {"$gte": each, "$lt": after_prefix(each)}}) for each in prefixes]
        with translated():
            removed = self._database.tasks.delete_many(reading.by_ids(task_ids)).deleted_count
            self._database.parts.bulk_write(parts, ordered=False)
        return removed

    def finished_before(self, moment: datetime, limit: int) -> Sequence[str]:
        """See `TaskStore.finished_before`."""
        if limit <= 0:
            return []
        wanted = {"finished_at": {"$lt": codec.time(moment)}, "live_url": None}
        order = [("finished_at", ASCENDING), ("_id", ASCENDING)]
        found = reading.find(self._database, wanted, {"_id": 1}, order=order, limit=limit, index="tasks_ended")
        return [each["_id"] for each in found]

    def finished_since(self, after: tuple[datetime, str] | None, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.finished_since`."""
        wanted: dict[str, Any] = {"finished_at": {"$gte": ""}}
        if after is not None:
            moment = codec.time(after[0])
            # The first one bounds what is read of the index; few have ended in the same microsecond.
            wanted["finished_at"] = {"$gte": moment}
            wanted["$or"] = [{"finished_at": {"$gt": moment}}, {"_id": {"$gt": after[1]}}]
        order = [("finished_at", ASCENDING), ("_id", ASCENDING)]
        return self._page(wanted, "tasks_ended", order, limit)

    def unannounced(self, limit: int) -> Sequence[TaskRecord]:
        """See `TaskStore.unannounced`."""
        return news.unannounced(self._database, limit)

    def announced(self, moves: Mapping[str, int]) -> None:
        """See `TaskStore.announced`."""
        news.announced(self._database, moves)

    def count(self, *, owner: str | None = None, unfinished: bool = False, most: int | None = None) -> int:
        """See `TaskStore.count`."""
        return counting.count(self._database, owner, unfinished, most)

    def count_states(
        self, states: Collection[State], audiences: Collection[str] | None, *, shown: bool, most: int
    ) -> Mapping[State, int]:
        """See `TaskStore.count_states`."""
        return {state: counting.count_state(self._database, state, audiences, shown, most) for state in states}

    def created_since(self, owner: str, after: str, limit: int) -> Sequence[str]:
        """See `TaskStore.created_since`."""
        return counting.created_since(self._database, owner, after, limit)

    def live_owners(self, instance_urls: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """See `TaskStore.live_owners`."""
        return counting.live_owners(self._database, instance_urls)

    def close(self) -> None:
        """See `TaskStore.close`; the database is closed for all who use it."""
        self._database.close()


def _accepted(instance_url: str, after: str | None) -> dict[str, Any]:
    return {"live_url": instance_url, "live_phase": Phase.ACCEPTED.value, "live_id": {"$gt": after or ""}}


def _checked(document: Document) -> Document:
    """Refuse what MongoDB could not keep; large texts are in parts and count for nothing."""
    likely = len(document["name"]) + len(document["tags"]) + len(document["preference"])
    if likely > _LARGEST_BYTES // 16 and len(bson.encode(document)) > _LARGEST_BYTES:
        raise TooLarge(TOO_LARGE)
    return document
