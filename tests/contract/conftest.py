"""Every store behind one fixture: what the suites here check holds for all of them."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from protes.store.factory import Stores, create_stores
from protes.store.protocols import Records, TaskStore
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from tests.support import ferretdb
from tests.support.waiting import wait_until


@dataclass
class Backend:
    """One kind of store, open.

    Attributes:
        name: its kind.
        stores: the open stores.
        reopen: opens what is on disk once more, beside the first; None where nothing is on disk.
    """

    name: str
    stores: Stores
    reopen: Callable[[], Stores] | None = None


def sqlite_stores(database: Database) -> Stores:
    """Open stores on a database that the test keeps at hand."""
    database.open()
    return Stores(SQLiteTaskStore(database), SQLiteRecords(database), database.close)


@pytest.fixture(params=["memory", "sqlite", pytest.param("mongo", marks=pytest.mark.services)])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Open a store of each kind; afterwards nothing of it may be left open or running."""
    if request.param == "mongo":
        request.getfixturevalue("mongodb")  # its threads are not the store's
    threads = set(threading.enumerate())
    if request.param == "memory":
        memory = create_stores("memory:")
        yield Backend("memory", memory)
        memory.close()
    elif request.param == "mongo":
        opened_stores: list[Stores] = []

        def reopened() -> Stores:
            opened_stores.append(create_stores(url))
            return opened_stores[-1]

        with ferretdb.fresh_database(request.getfixturevalue("mongodb")) as url:
            yield Backend("mongo", reopened(), reopened)
            for stores in opened_stores:
                stores.close()
    else:
        databases: list[Database] = []

        def opened() -> Stores:
            databases.append(Database(tmp_path / "protes.db"))
            return sqlite_stores(databases[-1])

        yield Backend("sqlite", opened(), opened)
        for database in databases:
            database.close()
            assert database.open_connections == 0
    wait_until(lambda: set(threading.enumerate()) <= threads, "no thread is left")


@pytest.fixture
def tasks(backend: Backend) -> TaskStore:
    """Return the backend's tasks."""
    return backend.stores.tasks


@pytest.fixture
def records(backend: Backend) -> Records:
    """Return the backend's records."""
    return backend.stores.records
