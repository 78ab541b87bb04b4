"""One reader of the event log per process, for all who listen.

While somebody listens a thread looks for new batches a few times a second and keeps those of the last while, so that a
listener asks the store for nothing but what was there before it came. While nobody listens there is no thread.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from protes.clock import Clock
from protes.events.event import Event
from protes.events.log import Batch, EventLog, batch_after
from protes.store.protocols import StoreError

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.1
_PAUSE_AFTER_FAILURE_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_MOST_BATCHES = 64
"""Kept in memory; whoever is further behind reads the store."""


class Missed(Exception):
    """Events that come after the one named are kept no longer, or it is not one of this log."""


@dataclass(eq=False, slots=True)
class Listener:
    """Somebody who listens.

    Attributes:
        position: id of the event after which it goes on.
        look: is called about once a second by the thread that reads; returns whether the listener is gone.
        woken: set when there may be news, or another reason to look up.
        dismissed: it is to go, and may come again.
    """

    position: int
    look: Callable[[], bool] = lambda: False
    woken: threading.Event = field(default_factory=threading.Event)
    dismissed: bool = False


class Feed:
    """Gives listeners the events of the log, in order and without a gap. Safe under threads."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        """Read `log`, once somebody listens."""
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._recent: deque[Batch] = deque(maxlen=_MOST_BATCHES)
        self._last = 0
        self._reading = False
        self._stopping = threading.Event()

    @contextmanager
    def listen(self, after: int | None, look: Callable[[], bool] = lambda: False) -> Iterator[Listener]:
        """Yield a listener that goes on after the event with this id; None: from now on. See `Listener.look`.

        Raises:
            Missed: that cannot be.
            StoreError: the store could not answer.
        """
        last = self._log.last()
        listener = Listener(_end(last) if after is None else self._checked(after, last), look)
        with self._lock:
            self._listeners.add(listener)
            begins = not self._reading
            if begins:
                self._reading = True
                self._recent.clear()
                self._last = last
        try:
            if begins:
                threading.Thread(target=self._read, name="protes-events", daemon=True).start()
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _checked(self, after: int, last: int) -> int:
        """Return the position, if what comes after it is all there."""
        needed = batch_after(after)
        if after < 0 or needed > last + 1:
            raise Missed
        if needed <= last:
            first = self._log.first_kept()
            if first is None or first > max(needed, 1):
                raise Missed
        return after

    def news(self, listener: Listener) -> Sequence[tuple[int, Event]]:
        """Return events that the listener has not had, with their ids, and move it on; empty where there are none.

        Raises:
            Missed: the listener is so far behind that some are gone.
            StoreError: the store could not answer.
        """
        listener.woken.clear()
        needed = batch_after(listener.position)
        with self._lock:
            recent = [each for each in self._recent if each.number >= needed]
            last = self._last
        if needed > last:
            return ()
        if not recent or recent[0].number > max(needed, 1):
            recent = list(self._log.after(needed - 1))
            if not recent or recent[0].number > max(needed, 1):
                raise Missed
        found = [each for batch in recent for each in batch.after(listener.position)]
        listener.position = max(listener.position, recent[-1].end)
        return found

    def wait(self, listener: Listener, seconds: float) -> None:
        """Wait until there may be news for the listener, `seconds` have passed, or the feed is closed."""
        with self._lock:
            if batch_after(listener.position) <= self._last:
                return
        self._clock.wait(listener.woken, seconds)

    @property
    def closed(self) -> bool:
        """Whether nobody is to listen any more."""
        return self._stopping.is_set()

    def dismiss(self) -> None:
        """Send those away who listen now; they may come again."""
        with self._lock:
            for each in self._listeners:
                each.dismissed = True
                each.woken.set()

    def close(self) -> None:
        """Send everybody away; may be called in a signal handler, and twice."""
        self._stopping.set()

    def _read(self) -> None:
        never, look_at = threading.Event(), self._clock.monotonic()
        try:
            while self._listened():
                if self._clock.monotonic() >= look_at:
                    look_at = self._clock.monotonic() + _LOOK_SECONDS
                    self._look_after()
                pause = _PAUSE_SECONDS
                try:
                    more = self._look()
                except StoreError as error:
                    logger.warning("the event log could not be read: %s", error)
                    more, pause = False, _PAUSE_AFTER_FAILURE_SECONDS
                if not more:
                    self._clock.wait(never, pause)
        except BaseException:
            with self._lock:
                self._reading = False  # or nobody would read any more
            raise

    def _listened(self) -> bool:
        with self._lock:
            if self._stopping.is_set():
                for each in self._listeners:
                    each.woken.set()
            self._reading = bool(self._listeners) and not self._stopping.is_set()
            return self._reading

    def _look_after(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for each in listeners:
            if each.look():
                each.woken.set()

    def _look(self) -> bool:
        """Take up what is new; return whether there was something."""
        batches = self._log.after(self._last)
        if not batches:
            return False
        with self._lock:
            for batch in batches:
                if batch.number != self._last + 1:
                    self._recent.clear()  # a gap: what is between has expired, and so has what is before
                self._recent.append(batch)
                self._last = batch.number
            for each in self._listeners:
                each.woken.set()
        return True


def _end(number: int) -> int:
    return Batch(number, ()).end
