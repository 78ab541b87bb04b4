"""Changes of state that the event log does not have yet (docs/events.md)."""

from collections.abc import Mapping, Sequence

from pymongo import UpdateMany

from protes.store.mongo import codec, reading
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import translated
from protes.store.records import TaskRecord


def unannounced(database: MongoDatabase, limit: int) -> Sequence[TaskRecord]:
    """See `TaskStore.unannounced`; it reads what a majority has, so that nothing is told that could be undone."""
    if limit <= 0:  # which is no limit to MongoDB
        return []
    found = reading.find(database, {"news": {"$gte": 1}}, codec.HEAD, limit=limit, index="tasks_news")
    return [codec.head(each) for each in found]


def announced(database: MongoDatabase, moves: Mapping[str, int]) -> None:
    """See `TaskStore.announced`; one update for all tasks that have moved equally often, which few numbers say."""
    if not moves:
        return
    by_move: dict[int, list[str]] = {}
    for task_id, move in moves.items():
        by_move.setdefault(move, []).append(task_id)
    updates = [
        UpdateMany({"_id": {"$in": ids}, "news": move}, {"$unset": {"news": ""}}, hint="_id_")
        for move, ids in by_move.items()
    ]
    with translated():
        database.tasks.bulk_write(updates, ordered=False)
