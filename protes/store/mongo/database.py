"""The connection to MongoDB: one client per process, its collections, and how they are read and written."""

import os
from collections.abc import Sequence
from typing import Any, TypeAlias

from dns.exception import DNSException
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidName
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern

from protes.store.mongo import schema
from protes.store.mongo.errors import translated
from protes.store.protocols import StoreError, StoreUnavailable

Document: TypeAlias = dict[str, Any]

DEFAULT_DATABASE = "protes"

_WRITE_MILLISECONDS = 8_000
"""How long a write waits for a majority; after that it is not known to be durable."""

_OPTIONS: dict[str, Any] = {
    "appname": "protes",
    "maxPoolSize": 64,
    # A request is refused within seconds; it does not wait until a server is there again, or a connection free.
    "serverSelectionTimeoutMS": 2_000,
    "connectTimeoutMS": 2_000,
    "waitQueueTimeoutMS": 2_000,
    # A server that hangs. `timeoutMS` would bound an operation as a whole, but also replace all of these.
    "socketTimeoutMS": 10_000,
}
"""What a URL may say otherwise."""


class MongoDatabase:
    """One database of MongoDB, shared by the threads of this process.

    A write has returned when a majority of the replica set has it in its journal; a read goes to the primary and sees
    nothing that could be undone. Both whatever the URL says. FOCA's own MongoDB factory makes clients that are bound to
    Flask and have neither; so this is pymongo itself.
    """

    def __init__(self, url: str, *, listeners: Sequence[CommandListener] = ()) -> None:
        """Open nothing yet.

        Args:
            url: `mongodb://` or `mongodb+srv://`, with the database in its path (`protes` by default).
            listeners: are told of every command.
        """
        self._url = url
        self._listeners = listeners
        self._opened_by: int | None = None
        self._client: MongoClient[Document] | None = None
        self._database: Database[Document] | None = None

    def open(self) -> None:
        """Connect, make or migrate what is needed; after fork.

        Raises:
            StoreUnavailable: no server answers, or the hosts of `mongodb+srv://` cannot be looked up.
            StoreError: the URL cannot be used, the server refuses us, or the data is of a newer protes.
        """
        defaults = {name: value for name, value in _OPTIONS.items() if name.lower() not in _options_of(self._url)}
        try:
            client: MongoClient[Document] = MongoClient(self._url, event_listeners=self._listeners, **defaults)
        except (ConfigurationError, InvalidName, ValueError, TypeError) as error:
            if isinstance(error.__cause__, DNSException | OSError):
                # The driver looks the hosts of mongodb+srv:// up when it is made.
                why = type(error.__cause__).__name__
                raise StoreUnavailable(
                    f"MongoDB: the hosts of the mongodb+srv URL cannot be looked up ({why})"
                ) from None
            # Its text may hold a piece of the password.
            reason = f"the URL of the MongoDB store cannot be used ({type(error).__name__})"
            raise StoreError(f"{reason}: check its form, escape what is special in user and password") from None
        try:
            with translated():
                database = client.get_default_database(DEFAULT_DATABASE).with_options(
                    read_preference=ReadPreference.PRIMARY,
                    read_concern=ReadConcern("majority"),
                    write_concern=WriteConcern(w="majority", j=True, wtimeout=_WRITE_MILLISECONDS),
                )
            schema.migrate(database)
        except BaseException:
            client.close()
            raise
        self._client, self._database = client, database
        self._opened_by = os.getpid()

    def close(self) -> None:
        """Close all connections of this process."""
        if self._client is None or self._opened_by != os.getpid():
            return  # a child must not touch its parent's connections
        client, self._client, self._database = self._client, None, None
        client.close()

    @property
    def tasks(self) -> Collection[Document]:
        """What is small of tasks, and what is queried."""
        return self._opened()[schema.TASKS]

    @property
    def parts(self) -> Collection[Document]:
        """What is large of tasks."""
        return self._opened()[schema.PARTS]

    @property
    def records(self) -> Collection[Document]:
        """Everything that is not a task."""
        return self._opened()[schema.RECORDS]

    def _opened(self) -> Database[Document]:
        if self._database is None:
            raise StoreError("the store is not open")
        if self._opened_by != os.getpid():
            raise StoreError("the store was opened before fork; open it in each process")
        return self._database


def _options_of(url: str) -> frozenset[str]:
    """Return the names of a URL's options, in lower case."""
    # After the last `@`: a password may have a question mark that should have been escaped.
    _, _, query = url.rpartition("@")[2].partition("?")
    return frozenset(each.partition("=")[0].lower() for each in query.replace(";", "&").split("&") if each)
