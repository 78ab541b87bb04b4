"""What is MongoDB's own of the store: migrations, several processes, parts of large tasks, races told apart."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from protes.store.factory import Stores, create_stores
from protes.store.mongo import MongoDatabase, MongoTaskStore, reading, schema
from protes.store.mongo.texts import PART_CHARACTERS
from protes.store.protocols import StoreError, StoreUnavailable, TooLarge
from protes.store.records import TaskQuery, TaskRecord, Transition
from protes.tes.states import State
from tests.support import ferretdb
from tests.support.task_records import START, a_lease, a_task, at, forwarded
from tests.support.waiting import at_once

pytestmark = pytest.mark.services

LARGE = "x" * 20_000


@pytest.fixture
def url(mongodb: str) -> Iterator[str]:
    with ferretdb.fresh_database(mongodb) as url:
        yield url


@pytest.fixture
def stores(url: str) -> Iterator[Stores]:
    stores = create_stores(url)
    yield stores
    stores.close()


@pytest.fixture
def plain(url: str) -> Iterator[Database[dict[str, Any]]]:
    """Return the database as it is, without the store."""
    with MongoClient[dict[str, Any]](url) as client:
        yield client.get_default_database()


@contextmanager
def process(command: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """Start `tests.support.store_process`; afterwards it is gone."""
    arguments = [sys.executable, "-m", "tests.support.store_process", command, url]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def lines(started: subprocess.Popen[str], end_of_input: str = "") -> list[str]:
    """Wait for its end and return what it said."""
    output, _ = started.communicate(end_of_input, timeout=60)
    assert started.returncode == 0
    return output.split("\n")[:-1]


def test_a_new_database_is_opened_by_many_at_once(url: str, plain: Database[dict[str, Any]]) -> None:
    with ExitStack() as stack:
        all_of_them = [stack.enter_context(process("open", url)) for _ in range(3)]
        assert [lines(each) for each in all_of_them] == [["opened"]] * 3
    assert plain.meta.find_one() == {"_id": "schema", "version": len(schema.STEPS)}
    for index in schema.INDEXES:
        assert list(plain[index.collection].index_information()[index.name]["key"]) == list(index.keys)


def test_nothing_due_is_handed_out_twice_among_processes(stores: Stores, url: str) -> None:
    made = sorted(stores.tasks.create(a_task(due_at=START)).id for _ in range(60))
    with ExitStack() as stack:
        both = [stack.enter_context(process("due", url)) for _ in range(2)]
        for each in both:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in both:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        taken = [lines(each) for each in both]
    assert sorted(taken[0] + taken[1]) == made


def test_a_store_is_opened_in_each_process(stores: Stores, url: str) -> None:
    with process("fork", url) as started:
        said = lines(started)
    assert said == ["the store was opened before fork; open it in each process"] * 2 + ["after"]
    assert stores.tasks.get("childs") is None


def test_steps_are_taken_once_by_whoever_comes_first(plain: Database[dict[str, Any]]) -> None:
    def fill(database: Database[dict[str, Any]]) -> None:
        database.tasks.update_many({}, {"$set": {"new": True}})

    schema.migrate(plain)
    plain.tasks.insert_one({"_id": "old"})
    assert at_once([lambda: schema.migrate(plain, (*schema.STEPS, fill))] * 4) == [None] * 4
    assert plain.tasks.find_one() == {"_id": "old", "new": True}
    assert plain.meta.find_one() == {"_id": "schema", "version": len(schema.STEPS) + 1}


def test_an_older_database_finds_tasks_by_their_names(url: str, plain: Database[dict[str, Any]]) -> None:
    stores = create_stores(url)
    made = [stores.tasks.create(a_task(name=name)).id for name in ("run-1", "other", "run-2")]
    for index in schema.BY_NAME:
        plain.tasks.drop_index(index.name)
    plain.meta.update_one({"_id": "schema"}, {"$set": {"version": 3}})
    assert at_once([lambda: schema.migrate(plain)] * 2) == [None] * 2
    assert plain.meta.find_one() == {"_id": "schema", "version": len(schema.STEPS)}
    for index in schema.BY_NAME:
        assert list(plain[index.collection].index_information()[index.name]["key"]) == list(index.keys)
    query = TaskQuery(name_prefix="run", audiences=("",))
    assert [record.id for record in stores.tasks.list(query)] == [made[2], made[0]]
    stores.close()


def test_an_older_database_learns_to_whom_tasks_are_shown(url: str, plain: Database[dict[str, Any]]) -> None:
    stores = create_stores(url)
    made = [
        stores.tasks.create(a_task(owner=owner, audience=owner and f"user:{owner}", tags=("a=b",)))
        for owner in ("", "ann", "ben", "ann", "")
    ]
    plain.tasks.update_many({}, {"$unset": {"audience": ""}})
    for index in schema.BY_AUDIENCE:
        plain.tasks.drop_index(index.name)
    plain.tasks.create_index([("owner", 1), ("state", 1), ("_id", -1), ("name", 1)], name="tasks_by_state")
    plain.meta.update_one({"_id": "schema"}, {"$set": {"version": 1}})
    assert at_once([lambda: schema.migrate(plain)] * 2) == [None] * 2
    assert "tasks_by_state" not in plain.tasks.index_information()
    ids = {each.id: each.audience for each in stores.tasks.list(TaskQuery())}
    assert ids == {each.id: each.audience for each in made}
    for tags in ((), (("a", "b"),)):
        seen = stores.tasks.list(TaskQuery(audiences=("user:ann", ""), tags=tags))
        assert [each.id for each in seen] == [made[place].id for place in (4, 3, 1, 0)]
    # A process of the older version knows of no audience, and goes on until it is replaced.
    plain.tasks.update_one({"_id": made[0].id}, {"$unset": {"audience": ""}})
    assert stores.tasks.get(made[0].id, audiences=("",)) is not None
    stores.close()


def test_what_a_newer_protes_wrote_is_refused(url: str, plain: Database[dict[str, Any]]) -> None:
    plain.meta.insert_one({"_id": "schema", "version": 99})
    with pytest.raises(StoreError, match="its schema is 99, this version knows up to"):
        create_stores(url)


def test_a_document_beyond_mongodbs_limit(stores: Stores, plain: Database[dict[str, Any]]) -> None:
    record = a_task(document="ü" * (9 * 1024 * 1024), system_logs=(LARGE,))
    with suppress(StoreUnavailable):  # 18 MB are much for a busy machine; whoever repeats a creation loses nothing
        stores.tasks.create(record)
    assert stores.tasks.create(record) == record
    assert stores.tasks.get(record.id) == record
    parts = list(plain.parts.find())
    assert len(parts) == 4
    assert max(len(part["text"]) for part in parts) == PART_CHARACTERS
    small = plain.tasks.find_one()
    assert small is not None
    assert len(str(small)) < 3000
    assert stores.tasks.delete(record.id)
    assert plain.parts.find_one() is None


def test_a_name_beyond_it_is_refused(stores: Stores, plain: Database[dict[str, Any]]) -> None:
    with pytest.raises(TooLarge, match="name, tags and preference"):
        stores.tasks.create(a_task("large", name="x" * 13_000_000))
    assert plain.tasks.find_one() is None


def test_of_large_texts_only_those_in_use_are_kept(stores: Stores, plain: Database[dict[str, Any]]) -> None:
    def named() -> list[str]:
        return sorted(each["_id"] for each in plain.parts.find({}, {"_id": 1}))

    record = forwarded(stores.tasks, a_task("one", document=LARGE))
    first = named()
    assert len(first) == 1
    assert stores.tasks.create(a_task("one", document=LARGE * 2)).document == LARGE
    assert named() == first
    for line in "abc":
        stores.tasks.transition([Transition("one", 1, State.RUNNING, log={"stdout": line * 20_000})], at(1))
        assert len(named()) == 2
    twice = [a_task("two", document=LARGE), a_task("two", document=LARGE + "y")]
    assert [each.document for each in stores.tasks.create_many(twice)] == [LARGE, LARGE]
    assert len(named()) == 3
    assert stores.tasks.delete(record.id)
    assert stores.tasks.delete("two")
    assert named() == []


def test_who_misses_a_part_reads_the_task_again(url: str) -> None:
    database = MongoDatabase(url)
    database.open()
    tasks = MongoTaskStore(database)
    forwarded(tasks, a_task("one"))
    forwarded(tasks, a_task("two"))

    def said(text: str) -> None:
        seen = [Transition(each, 1, State.RUNNING, log={"stdout": text * 20_000}) for each in ("one", "two")]
        assert len(tasks.transition(seen, at(1))) == 2

    said("a")
    wanted = {"_id": {"$in": ["one", "two"]}}
    before = reading.find(database, wanted)
    said("b")
    tasks.delete("two")
    (whole,) = reading.complete(database, before, wanted)
    assert whole.record == tasks.get("one")
    database.parts.delete_many({})
    with pytest.raises(StoreError, match="a part of a task is missing"):
        tasks.get("one")
    database.close()


def test_a_batch_that_loses_a_race_goes_on_with_what_it_lost(stores: Stores) -> None:
    tasks = stores.tasks
    assert isinstance(tasks, MongoTaskStore)
    won, raced = tasks.create(a_task()), tasks.create(a_task())
    runs: list[str] = []

    def change(record: TaskRecord) -> TaskRecord:
        runs.append(record.id)
        if record.id == raced.id and runs.count(raced.id) == 1:
            assert tasks.claim(raced.id, a_lease("another"), START)
        return applied(record)

    def applied(record: TaskRecord) -> TaskRecord:
        return TaskRecord(**{**fields(record), "version": record.version + 1, "system_logs": ("changed",)})

    done = tasks.apply([(won.id, change), (raced.id, change), ("absent", change)])
    assert runs == [won.id, raced.id, raced.id]
    assert done[2] is None
    for outcome, task_id, version in zip(done, (won.id, raced.id), (2, 3), strict=False):
        assert outcome is not None
        assert outcome.changed
        assert outcome.record == tasks.get(task_id)
        assert outcome.record.version == version


def fields(record: TaskRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in TaskRecord.__slots__}


def test_a_batch_that_cannot_be_told_from_others_is_not_known_to_have_won(stores: Stores) -> None:
    tasks = stores.tasks
    assert isinstance(tasks, MongoTaskStore)
    one, two = (forwarded(tasks, a_task()).id for _ in range(2))
    runs: list[int] = []
    states = [State.INITIALIZING, State.RUNNING] * 5

    def change(record: TaskRecord) -> TaskRecord:
        if not runs:
            runs.append(1)
            for state in states:
                tasks.transition([Transition(each, 1, state) for each in (one, two)], at(1))
        return TaskRecord(**{**fields(record), "version": record.version + 1})

    tasks.transition([Transition(each, 1, State.QUEUED) for each in (one, two)], at(1))
    with pytest.raises(StoreUnavailable, match="all the time"):
        tasks.apply([(one, change), (two, change)])
