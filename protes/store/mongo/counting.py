"""How tasks are counted: by indexes, and no further than somebody wants to know."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pymongo import ASCENDING

from protes.store.mongo import listing, reading
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import translated
from protes.tes.states import State


def count(database: MongoDatabase, owner: str | None, unfinished: bool, most: int | None) -> int:
    """See `TaskStore.count`."""
    if most is not None and most <= 0:  # which is no limit to MongoDB
        return 0
    said: Any = {"$gte": ""} if owner is None else owner
    field, index = ("open_owner", "tasks_unfinished") if unfinished else ("owner", "tasks_by_owner")
    bound: dict[str, Any] = {} if most is None else {"limit": most}
    with translated():
        return database.tasks.count_documents({field: said}, hint=index, **bound)


def count_state(
    database: MongoDatabase, state: State, audiences: Collection[str] | None, shown: bool, most: int
) -> int:
    """Return how many tasks are in a state, `most` at most; see `TaskStore.count_states`."""
    wanted: dict[str, Any] = {"shown" if shown else "state": state.value}
    index = "tasks_by_audience_shown" if shown else "tasks_by_audience_state"
    parts: Sequence[Mapping[str, Any]] = [listing.shown(audiences or ())]
    if audiences is None:
        # By state there is an index with audiences in front only: MongoDB goes in it from one audience to the next.
        index, parts = ("tasks_of_all", [{}]) if shown else (index, [{"audience": None}, {"audience": {"$gte": ""}}])
    found = 0
    with translated():
        for part in parts:
            if found < most:
                found += database.tasks.count_documents({**wanted, **part}, hint=index, limit=most - found)
    return found


def at_most(database: MongoDatabase, wanted: Mapping[str, Any], index: str, most: int) -> bool:
    """Tell whether no more than so many tasks are found, without looking for many more."""
    with translated():
        return database.tasks.count_documents(wanted, hint=index, limit=most + 1) <= most


def created_since(database: MongoDatabase, owner: str, after: str, limit: int) -> Sequence[str]:
    """See `TaskStore.created_since`."""
    if limit <= 0:
        return []
    wanted = {"owner": owner, "_id": {"$gt": after}}
    order = [("_id", ASCENDING)]
    found = reading.find(database, wanted, {"_id": 1}, order=order, limit=limit, index="tasks_by_owner")
    return [each["_id"] for each in found]


def live_owners(database: MongoDatabase, instance_urls: Collection[str]) -> Mapping[str, Mapping[str, int]]:
    """See `TaskStore.live_owners`; summed up here, since the owner is in no index of live tasks."""
    if not instance_urls:
        return {}
    wanted = {"live_url": {"$in": sorted(instance_urls)}}
    found: dict[str, Counter[str]] = {}
    for each in reading.find(database, wanted, {"_id": 0, "live_url": 1, "owner": 1}, index="tasks_live"):
        found.setdefault(each["live_url"], Counter())[each["owner"]] += 1
    return found
