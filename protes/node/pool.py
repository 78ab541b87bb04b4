"""Runs queued tasks, first in, first out, as many at once as there are slots."""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from protes.node.records import Record
from protes.tes.states import State

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 8.0


class Pool:
    """Worker threads, one per slot; a task occupies as many slots as it asks for cores. Safe under threads."""

    def __init__(self, slots: int, execute: Callable[[Record], None]) -> None:
        """Run tasks with `execute`, which ends them."""
        self._execute = execute
        self._free = slots
        self._queue: deque[Record] = deque()
        self._running: set[Record] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"node-{n}", daemon=True) for n in range(slots)]
        for thread in self._threads:
            thread.start()

    def submit(self, record: Record) -> None:
        """Run a task when all before it have been started and enough slots are free."""
        with self._changed:
            if not self._closed:
                self._queue.append(record)
                self._changed.notify()

    def close(self) -> None:
        """End what runs as SYSTEM_ERROR and wait for it; what waits is left to the next start, which ends it so too."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            running = list(self._running)
            self._changed.notify_all()
        for record in running:
            record.stop("the node was stopped while the task was active")
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        while (record := self._next()) is not None:
            try:
                self._execute(record)
            except Exception as error:
                # Whatever it is, the task ends and the thread goes on.
                logger.error("task %s failed unexpectedly", record.id, exc_info=error)
                record.finish(State.SYSTEM_ERROR, "an unexpected error of the node; it has been logged")
            finally:
                self._give_back(record)

    def _next(self) -> Record | None:
        with self._changed:
            while not self._closed:
                while self._queue and self._queue[0].state.finished:
                    self._queue.popleft()  # cancelled while it waited
                if self._queue and slots_of(self._queue[0].document) <= self._free:
                    record = self._queue.popleft()
                    self._free -= slots_of(record.document)
                    self._running.add(record)
                    self._changed.notify()  # the next one may fit as well
                    return record
                self._changed.wait()
            return None

    def _give_back(self, record: Record) -> None:
        with self._changed:
            self._free += slots_of(record.document)
            self._running.discard(record)
            self._changed.notify()


def slots_of(document: Mapping[str, Any]) -> int:
    """Return how many slots a task occupies: a whole number of cores, at least one."""
    cores: float = document.get("resources", {}).get("cpu_cores", 1)
    return max(1, math.ceil(cores))
