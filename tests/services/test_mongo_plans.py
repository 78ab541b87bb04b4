"""Every question that the MongoDB store asks is answered by an index; each page takes as many as it should."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from protes.store.mongo import MongoDatabase, MongoRecords, MongoTaskStore, listing
from protes.store.mongo.schema import INDEXES
from protes.store.protocols import Conflict
from protes.store.records import Phase, TaskQuery, Transition
from protes.tes.states import State
from tests.support import ferretdb
from tests.support.mongo_plans import BY_ID, Question, Recorder, questions, scans, uses
from tests.support.task_records import START, URL, a_lease, a_task, an_attempt, at, forwarded
from tests.unit.test_sqlite_plans import every_query

pytestmark = pytest.mark.services

LARGE = "x" * 20_000


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def url(mongodb: str) -> Iterator[str]:
    with ferretdb.fresh_database(mongodb) as url:
        yield url


@pytest.fixture
def database(url: str, recorder: Recorder) -> Iterator[MongoDatabase]:
    database = MongoDatabase(url, listeners=[recorder])
    database.open()
    recorder.clear()
    yield database
    database.close()


def use_tasks(tasks: MongoTaskStore) -> None:
    """Call every method of the TaskStore, and list in every way."""
    record = forwarded(tasks, a_task(tags=("a=b",), system_logs=("line",), document=LARGE))
    tasks.create(record)
    tasks.create_many([a_task(), record])
    tasks.versions([record.id])
    tasks.get(record.id)
    tasks.get(record.id, head=True)
    tasks.get(record.id, audiences=("", "x"))
    tasks.due(at(1), 10, at(2))
    tasks.claim(record.id, a_lease(), at(60))
    tasks.extend(record.id, "token", at(90))
    other = forwarded(tasks, a_task())
    log = {"log": LARGE}
    for state in (State.RUNNING, State.PAUSED):
        seen = [Transition(each.id, 1, state, log={**log, "s": state}) for each in (record, other)]
        tasks.transition(seen, at(61))
    tasks.request_cancel(record.id, at(62))
    tasks.request_cancels([record.id, other.id], at(62))
    tasks.close_cancel(record.id, "late", at(63))
    tasks.active(URL, None, 10)
    tasks.followed(URL, None, 10)
    tasks.loads()
    tasks.finished_before(at(70), 10)
    tasks.finished_since(None, 10)
    tasks.finished_since((at(1), "x"), 10)
    for owner in (None, ""):
        for unfinished in (False, True):
            tasks.count(owner=owner, unfinished=unfinished)
    for some in (None, (), ("",), ("", "x")):
        for shown in (False, True):
            tasks.count_states((State.QUEUED, State.RUNNING), some, shown=shown, most=10)
    tasks.announced({each.id: each.news or 1 for each in tasks.unannounced(10)})
    tasks.delete(record.id)
    tasks.delete_many([record.id, tasks.create(a_task()).id])
    for query in every_query():
        tasks.list(query)


def use_records(records: MongoRecords) -> None:
    """Call every method of Records."""
    records.put("kind", "key", {}, START, expires_at=at(1))
    with pytest.raises(Conflict):
        records.put("kind", "key", {}, START, expected_version=7)
    records.put("kind", "key", {}, START, expires_at=at(1), expected_version=1)
    records.put_many("kind", {"key": {}, "more": {}}, START)
    records.get("kind", "key", START)
    records.scan("kind", "", START)
    records.scan("kind", "prefix", START, after="prefixed")
    records.expire(at(2))
    records.delete("kind", "key")
    records.delete_many("kind", ["key", "other"])


def asked(recorder: Recorder) -> list[Question]:
    return [each for name, command in recorder.commands for each in questions(name, command)]


def test_every_question_has_an_index(database: MongoDatabase, recorder: Recorder) -> None:
    use_tasks(MongoTaskStore(database))
    use_records(MongoRecords(database))
    keys = {(each.collection, each.name): each.keys for each in INDEXES}
    found = asked(recorder)
    refused = []
    for each in found:
        index = keys.get((each.collection, each.hint or ""), BY_ID)
        if each.hint == listing.BY_NAME:
            each = replace(each, order=())  # few, as the store has counted before, and sorted
        if not uses(each, index):
            refused.append(each)
    assert not refused
    assert {each.hint for each in found} >= {each.name for each in INDEXES}
    assert {name for name, _ in recorder.commands} <= {"find", "aggregate", "insert", "update", "delete", "getMore"}


def test_every_write_is_on_the_disks_of_a_majority(database: MongoDatabase, recorder: Recorder) -> None:
    use_tasks(MongoTaskStore(database))
    use_records(MongoRecords(database))
    for name, command in recorder.commands:
        if name in ("insert", "update", "delete"):
            assert command["writeConcern"] == {"w": "majority", "j": True, "wtimeout": 8000}
        elif name in ("find", "aggregate"):
            assert command["readConcern"] == {"level": "majority"}


def test_plans_of_mongodb_itself(url: str, database: MongoDatabase, recorder: Recorder) -> None:
    if not ferretdb.is_mongodb():
        pytest.skip("not measured: MONGODB_URI names no MongoDB, and FerretDB's plans are not those of MongoDB")
    use_tasks(MongoTaskStore(database))
    use_records(MongoRecords(database))
    explained = 0
    with MongoClient[dict[str, Any]](url) as client:
        for name, command in recorder.commands:
            if name not in ("find", "aggregate", "update", "delete"):
                continue
            for one in one_by_one(name, command):
                plan = client.get_default_database().command("explain", one, verbosity="queryPlanner")
                few = one.get("hint") == listing.BY_NAME
                assert not scans(plan.get("queryPlanner", plan.get("stages")), sorting=not few), one
                explained += 1
    assert explained > 100


def one_by_one(name: str, command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield commands of one question each: MongoDB explains no others."""
    of_the_driver = ("lsid", "txnNumber", "maxTimeMS", "readConcern", "writeConcern", "ordered")
    command = {key: value for key, value in command.items() if key not in of_the_driver and not key.startswith("$")}
    if name in ("find", "aggregate"):
        yield command
        return
    for each in command[f"{name}s"]:
        yield {name: command[name], f"{name}s": [each]}


