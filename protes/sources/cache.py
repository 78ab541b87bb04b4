"""Answers that are used again for a while: bounded, expiring, each asked for by one thread at a time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from protes.clock import Clock

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """A map from keys to answers. An answer may be None: that there is none is worth knowing too."""

    def __init__(self, clock: Clock, entries: int, keep_seconds: float, nothing_seconds: float) -> None:
        """Keep at most `entries`; what was found for `keep_seconds`, that nothing was for `nothing_seconds`."""
        self._clock = clock
        self._entries = entries
        self._keep = keep_seconds
        self._nothing = nothing_seconds
        self._kept: OrderedDict[str, tuple[float, Value | None]] = OrderedDict()
        self._asking: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def known(self, key: str) -> tuple[bool, Value | None]:
        """Return whether there is an answer, and the answer."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return False, None
            if found[0] <= self._clock.monotonic():
                del self._kept[key]
                return False, None
            self._kept.move_to_end(key)
            return True, found[1]

    def ask(self, key: str, source: Callable[[], Value | None]) -> Value | None:
        """Return the answer, from the source where there is none; those who ask meanwhile wait for the same one."""
        with self._lock:
            mine = self._asking.setdefault(key, threading.Lock())
        with mine:
            try:
                there, value = self.known(key)
                if not there:
                    value = source()
                    self._keep_answer(key, value)
                return value
            finally:
                with self._lock:
                    if self._asking.get(key) is mine:
                        del self._asking[key]

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)

    def _keep_answer(self, key: str, value: Value | None) -> None:
        until = self._clock.monotonic() + (self._nothing if value is None else self._keep)
        with self._lock:
            self._kept[key] = (until, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
