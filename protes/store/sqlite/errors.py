"""The one place where SQLite's errors become the store's."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from protes.store.protocols import StoreError, StoreFull, StoreUnavailable

_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Primary result codes of what may pass, as another writer or an absent disk; others but FULL are faults that stay."""


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, or 0 where the error is the Python module's own."""
    # The extended code has its primary code in the lowest byte.
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def translate(error: sqlite3.Error) -> StoreError:
    """Return the store's error for one of SQLite's; its text names no stored values."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"SQLite: {error} ({name})")
    kind = StoreUnavailable if code in _UNAVAILABLE else StoreError
    return kind(f"SQLite: {error} ({name})")


@contextmanager
def translated() -> Iterator[None]:
    """Raise SQLite's errors as the store's.

    Raises:
        StoreFull: the disk is full, or the file has all its pages.
        StoreUnavailable: the file is locked or out of reach; the same may go through later.
        StoreError: anything else that SQLite complains about.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error) from error
