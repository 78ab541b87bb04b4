"""From a URL in the settings to open stores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from protes.config.store import is_mongodb
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.store.mongo import MongoDatabase, MongoRecords, MongoTaskStore
from protes.store.protocols import Records, TaskStore
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore

FILE = "protes.db"


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is stored.

    Attributes:
        tasks: the tasks.
        records: everything else.
        close: closes both; calling it twice is harmless.
    """

    tasks: TaskStore
    records: Records
    close: Callable[[], None]


def create_stores(url: str) -> Stores:
    """Open the stores that the settings name, making them where they are not there; after fork.

    Args:
        url: `memory:`, a URL of MongoDB (`mongodb://`, `mongodb+srv://`), or the path of a folder. A password in it is
            in no error's text.

    Raises:
        StoreUnavailable: the store cannot be opened now.
        StoreError: it was written by a newer protes, or is something else.
    """
    if url == "memory:":
        tasks = MemoryTaskStore()
        return Stores(tasks, MemoryRecords(), tasks.close)
    if is_mongodb(url):
        mongo = MongoDatabase(url)
        mongo.open()
        return Stores(MongoTaskStore(mongo), MongoRecords(mongo), mongo.close)
    database = Database(Path(url) / FILE)
    database.open()
    return Stores(SQLiteTaskStore(database), SQLiteRecords(database), database.close)
