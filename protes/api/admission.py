"""Quotas where requests meet them: what is refused becomes a problem that says so (docs/quotas.md)."""

from collections.abc import Iterator
from contextlib import contextmanager

from protes.api.callers import Caller
from protes.api.problems import Problem
from protes.quotas.errors import QuotaExceeded, TaskTooLarge
from protes.quotas.limits import Who
from protes.quotas.quotas import Admission, Quotas
from protes.store.protocols import StoreError
from protes.store.records import TaskRecord


class Entrance:
    """Lets a caller's tasks in, one by one."""

    def __init__(self, admission: Admission) -> None:
        """Ask `admission`."""
        self._admission = admission

    @contextmanager
    def room(self, record: TaskRecord) -> Iterator[None]:
        """Hold room for a task while the block checks it; if it is found wrong the room is given back.

        Raises:
            Problem: 413 or 429, there is none.
        """
        with refusals():
            self._admission.take(record.id, size_of(record))
        try:
            yield
        except StoreError:
            raise  # it may be stored
        except BaseException:
            self._admission.give_back(record.id)
            raise


@contextmanager
def entrance(quotas: Quotas, caller: Caller) -> Iterator[Entrance]:
    """Let a caller's tasks in until the block, which stores them, has ended."""
    with quotas.admission(who(caller)) as admission:
        yield Entrance(admission)


def dry_run(quotas: Quotas, caller: Caller, record: TaskRecord) -> None:
    """Let a request for offers or estimates pass.

    Raises:
        Problem: 413 or 429.
    """
    with refusals():
        quotas.dry_run(who(caller), size_of(record))


def who(caller: Caller) -> Who:
    """Return what decides a caller's quotas."""
    return Who(caller.subject, caller.tenant, caller.roles)


def size_of(record: TaskRecord) -> int:
    """Return how many bytes a task's document has, as it is stored."""
    return len(record.document.encode())


@contextmanager
def refusals() -> Iterator[None]:
    """Make problems of what quotas refuse."""
    try:
        yield
    except QuotaExceeded as error:
        seconds = error.retry_after_seconds
        raise Problem(429, str(error), headers={} if seconds is None else {"Retry-After": str(seconds)}) from None
    except TaskTooLarge as error:
        raise Problem(413, str(error)) from None
