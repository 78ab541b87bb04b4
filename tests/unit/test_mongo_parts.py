"""What of the MongoDB store needs no server: URLs, errors, texts, documents, loads."""

import json
import socket
import time
from pathlib import Path

import pytest
from flask import Flask
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    CursorNotFound,
    DocumentTooLarge,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from protes.api import problems
from protes.config.loading import ConfigError, load, store_url
from protes.config.settings import Settings
from protes.config.store import StoreSettings, redacted
from protes.store.factory import create_stores
from protes.store.mongo import codec, loads, texts
from protes.store.mongo.codec import Loaded
from protes.store.mongo.errors import refused, translate
from protes.store.mongo.texts import INLINE_CHARACTERS, PART_CHARACTERS, TextWriter
from protes.store.protocols import StoreError, StoreFull, StoreUnavailable, TooLarge
from protes.store.records import Phase
from tests.support.mongo_plans import Question, scans, uses
from tests.support.task_records import a_task, an_attempt, at

CANARY = "canary-password"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("data", "data"),
        ("memory:", "memory:"),
        ("mongodb://host:27017/db", "mongodb://host:27017/db"),
        (f"mongodb://user:{CANARY}@a:1,b:2/db", "mongodb://**********@a:1,b:2/db"),
        (f"mongodb+srv://user:{CANARY}@a.example", "mongodb+srv://**********@a.example"),
        (f"mongodb://user:p@ss/{CANARY}@a/db", "mongodb://**********@a/db"),
        (f"mongodb://user:what?{CANARY}@a/db?w=1", "mongodb://**********@a/db?**********"),
        (f"mongodb://a/?tlsCertificateKeyFilePassword={CANARY}", "mongodb://a/?**********"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_the_password_of_the_store_is_in_no_text(tmp_path: Path) -> None:
    url = f"mongodb://user:{CANARY}@127.0.0.1/db?proxyPassword={CANARY}"
    settings = load([], {"PROTES_STORE__URL": url}).settings
    assert store_url(settings.store) == url
    for text in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.store}"):
        assert CANARY not in text
    file = tmp_path / "url"
    file.write_text(url + "\n")
    by_file = Settings.model_validate({"store": {"url_file": str(file)}})
    assert store_url(by_file.store) == url
    assert CANARY not in by_file.model_dump_json()


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff", "is no text"), (b"", "no URL"), (b"http://x/canary-password", "begins with")]
)
def test_a_file_with_something_else_is_named_and_not_shown(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "url"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as raised:
        store_url(StoreSettings(url_file=str(file)))
    assert str(file) in str(raised.value)
    assert CANARY not in str(raised.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        store_url(StoreSettings(url_file=str(tmp_path / "absent")))


@pytest.mark.parametrize(
    "store", [{"url": f"postgresql://user:{CANARY}@host/db"}, {"url": f"mongodb://u:{CANARY}@h/", "url_file": "f"}]
)
def test_settings_of_no_store_are_refused_and_not_shown(store: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"begins with mongodb://|at most one of") as raised:
        Settings.model_validate({"store": store})
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        f"mongodb://user:{CANARY}/@host/db",
        f"mongodb://user:{CANARY}@host:port/db",
        f"mongodb://user:{CANARY}:{CANARY}@host/db",
        f"mongodb+srv://user:{CANARY}@host.example:27017",
        "mongodb://",
    ],
)
def test_a_url_that_is_none_is_not_shown(url: str) -> None:
    with pytest.raises(StoreError, match="the URL of the MongoDB store cannot be used") as raised:
        create_stores(url)
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__


def test_hosts_that_cannot_be_looked_up_may_be_found_later() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be looked up") as raised:
        create_stores(f"mongodb+srv://user:{CANARY}@nobody.invalid/db")
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_server_that_is_not_there_is_said_within_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}.*refused") as raised:
            create_stores(f"mongodb://user:{CANARY}@127.0.0.1:{port}/db?serverSelectionTimeoutMS=300")
    assert time.monotonic() - began < 20
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__


def failure(code: int, name: str = "Some") -> OperationFailure:
    return OperationFailure("a stored value", code, {"codeName": name, "errmsg": "a stored value"})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AutoReconnect("h:1: closed"), StoreUnavailable),
        (NetworkTimeout("h:1: timed out"), StoreUnavailable),
        (NotPrimaryError("not primary"), StoreUnavailable),
        (ServerSelectionTimeoutError("h:1: refused"), StoreUnavailable),
        (WaitQueueTimeoutError("too many"), StoreUnavailable),
        (WTimeoutError("a stored value", 64, {"codeName": "WriteConcernFailed"}), StoreUnavailable),
        (WriteConcernError("a stored value", 91, {}), StoreUnavailable),
        (failure(10107), StoreUnavailable),
        (failure(11600), StoreUnavailable),
        (failure(50), StoreUnavailable),
        (CursorNotFound("a stored value", 43, {}), StoreUnavailable),
        (failure(133), StoreUnavailable),
        (failure(175), StoreUnavailable),
        (failure(237), StoreUnavailable),
        (failure(14031), StoreFull),
        (failure(8000), StoreFull),
        (failure(10334), TooLarge),
        (failure(13), StoreError),
        (failure(18), StoreError),
        (failure(11000), StoreError),
        (DocumentTooLarge("a stored value"), TooLarge),
        (ConfigurationError("a stored value"), StoreError),
        (BulkWriteError({"writeErrors": [{"index": 0, "code": 10107}]}), StoreUnavailable),
        (BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}), StoreUnavailable),
        (BulkWriteError({"writeErrors": [{"index": 0, "code": 121}]}), StoreError),
    ],
)
def test_each_error_has_its_place(error: PyMongoError, kind: type[StoreError]) -> None:
    translated = translate(error)
    assert type(translated) is kind
    assert "a stored value" not in str(translated)


