"""Many threads, one commit: whoever is free to write takes along what the others want written.

A write to disk takes the same time for one change as for twenty. The first thread that comes leads: it executes
whatever is pending at that moment as one batch. Threads that come meanwhile wait; when the batch is done, one of them
leads the next. A thread that is alone never waits.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from protes.store.protocols import StoreUnavailable

Target = TypeVar("Target")
Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class Entry(Generic[Target]):
    """A piece of work and what became of it.

    Attributes:
        work: what to do, on whatever the executor works on.
        result: what it returned; valid once the batch is done.
        error: what to raise to the one who asked, instead.
    """

    work: Callable[[Target], Any]
    result: Any = None
    error: BaseException | None = None
    done: bool = False
    leads: bool = False
    wake: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start asleep: `wake` is released by another thread."""
        self.wake.acquire()


class Batcher(Generic[Target]):
    """Collects work of many threads into batches.

    Args:
        execute: does the work of a batch, as a whole durable or not at all, and sets each entry's `result` or
            `error`; it is never run by two threads at once.
    """

    def __init__(self, execute: Callable[[Sequence[Entry[Target]]], None]) -> None:
        """Start with nothing to do."""
        self._execute = execute
        self._lock = threading.Lock()
        self._pending: list[Entry[Target]] = []
        self._busy = False

    @property
    def pending(self) -> int:
        """How many pieces of work wait for the next batch."""
        with self._lock:
            return len(self._pending)

    def run(self, work: Callable[[Target], Result]) -> Result:
        """Have `work` done in some batch and return its result, or raise what it raised.

        Raises:
            StoreUnavailable: the batch could not be made durable.
        """
        entry: Entry[Target] = Entry(work)
        with self._lock:
            self._pending.append(entry)
            # Not asked of the entry again: the lead may be handed over to it before this thread waits.
            leads = entry.leads = not self._busy
            self._busy = True
        if not leads:
            self._await(entry)
        if not entry.done:
            self._lead()
        if entry.error is not None:
            raise entry.error
        result: Result = entry.result
        return result

    def _await(self, entry: Entry[Target]) -> None:
        try:
            entry.wake.acquire()
        except BaseException:
            # A signal handler raised: this thread goes, and must not take the lead along that it may have been given.
            with self._lock:
                if entry in self._pending:
                    self._pending.remove(entry)
                if entry.leads:
                    self._pass_lead()
            raise

    def _lead(self) -> None:
        batch: list[Entry[Target]] = []
        try:
            with self._lock:
                batch, self._pending = self._pending, []
            self._execute(batch)
        except BaseException:
            for entry in batch:
                entry.error = entry.error or StoreUnavailable("the write was interrupted")
            raise
        finally:
            with self._lock:
                self._pass_lead()
            for entry in batch:
                entry.done = True
                entry.wake.release()

    def _pass_lead(self) -> None:
        self._busy = bool(self._pending)
        if self._pending:
            self._pending[0].leads = True
            self._pending[0].wake.release()
