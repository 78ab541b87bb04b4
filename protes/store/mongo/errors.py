"""The one place where MongoDB's errors become the store's."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
    WriteError,
)

from protes.store.protocols import StoreError, StoreFull, StoreUnavailable, TooLarge

DUPLICATE_KEY = 11000

_FULL = frozenset(
    {
        14031,  # OutOfDiskSpace
        12501,  # a quota
        8000,  # Atlas' own, which it answers writes beyond its quota with
    }
)
_UNAVAILABLE = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        43,  # CursorNotFound: the server was restarted within a page
        46,  # LockBusy
        50,  # MaxTimeMSExpired
        64,  # WriteConcernFailed: not known to be durable
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        100,  # UnsatisfiableWriteConcern: too few members are there
        112,  # WriteConflict
        133,  # FailedToSatisfyReadPreference: what a router says where a shard has no primary
        134,  # ReadConcernMajorityNotAvailableYet
        146,  # ExceededMemoryLimit
        175,  # QueryPlanKilled
        189,  # PrimarySteppedDown
        202,  # NetworkInterfaceExceededTimeLimit
        237,  # CursorKilled
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10058,  # NotPrimary, of old
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13388,  # StaleConfig: a shard moves
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
"""Codes of what may pass: an election, a restart, load. Others are faults that stay."""
_TOO_LARGE = frozenset({10334, 17280, 17419, 17420})

TOO_LARGE = "name, tags and preference are larger than the task store can keep; they must be below 12 MiB together"


def translate(error: PyMongoError | BSONError) -> StoreError:
    """Return the store's error for one of MongoDB's; its text names no stored values and no URL."""
    if isinstance(error, ConnectionFailure):
        # Hosts and what is wrong with them; the rest, as the driver says it, is long and says the same.
        return StoreUnavailable(f"MongoDB: {str(error).split(', Timeout:', 1)[0].split(' (configured', 1)[0][:300]}")
    if isinstance(error, DocumentTooLarge):
        return TooLarge(TOO_LARGE)
    if isinstance(error, OperationFailure):
        return _of_operation(error)
    if getattr(error, "timeout", False):
        return StoreUnavailable(f"MongoDB: no answer in time ({type(error).__name__})")
    return StoreError(f"MongoDB: {type(error).__name__}")


def _of_operation(error: OperationFailure) -> StoreError:
    faults = _faults(error)
    codes = {int(fault.get("code") or 0) for fault in faults}
    names = sorted({str(fault.get("codeName") or fault.get("code")) for fault in faults})
    text = f"MongoDB: {', '.join(names)}"
    if codes & _FULL:
        return StoreFull(text)
    if codes & _TOO_LARGE:
        return TooLarge(TOO_LARGE)
    if codes & _UNAVAILABLE or error.timeout or error.has_error_label("RetryableWriteError"):
        return StoreUnavailable(text)
    return StoreError(text)


def _faults(error: OperationFailure) -> list[Mapping[str, Any]]:
    details = error.details or {}
    if isinstance(error, BulkWriteError):
        return [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
    return [{"code": error.code, "codeName": details.get("codeName")}]


def duplicates(error: BulkWriteError) -> bool:
    """Tell whether all that went wrong is that ids are there already."""
    return {fault.get("code") for fault in _faults(error)} == {DUPLICATE_KEY}


def refused(error: PyMongoError, count: int) -> Collection[int]:
    """Return which of `count` documents, by place, the server has certainly not inserted.

    None after a time-out, a lost connection or an election: they may have been inserted before.
    """
    if isinstance(error, BulkWriteError):
        return {int(fault["index"]) for fault in error.details.get("writeErrors", ())}
    if not isinstance(error, OperationFailure) or isinstance(error, WriteConcernError):
        return ()
    # Whole commands fail for what may pass in the midst of them, too; a full disk and missing rights come first.
    kind = type(_of_operation(error))
    return range(count) if isinstance(error, WriteError) or kind is not StoreUnavailable else ()


@contextmanager
def translated() -> Iterator[None]:
    """Raise MongoDB's errors as the store's.

    Raises:
        StoreFull: the disk or a quota is full.
        StoreUnavailable: no server answers, none is primary, or a write is not known to be durable; the same may go
            through later.
        TooLarge: a document is beyond what MongoDB keeps.
        StoreError: anything else that MongoDB or its driver complains about.
    """
    try:
        yield
    except (PyMongoError, BSONError) as error:
        # The driver's own text may hold stored values: it is not shown beside ours.
        raise translate(error) from None