@pytest.mark.parametrize(
    ("error", "places"),
    [
        (WriteError("a stored value", 121, {}), {0, 1, 2}),
        (failure(13), {0, 1, 2}),
        (failure(14031), {0, 1, 2}),
        (BulkWriteError({"writeErrors": [{"index": 1, "code": 121}, {"index": 2, "code": 11000}]}), {1, 2}),
        (BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}), set()),
        (WTimeoutError("a stored value", 64, {"codeName": "WriteConcernFailed"}), set()),
        (WriteConcernError("a stored value", 91, {}), set()),
        (failure(11602), set()),
        (NetworkTimeout("h:1: timed out"), set()),
        (AutoReconnect("h:1: closed"), set()),
    ],
)
def test_only_what_the_server_says_to_have_refused_was_certainly_not_written(
    error: PyMongoError, places: set[int]
) -> None:
    assert set(refused(error, 3)) == places


def test_what_the_store_cannot_keep_is_answered_413() -> None:
    app = Flask(__name__)
    problems.register(app)

    @app.post("/tasks")
    def create() -> str:
        raise translate(failure(10334))

    answer = app.test_client().post("/tasks")
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")
    assert "12 MiB" in answer.get_json()["detail"]


def test_small_texts_stand_inline_and_large_ones_in_parts() -> None:
    writer = TextWriter("task")
    assert writer.write("x" * INLINE_CHARACTERS) == "x" * INLINE_CHARACTERS
    assert not writer.parts
    large = "ü" * (PART_CHARACTERS + 1)
    written = writer.write(large)
    assert [len(part["text"]) for part in writer.parts] == [PART_CHARACTERS, 1]
    assert all(part["_id"].startswith("task/") for part in writer.parts)
    parts = {part["_id"]: part["text"] for part in writer.parts}
    assert texts.read(written, parts) == large
    parts.popitem()
    with pytest.raises(KeyError):
        texts.read(written, parts)


def test_an_update_leaves_out_what_is_the_same_and_drops_what_is_replaced() -> None:
    large = {"text": "x" * INLINE_CHARACTERS}
    record = a_task(attempts=(an_attempt(1, Phase.ACCEPTED, log=large),), due_at=at(1))
    writer = TextWriter(record.id)
    before = Loaded(codec.new_document(record, writer), record)
    (part,) = writer.parts
    assert codec.whole(before.document, {part["_id"]: part["text"]}) == record
    assert codec.head(before.document).attempts == ()
    again = codec.update(before, record, TextWriter(record.id))
    assert (again.operators, list(again.dropped)) == ({"$set": {}}, [])
    ended = an_attempt(1, Phase.FINISHED, log=large)
    after = codec.update(before, a_task(record.id, attempts=(ended,), due_at=None, finished_at=at(2)), writer)
    assert {"due_at", "live_url", "live_id", "open_owner"} <= set(after.operators["$unset"])
    assert after.operators["$set"]["attempts"][0]["log"] == {"parts": [part["_id"]]}
    assert not after.dropped
    replaced = codec.update(before, a_task(record.id, attempts=(an_attempt(1, log={}),)), writer)
    assert replaced.dropped == [part["_id"]]
    assert replaced.operators["$set"]["attempts"][0]["log"] == "{}"


def test_loads_are_summed_as_the_servers_pipeline_does() -> None:
    documents = [
        {"live_url": "b", "live_since": "2", "live_queued": 1},
        {"live_url": "a", "live_since": "3", "live_queued": 0},
        {"live_url": "b", "live_since": "1", "live_queued": 1},
    ]
    assert loads.summed(documents) == [
        {"_id": "b", "active": 2, "youngest": "2", "queued": 2},
        {"_id": "a", "active": 1, "youngest": "3", "queued": 0},
    ]
    group = json.loads(json.dumps(loads.PIPELINE[1]["$group"]))
    assert set(group) == set(loads.summed(documents)[0])


INDEX = (("owner", 1), ("_id", -1), ("name", 1))


@pytest.mark.parametrize(
    ("wanted", "order", "used"),
    [
        ({"owner": "x"}, (("_id", -1),), True),
        ({"owner": "x"}, (("_id", 1),), True),
        ({"owner": "x", "_id": {"$lt": "z"}}, (("_id", -1),), True),
        ({"$and": [{"owner": "x"}, {"name": "y"}]}, (), True),
        ({"owner": "x"}, (("name", 1),), False),
        ({"owner": {"$in": ["x", "y"]}}, (("_id", -1),), True),  # one range each, merged
        ({"owner": {"$gt": "x"}}, (("owner", 1),), True),
        ({"owner": {"$not": {"$gt": "x"}}}, (), False),
        ({"_id": {"$lt": "z"}}, (("_id", -1),), False),
        ({"$or": [{"owner": "x"}]}, (), False),
    ],
)
def test_what_an_index_answers(wanted: dict[str, object], order: tuple[tuple[str, int], ...], used: bool) -> None:
    assert uses(Question("find", "tasks", wanted, order), INDEX) is used


def test_what_a_plan_scans() -> None:
    assert not scans({"winningPlan": {"stage": "FETCH", "inputStage": {"stage": "IXSCAN"}}})
    assert scans({"winningPlan": {"stage": "LIMIT", "inputStages": [{"stage": "COLLSCAN"}]}})
