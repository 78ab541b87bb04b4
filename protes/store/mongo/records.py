"""Records on MongoDB."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.errors import DuplicateKeyError

from protes.clock import parse_rfc3339
from protes.store.changes import put_version
from protes.store.ids import new_token
from protes.store.mongo.codec import Document, time
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import translated
from protes.store.prefixes import after_prefix
from protes.store.protocols import Stored, StoreUnavailable
from protes.store.records import tag_entry
from protes.store.sqlite.codec import to_json

_TRIES = 64


class MongoRecords:
    """`Records` in a database of MongoDB.

    `_id` is kind and key as one text, in whose order a scan reads. `revision` is new with every write; compared and
    set, it tells apart what `version` does not: a value that was removed and made again.
    """

    def __init__(self, database: MongoDatabase) -> None:
        """Keep values in an open database."""
        self._database = database

    def get(self, kind: str, key: str, now: datetime) -> Stored | None:
        """See `Records.get`."""
        found = self._find(tag_entry(kind, key))
        return _stored(found) if found is not None and _valid(found, now) else None

    def put(
        self,
        kind: str,
        key: str,
        value: Mapping[str, Any],
        now: datetime,
        *,
        expected_version: int | None = None,
        expires_at: datetime | None = None,
    ) -> int:
        """See `Records.put`."""
        identity, text = tag_entry(kind, key), to_json(dict(value))
        for _ in range(_TRIES):
            found = self._find(identity)
            version = put_version(found["version"] if found and _valid(found, now) else 0, expected_version)
            document = {"_id": identity, "value": text, "version": version, "revision": new_token()}
            if expires_at is not None:
                document["expires_at"] = time(expires_at)
            if self._written(found, document):
                return version
        raise StoreUnavailable("MongoDB: others change the same value all the time")

    def put_many(
        self,
        kind: str,
        values: Mapping[str, Mapping[str, Any]],
        now: datetime,
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """See `Records.put_many`; in one write, of which a part may be done where it raises."""
        del now
        until = {"expires_at": time(expires_at)} if expires_at is not None else {}
        gone = {} if until else {"$unset": {"expires_at": ""}}
        updates = [
            UpdateOne(
                {"_id": tag_entry(kind, key)},
                {"$set": {"value": to_json(dict(value)), "revision": new_token(), **until}, "$inc": {"version": 1}}
                | gone,
                upsert=True,
            )
            for key, value in values.items()
        ]
        if updates:
            with translated():
                self._database.records.bulk_write(updates, ordered=False)

    def delete(self, kind: str, key: str) -> bool:
        """See `Records.delete`."""
        with translated():
            return self._database.records.delete_one({"_id": tag_entry(kind, key)}).deleted_count > 0

    def delete_many(self, kind: str, keys: Sequence[str]) -> int:
        """See `Records.delete_many`."""
        if not keys:
            return 0
        with translated():
            wanted = {"_id": {"$in": [tag_entry(kind, key) for key in keys]}}
            return self._database.records.delete_many(wanted).deleted_count

    def scan(self, kind: str, prefix: str, now: datetime, *, after: str = "", limit: int = 256) -> Sequence[Stored]:
        """See `Records.scan`."""
        if limit <= 0:
            return []
        start = tag_entry(kind, prefix)
        keys = {"$gt": tag_entry(kind, after)} if after >= prefix else {"$gte": start}
        keys["$lt"] = after_prefix(start) or ""  # there is one: a kind is followed by `=`
        with translated():
            found = self._database.records.find(
                {"_id": keys, "expires_at": {"$not": {"$lte": time(now)}}}, sort=[("_id", ASCENDING)], limit=limit
            )
            return [_stored(each) for each in found]

    def expire(self, now: datetime, limit: int = 1000) -> int:
        """See `Records.expire`."""
        expired = {"expires_at": {"$lte": time(now)}}
        if limit <= 0:
            return 0
        with translated():
            found = self._database.records.find(
                expired, {"_id": 1}, sort=[("expires_at", ASCENDING)], limit=limit, hint="records_expiring"
            )
            # Once more what they are found by: one may have been put anew meanwhile.
            identities = [each["_id"] for each in found]
            if not identities:
                return 0
            return self._database.records.delete_many({"_id": {"$in": identities}, **expired}).deleted_count

    def _find(self, identity: str) -> Document | None:
        with translated():
            return self._database.records.find_one({"_id": identity})

    def _written(self, found: Document | None, document: Document) -> bool:
        with translated():
            if found is not None:
                stored = {"_id": found["_id"], "revision": found["revision"]}
                return self._database.records.replace_one(stored, document).matched_count > 0
            try:
                self._database.records.insert_one(document)
            except DuplicateKeyError:
                return False
            return True


def _valid(document: Document, now: datetime) -> bool:
    return "expires_at" not in document or parse_rfc3339(document["expires_at"]) > now


def _stored(document: Document) -> Stored:
    expires_at = document.get("expires_at")
    return Stored(
        document["_id"].partition("=")[2],
        json.loads(document["value"]),
        document["version"],
        None if expires_at is None else parse_rfc3339(expires_at),
    )
