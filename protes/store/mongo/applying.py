"""Changing tasks by compare-and-set on `version`, in rounds: those that somebody else changed meanwhile go again.

A round is a read and a write, and for parts one more of each, however many tasks there are.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pymongo import UpdateOne

from protes.store.applying import Applied, Change
from protes.store.ids import new_token
from protes.store.mongo import codec, reading
from protes.store.mongo.codec import Loaded
from protes.store.mongo.database import MongoDatabase
from protes.store.mongo.errors import translated
from protes.store.mongo.texts import TextWriter
from protes.store.protocols import StoreError, StoreUnavailable

_ROUNDS = 64

_STAMPS = 8
"""Stamps that a task keeps: those of the last batches that changed it."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """What a round makes of one task.

    Attributes:
        before: the task as it was read.
        outcomes: what each of its steps did, by the step's place.
        update: how it is written; None where nothing changes.
        parts: what must be stored before.
    """

    before: Loaded
    outcomes: Mapping[int, Applied]
    update: codec.Update | None = None
    parts: Sequence[dict[str, Any]] = field(default=())


def apply(database: MongoDatabase, steps: Sequence[tuple[str, Change]]) -> Sequence[Applied | None]:
    """See `ApplyingTaskStore.apply`.

    Raises:
        StoreUnavailable: others change a task all the time, or the store is down; some of the steps may be taken, and
            nobody is told which.
    """
    places: dict[str, list[int]] = {}
    for place, (task_id, _) in enumerate(steps):
        places.setdefault(task_id, []).append(place)
    done: list[Applied | None] = [None] * len(steps)
    for _ in range(_ROUNDS):
        wanted = reading.by_ids(places)
        loaded = reading.complete(database, reading.find(database, wanted), wanted)
        # Every change of the round is made before any is written: one that raises leaves all of them out.
        planned = [_plan(each, [(place, steps[place][1]) for place in places[each.record.id]]) for each in loaded]
        lost = _write(database, [each for each in planned if each.update is not None])
        for each in planned:
            if each.before.record.id not in lost:
                for place, outcome in each.outcomes.items():
                    done[place] = outcome
        if not lost:
            return done
        places = {task_id: places[task_id] for task_id in places if task_id in lost}
    raise StoreUnavailable("MongoDB: others change the same task all the time")


def _plan(before: Loaded, changes: Sequence[tuple[int, Change]]) -> _Planned:
    record, outcomes = before.record, {}
    for place, change in changes:
        after = change(record)
        record = after or record
        outcomes[place] = Applied(record, after is not None)
    if record is before.record:
        return _Planned(before, outcomes)
    writer = TextWriter(record.id)
    return _Planned(before, outcomes, codec.update(before, record, writer), writer.parts)


def _write(database: MongoDatabase, planned: Sequence[_Planned]) -> set[str]:
    """Write a round; return the ids of the tasks that somebody else changed first."""
    if not planned:
        return set()
    with translated():
        if parts := [part for each in planned for part in each.parts]:
            database.parts.insert_many(parts, ordered=False)
        lost = _write_one(database, planned[0]) if len(planned) == 1 else _write_batch(database, planned)
    _clean_up(database, planned, lost)
    return lost


def _write_one(database: MongoDatabase, planned: _Planned) -> set[str]:
    written = database.tasks.update_one(_stored(planned), _operators(planned))
    return set() if written.matched_count else {planned.before.record.id}


def _write_batch(database: MongoDatabase, planned: Sequence[_Planned]) -> set[str]:
    """Write a batch. The answer tells how many were written; which ones, if not all, is read from their stamps."""
    stamp = new_token()
    updates = []
    for each in planned:
        stamps = [*each.before.document.get("stamps", ()), stamp][-_STAMPS:]
        operators = _operators(each)
        updates.append(UpdateOne(_stored(each), {**operators, "$set": {**operators["$set"], "stamps": stamps}}))
    if database.tasks.bulk_write(updates, ordered=False).matched_count == len(planned):
        return set()
    ids = [each.before.record.id for each in planned]
    found = {each["_id"]: each for each in database.tasks.find({"_id": {"$in": ids}}, {"stamps": 1})}
    return {each.before.record.id for each in planned if _is_lost(each, found.get(each.before.record.id), stamp)}


def _is_lost(planned: _Planned, now: Mapping[str, Any] | None, stamp: str) -> bool:
    """Tell whether a task was not written by the batch of a stamp.

    Raises:
        StoreUnavailable: so many other batches came after ours that it cannot be told.
    """
    if now is None:
        return True  # removed; the next round finds it gone
    stamps = now.get("stamps", ())
    before = planned.before.document.get("stamps", ())
    if stamp not in stamps and len(stamps) == _STAMPS and not set(stamps) & set(before):
        raise StoreUnavailable("MongoDB: others change the same task all the time")
    return stamp not in stamps


def _stored(planned: _Planned) -> dict[str, Any]:
    return {"_id": planned.before.record.id, "version": planned.before.record.version}


def _operators(planned: _Planned) -> dict[str, Any]:
    assert planned.update is not None  # noqa: S101 - only those that change are written
    return planned.update.operators


def _clean_up(database: MongoDatabase, planned: Sequence[_Planned], lost: set[str]) -> None:
    """Remove parts that nothing names: those replaced, and those written in vain."""
    unused: list[str] = []
    for each in planned:
        if each.before.record.id in lost:
            unused += [part["_id"] for part in each.parts]
        elif each.update is not None:
            unused += each.update.dropped
    if unused:
        # What is left over takes room until its task is removed, and hurts nobody.
        with suppress(StoreError), translated():
            database.parts.delete_many({"_id": {"$in": unused}})
