"""The waiting room: requests that wait for a task to change (`Prefer: wait`, RFC 7240 section 4.3).

One thread of the process watches the store for all who wait, with one read per round, so that a change is seen
whichever process made it. While nobody waits there is no thread. Those who wait hold a bounded number of request
threads (DESIGN.md section 7).
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from protes.clock import Clock
from protes.store.protocols import StoreError

logger = logging.getLogger(__name__)

_SHARE = 4
_FIRST_PAUSE_SECONDS = 0.02
"""Between two looks at the store at least, whatever happens."""
_LAST_PAUSE_SECONDS = 0.25
_GROWTH = 1.5
_SIT_SECONDS = 5.0
"""A waiter looks itself so often, which shows that somebody is still interested in the task."""
_OTHERS_SECONDS = 1.0
"""And so often where tasks may come that nobody watches yet."""

Look = Callable[[], Mapping[str, int] | None]
"""Reads tasks: None where the waiter has what it came for, else the versions of the tasks as it saw them."""


class Versions(Protocol):
    """The part of a TaskStore that the room watches."""

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        """Return the versions of these tasks; see `TaskStore.versions`."""


@dataclass(eq=False, slots=True)
class _Seat:
    """Somebody who waits, and the versions that he knows."""

    seen: Mapping[str, int]
    woken: threading.Event = field(default_factory=threading.Event)


class WaitingRoom:
    """Lets at most a quarter of the request threads wait for tasks. Safe under threads."""

    def __init__(self, store: Versions, clock: Clock, request_threads: int) -> None:
        """Watch `store`; with fewer than four request threads nobody can wait."""
        self._store = store
        self._clock = clock
        self._places = request_threads // _SHARE
        self._lock = threading.Lock()
        self._taken = 0
        self._seats: set[_Seat] = set()
        self._watching = False
        self._look_now = threading.Event()
        self._closed = False

    @property
    def places(self) -> int:
        """How many requests may wait at once."""
        return self._places

    @property
    def taken(self) -> int:
        """How many requests wait."""
        with self._lock:
            return self._taken

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Yield whether there is a place to wait; it is kept until the block ends."""
        with self._lock:
            free = not self._closed and self._taken < self._places
            if free:
                self._taken += 1
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._taken -= 1

    def wait(self, look: Look, seconds: float, *, others: bool = False) -> None:
        """Wait until `look` is satisfied, `seconds` have passed, or the room closes.

        Args:
            look: is called in this thread, first at once, then whenever one of the tasks that it saw has changed, and
                every few seconds.
            seconds: how long to wait at most.
            others: it looks for tasks that it may not know yet, too: call it about once a second, and hardly more often
                however much changes.

        Raises:
            Exception: what `look` raised.
        """
        until = self._clock.monotonic() + seconds
        longest, woken_at, new = _OTHERS_SECONDS if others else _SIT_SECONDS, float("-inf"), True
        while (seen := look()) is not None:
            now = self._clock.monotonic()
            if until <= now or self._closed:
                return
            woken = self._sit(_Seat(seen), min(until - now, longest), new)
            new = False
            if others and woken:
                # A page of many busy tasks changes all the time, and is much to read.
                now = self._clock.monotonic()
                self._sit(_Seat({}), min(until, woken_at + _OTHERS_SECONDS) - now, new)
                woken_at = self._clock.monotonic()

    def nudge(self) -> None:
        """Have the room look at once: something has changed in this process."""
        self._look_now.set()

    def close(self) -> None:
        """Send everybody away; who comes later does not wait. May be called in a signal handler of the main thread."""
        self._closed = True
        self._look_now.set()

    def _sit(self, seat: _Seat, seconds: float, new: bool) -> bool:
        """Wait to be woken, and return whether that was; for a `new` waiter the room looks at once."""
        if seconds <= 0:
            return False
        with self._lock:
            self._seats.add(seat)
        try:
            self._have_watched()
            if new:
                self._look_now.set()
            return self._clock.wait(seat.woken, seconds)
        finally:
            with self._lock:
                self._seats.discard(seat)

    def _have_watched(self) -> None:
        """Start the room's thread where there is none."""
        with self._lock:
            if self._watching:
                return
            self._watching = True
        try:
            threading.Thread(target=self._watch, name="protes-waiting", daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._watching = False
            # Who waits looks itself now and then, and tries again.
            logger.warning("tasks that are waited for cannot be watched: %s", error)

    def _watch(self) -> None:
        """Look again and again, less often while nothing happens, until nobody waits."""
        pause, never = _FIRST_PAUSE_SECONDS, threading.Event()
        try:
            while seats := self._occupied():
                changed = self._wake(seats)
                self._clock.wait(never, _FIRST_PAUSE_SECONDS)
                nudged = self._clock.wait(self._look_now, pause - _FIRST_PAUSE_SECONDS)
                self._look_now.clear()
                pause = _FIRST_PAUSE_SECONDS if changed or nudged else min(pause * _GROWTH, _LAST_PAUSE_SECONDS)
        except BaseException:
            with self._lock:
                self._watching = False  # or nobody would be woken any more
            raise

    def _occupied(self) -> Collection[_Seat]:
        """Return who waits; where it is nobody, the next one starts a thread of his own."""
        with self._lock:
            self._watching = bool(self._seats)
            return tuple(self._seats)

    def _wake(self, seats: Collection[_Seat]) -> bool:
        """Wake those whose tasks have changed, all of them when the room closes; return whether there were any."""
        if self._closed:
            changed = seats
        else:
            try:
                stored = self._store.versions({task_id for seat in seats for task_id in seat.seen})
            except StoreError as error:
                logger.warning("tasks that are waited for could not be looked at: %s", error)
                return False
            changed = [seat for seat in seats if _differs(seat.seen, stored)]
        for seat in changed:
            seat.woken.set()
        return bool(changed)


def _differs(seen: Mapping[str, int], stored: Mapping[str, int]) -> bool:
    return any(stored.get(task_id) != version for task_id, version in seen.items())
