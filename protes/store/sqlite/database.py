"""Connections to the SQLite file: many that read, one that writes."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

from protes.store.protocols import StoreError, StoreUnavailable
from protes.store.sqlite.batching import Batcher, Entry
from protes.store.sqlite.errors import primary_code, translate, translated
from protes.store.sqlite.schema import migrate

Result = TypeVar("Result")

_WAL_TRIES = 10

_PARTS = 2
"""In which steps are counted: few, since after each of them SQLite waits for Python's lock to ask whether to go on."""


class Database:
    """One SQLite file in WAL mode, shared by the threads of this process and safe beside other processes.

    Readers see a snapshot and wait for nobody. Each has a connection to itself while it reads; there are as many as
    there were readers at once. All writes of the process go through one connection, several per commit (see `Batcher`);
    those of other processes wait at `BEGIN IMMEDIATE` for up to the busy time-out, the only retry there is. A write has
    reached the disk when `write` returns (`synchronous=FULL`).
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_seconds: float = 10.0,
        max_pages: int | None = None,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            path: the file; its folder is made if it is not there.
            busy_timeout_seconds: how long to wait for other processes that write.
            max_pages: pages that the file may have (`PRAGMA max_page_count`); unlimited by default.
            trace: is called with every statement that is run.
        """
        self._path = path
        self._busy_timeout_seconds = busy_timeout_seconds
        self._max_pages = max_pages
        self._trace = trace
        self._lock = threading.Lock()
        self._opened_by: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._reading = 0
        self._batcher: Batcher[sqlite3.Connection] = Batcher(self._commit)

    def open(self) -> None:
        """Open the file, make or migrate its tables; after fork.

        Raises:
            StoreUnavailable: the file cannot be opened or is locked for too long.
            StoreError: it is no SQLite file, or was written by a newer protes.
        """
        try:
            # What clients send is nobody else's business on this machine.
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder {self._path.parent} cannot be made: {error.strerror}") from error
        with translated():
            writer = self._connect()
        try:
            with translated():
                _use_wal(writer)
                if self._max_pages is not None:
                    writer.execute(f"PRAGMA max_page_count = {self._max_pages}")
            migrate(writer)
        except BaseException:
            writer.close()
            raise
        self._writer = writer
        self._opened_by = os.getpid()

    def close(self) -> None:
        """Close the connections of all threads, after a write that is under way; one that reads, when it is done."""
        if self._opened_by != os.getpid():
            return  # a child must not touch its parent's connections
        with self._writing, self._lock:
            idle, self._idle = self._idle, []
            writer, self._writer = self._writer, None
        for connection in idle:
            connection.close()
        if writer is not None:
            writer.close()

    @property
    def open_connections(self) -> int:
        """How many connections this process holds."""
        with self._lock:
            return len(self._idle) + self._reading + (self._writer is not None)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Return all rows of one statement, as the file is now: a statement sees nothing of what is written meanwhile.

        Raises:
            StoreUnavailable: the file is locked or out of reach.
            StoreError: the database is closed, or damaged.
        """
        with self._reader() as connection:
            return connection.execute(sql, values).fetchall()

    def read_within(self, steps: int, sql: str, values: Sequence[object] = ()) -> list[Any] | None:
        """Return all rows of one statement as `read` does, or None where it takes much more than so many steps.

        Args:
            steps: of SQLite's virtual machine: some ten for a row that it looks at in an index.
            sql: the statement.
            values: its parameters.

        Raises:
            StoreUnavailable: the file is locked or out of reach.
            StoreError: the database is closed, or damaged.
        """
        with self._reader() as connection:
            # Steps are counted from when the statement was prepared: the first part may be over at once.
            parts = chain(repeat(0, _PARTS), repeat(1))
            connection.set_progress_handler(parts.__next__, max(1, steps // _PARTS))
            try:
                return connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_INTERRUPT:
                    raise
                return None
            finally:
                connection.set_progress_handler(None, 0)

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` in a transaction and return its result when it is on disk; nothing of it stays if it raises.

        `work` may run in another thread, and sees what others wrote before.

        Raises:
            StoreUnavailable: the file is locked, full or out of reach; nothing was written.
            StoreError: the database is closed, or damaged.
            Exception: what `work` raised.
        """
        return self._batcher.run(work)

    def _commit(self, batch: Sequence[Entry[sqlite3.Connection]]) -> None:
        with self._writing:
            try:
                with translated():
                    _run_batch(self._checked_writer(), batch)
            except StoreError as error:
                for entry in batch:
                    # An instance each: they are raised in different threads.
                    entry.error = entry.error or type(error)(str(error))

    def _checked_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise StoreError("the store is not open")
        if self._opened_by != os.getpid():
            raise StoreError("the store was opened before fork; open it in each process")
        return self._writer

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that nobody else has meanwhile, and raise SQLite's errors as the store's."""
        connection = self._borrow()
        try:
            with translated():
                yield connection
        finally:
            self._give_back(connection)

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            self._checked_writer()
            self._reading += 1
            if self._idle:
                return self._idle.pop()
        try:
            with translated():
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
                return connection
        except BaseException:
            with self._lock:
                self._reading -= 1
            raise

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            self._reading -= 1
            if self._writer is not None:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout_seconds, isolation_level=None, check_same_thread=False
        )
        connection.set_trace_callback(self._trace)
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL. The switch does not wait for other processes, so wait in line with their writes."""
    for _ in range(_WAL_TRIES):
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            continue
        if mode != "wal":
            raise StoreError("the store's folder is on a file system that SQLite's WAL cannot use; choose a local one")
        return
    raise StoreUnavailable("the store is locked by other processes")


def _run_batch(connection: sqlite3.Connection, batch: Sequence[Entry[sqlite3.Connection]]) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for entry in batch:
            _run_entry(connection, entry)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _run_entry(connection: sqlite3.Connection, entry: Entry[sqlite3.Connection]) -> None:
    """Run one entry in a savepoint of its own, so that its failure is its own."""
    connection.execute("SAVEPOINT entry")
    try:
        entry.result = entry.work(connection)
    except Exception as error:  # whatever it is, it is raised in the thread that asked
        if not connection.in_transaction:
            raise  # SQLite has given up the whole transaction, and with it the batch
        entry.error = translate(error) if isinstance(error, sqlite3.Error) else error
        connection.execute("ROLLBACK TO entry")
    connection.execute("RELEASE entry")
