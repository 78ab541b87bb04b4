"""What a server says to a new task, and what it cannot say any more: both are taken for what they mean."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from protes.store.factory import Stores, create_stores
from protes.store.protocols import StoreError, StoreUnavailable
from tests.support import ferretdb
from tests.support.ferretdb import FerretDB
from tests.support.mongo_proxy import MongoProxy
from tests.support.services import missing
from tests.support.task_records import a_task

pytestmark = pytest.mark.services

LARGE = "x" * 20_000


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FerretDB]:
    """Run a server of the test's own."""
    program = ferretdb.executable(os.environ)
    if program is None:
        missing(request, ferretdb.ABSENT)
    with ferretdb.running(program, tmp_path) as server:
        yield server


@pytest.fixture
def proxy(server: FerretDB) -> Iterator[MongoProxy]:
    host, _, port = server.address.partition(":")
    with MongoProxy(host, int(port)) as proxy:
        yield proxy


@pytest.fixture
def stores(proxy: MongoProxy) -> Iterator[Stores]:
    stores = create_stores(f"mongodb://{proxy.address}/protes")
    yield stores
    stores.close()


@pytest.fixture
def plain(server: FerretDB) -> Iterator[Database[dict[str, Any]]]:
    """Return the database as it is, past the proxy."""
    with MongoClient[dict[str, Any]](ferretdb.with_database(server.url, "protes")) as client:
        yield client.get_default_database()


@pytest.mark.parametrize("count", [1, 2])
def test_of_a_task_that_is_refused_nothing_stays(
    stores: Stores, proxy: MongoProxy, plain: Database[dict[str, Any]], count: int
) -> None:
    records = [a_task(document=LARGE) for _ in range(count)]
    proxy.fault = "refuse"
    with pytest.raises(StoreError) as raised:
        stores.tasks.create_many(records)
    assert not isinstance(raised.value, StoreUnavailable)
    assert proxy.faults == 1
    left = {part["_id"].partition("/")[0] for part in plain.parts.find()}
    assert records[0].id not in left  # of the others the answer says nothing
    proxy.fault = None
    assert stores.tasks.create_many(records) == records
    assert [stores.tasks.get(record.id) for record in records] == records


@pytest.mark.parametrize("count", [1, 2])
def test_an_answer_that_is_lost_leaves_open_what_is_stored_and_a_repeat_tells(
    stores: Stores, proxy: MongoProxy, plain: Database[dict[str, Any]], count: int
) -> None:
    records = [a_task(document=LARGE) for _ in range(count)]
    proxy.fault = "lose the answer"
    with pytest.raises(StoreUnavailable):
        stores.tasks.create_many(records)
    assert proxy.faults == 2
    proxy.fault = None
    stored = [stores.tasks.get(record.id) for record in records]
    assert stored == records  # though it was said to be unavailable; its parts are needed
    assert stores.tasks.create_many(records) == records
    assert plain.tasks.count_documents({}) == count
    assert plain.parts.count_documents({}) == count


@pytest.mark.parametrize("count", [1, 2])
def test_a_connection_that_breaks_once_is_no_harm(
    stores: Stores, proxy: MongoProxy, plain: Database[dict[str, Any]], count: int
) -> None:
    records = [a_task(document=LARGE) for _ in range(count)]
    proxy.fault, proxy.times = "lose the answer", 1
    assert stores.tasks.create_many(records) == records
    assert proxy.faults == 1
    assert [stores.tasks.get(record.id) for record in records] == records
    assert plain.parts.count_documents({}) == count