def test_only_a_prefix_that_few_names_have_is_looked_for_by_name(
    database: MongoDatabase, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = MongoTaskStore(database)
    audiences = ("", "user:ann")
    tasks.create_many([a_task(name=f"run-{place}", audience=audiences[place % 2]) for place in range(8)])
    monkeypatch.setattr("protes.store.mongo.tasks.FEW", 2)

    def listed(prefix: str, **query: Any) -> tuple[list[str], list[str | None]]:
        recorder.clear()
        found = [record.name for record in tasks.list(TaskQuery(name_prefix=prefix, **query))]
        return found, [each.hint for each in asked(recorder)]

    by_name, by_audience = listing.BY_NAME, "tasks_by_audience"
    every = [f"run-{place}" for place in reversed(range(8))]
    assert listed("run-7", audiences=audiences) == (["run-7"], [by_name, by_name])
    assert listed("run-7", audiences=("",)) == ([], [by_name, by_name])
    assert listed("run", audiences=audiences) == (every, [by_name, by_audience])
    assert listed("run", audiences=("",), limit=2) == (["run-6", "run-4"], [by_name, by_audience])
    assert listed("run-7") == (["run-7"], [listing.BY_ID])
    assert listed("", audiences=audiences) == (every, [by_audience])


def test_round_trips_do_not_grow_with_the_page(database: MongoDatabase, recorder: Recorder) -> None:
    tasks = MongoTaskStore(database)
    made = [forwarded(tasks, a_task(document=LARGE)) for _ in range(6)]

    def sent(count: int) -> list[list[str]]:
        chosen = made[:count]
        names = []
        for call in (
            lambda: tasks.active(URL, None, count),
            lambda: tasks.followed(URL, None, count),
            lambda: tasks.versions([each.id for each in chosen]),
            lambda: tasks.get(chosen[0].id),
            lambda: tasks.transition([Transition(each.id, 1, State.RUNNING) for each in chosen], at(1 + count)),
            lambda: tasks.transition(
                [Transition(each.id, 1, State.PAUSED, log={"log": LARGE}) for each in chosen], at(2 + count)
            ),
        ):
            recorder.clear()
            call()
            names.append(recorder.names)
        return names

    assert sent(2) == [
        ["find"],
        ["find"],
        ["find"],
        ["find", "find"],
        ["find", "find", "update"],
        ["find", "find", "insert", "update"],
    ]
    # Logs are replaced now, and the old ones removed.
    assert sent(6)[:5] == sent(2)[:5]
    recorder.clear()
    tasks.create_many([a_task() for _ in range(5)])
    assert recorder.names == ["insert"]


def test_a_change_of_state_writes_only_what_changes(database: MongoDatabase, recorder: Recorder) -> None:
    tasks = MongoTaskStore(database)
    record = forwarded(tasks, a_task(document='{"a":1}', tags=("a=b",)))
    tasks.transition([Transition(record.id, 1, State.INITIALIZING)], at(1))
    recorder.clear()
    assert tasks.transition([Transition(record.id, 1, State.RUNNING)], at(2))
    (update,) = [command for name, command in recorder.commands if name == "update"]
    (only,) = update["updates"]
    assert set(only["u"]) == {"$set"}
    moved = {"state", "last_steady", "shown", "moves", "news", "state_at"}
    assert set(only["u"]["$set"]) == {*moved, "version", "live_state", "attempts"}


def test_no_key_of_a_stored_document_is_a_clients(url: str, database: MongoDatabase) -> None:
    canary = "$canary.key"
    record = a_task(
        document=f'{{"tags":{{"{canary}":""}}}}',
        tags=(f"{canary}=x",),
        preference={canary: {canary: 1}},
        attempts=(an_attempt(phase=Phase.ACCEPTED, log={canary: {canary: 1}}, metadata={canary: "x"}),),
    )
    tasks, records = MongoTaskStore(database), MongoRecords(database)
    tasks.create(record)
    records.put("kind", canary, {canary: {canary: 1}}, START, expires_at=START + timedelta(seconds=1))
    assert tasks.get(record.id) == record
    with MongoClient[dict[str, Any]](url) as client:
        for name in ("tasks", "parts", "records", "meta"):
            for document in client.get_default_database()[name].find():
                assert canary not in set(keys_of(document))


def keys_of(value: Any) -> Iterator[str]:
    """Yield the keys of all maps inside a value."""
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from keys_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from keys_of(each)
