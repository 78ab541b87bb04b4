"""What is unfinished at each instance, summed up by the server."""

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.errors import OperationFailure

from protes.clock import parse_rfc3339
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import translated
from protes.store.records import InstanceLoad

_LIVE = {"live_url": {"$gt": ""}}

PIPELINE: list[dict[str, Any]] = [
    {"$match": _LIVE},
    {
        "$group": {
            "_id": "$live_url",
            "active": {"$sum": 1},
            "youngest": {"$max": "$live_since"},
            "queued": {"$sum": "$live_queued"},
        }
    },
]

_INDEX = "tasks_live"
_NOT_IMPLEMENTED = 238


def read(database: MongoDatabase) -> list[InstanceLoad]:
    """Return the loads, by one query that reads the index alone."""
    with translated():
        try:
            groups: Iterable[Mapping[str, Any]] = list(database.tasks.aggregate(PIPELINE, hint=_INDEX))
        except OperationFailure as error:
            if error.code != _NOT_IMPLEMENTED:
                raise
            # FerretDB v1 has no $max.
            fields = {"_id": 0, "live_url": 1, "live_since": 1, "live_queued": 1}
            groups = summed(database.tasks.find(_LIVE, fields, hint=_INDEX))
    loads = (
        InstanceLoad(each["_id"], each["active"], parse_rfc3339(each["youngest"]), each["queued"]) for each in groups
    )
    return sorted(loads, key=lambda load: load.instance_url)


def summed(documents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what `PIPELINE` makes of documents."""
    groups: dict[str, dict[str, Any]] = {}
    for each in documents:
        group = groups.setdefault(each["live_url"], {"_id": each["live_url"], "active": 0, "youngest": "", "queued": 0})
        group["active"] += 1
        group["youngest"] = max(group["youngest"], each["live_since"])
        group["queued"] += each["live_queued"]
    return list(groups.values())
