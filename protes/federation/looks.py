"""Looking at what URLs answer: few at once, each by one thread at a time, and the answers used again for a while.

An answer that has become old is used once more while it is asked for anew in the background, so that a server which
has died, or hangs, costs the first task its time and no task after it.
"""

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from protes.clock import Clock

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Work = Callable[[], None]


class Turns:
    """A few threads that take turns among those who ask: one with a hundred questions does not keep out the others."""

    def __init__(self, threads: int) -> None:
        """Have at most `threads` at once; they are started when there is work and end when there is none."""
        self._threads = threads
        self._running = 0
        self._waiting: deque[deque[Work]] = deque()
        self._lock = threading.Lock()

    def submit(self, works: Iterable[Work]) -> None:
        """Do these when it is their turn, in their order."""
        batch = deque(works)
        if not batch:
            return
        with self._lock:
            self._waiting.append(batch)
            more = min(len(batch), self._threads - self._running)
            self._running += more
        for _ in range(more):
            threading.Thread(target=self._work, name="look", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more; what is under way ends by its own deadline."""
        with self._lock:
            self._waiting.clear()

    def _work(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Work | None:
        with self._lock:
            if not self._waiting:
                self._running -= 1
                return None
            batch = self._waiting.popleft()
            work = batch.popleft()
            if batch:
                self._waiting.append(batch)
            return work


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Answer]):
    answer: Answer
    fresh_until: float
    used_until: float


class _Flight(Generic[Answer]):
    """A look that is under way, or waits for its turn.

    Attributes:
        until: monotonic time by which it has ended; nobody waits longer.
        ended: set when it has.
        answer: what came, in a list; empty where nothing did.
    """

    def __init__(self, until: float) -> None:
        self.until = until
        self.ended = threading.Event()
        self.answer: list[Answer] = []


class Looks(Generic[Answer]):
    """Looks of one kind. Safe under threads."""

    def __init__(
        self,
        look: Callable[[str, float], Answer],
        fresh_seconds: Callable[[Answer], float],
        turns: Turns,
        clock: Clock,
        *,
        look_seconds: float,
        keep_seconds: float,
        entries: int,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            look: asks a URL and ends by a monotonic time; what goes wrong is an answer too.
            fresh_seconds: how long an answer is used without asking anew.
            turns: the threads.
            clock: measures.
            look_seconds: how long a look may take, the wait for its turn included.
            keep_seconds: how long an answer is used at all.
            entries: answers kept; those not used for longest go first.
        """
        self._look = look
        self._fresh_seconds = fresh_seconds
        self._turns = turns
        self._clock = clock
        self._look_seconds = look_seconds
        self._keep_seconds = keep_seconds
        self._entries = entries
        self._kept: OrderedDict[str, _Kept[Answer]] = OrderedDict()
        self._flights: dict[str, _Flight[Answer]] = {}
        self._lock = threading.Lock()

    def answers(self, keys: Sequence[str], until: float, *, ask: bool) -> dict[str, Answer]:
        """Return the answers to these keys that are there or come in time.

        Args:
            keys: what to look at.
            until: monotonic time by which this returns.
            ask: ask for what is not known, or old; else nothing is asked and nothing is waited for.
        """
        with self._lock:
            found = {key: kept.answer for key in keys if (kept := self._usable(key)) is not None}
            begun = [key for key in dict.fromkeys(keys) if ask and self._is_wanted(key)]
            for key in begun:
                self._flights[key] = _Flight(self._clock.monotonic() + self._look_seconds)
            flights = {key: self._flights[key] for key in keys if ask and key not in found and key in self._flights}
            works = [partial(self._run, key, self._flights[key]) for key in begun]
        self._turns.submit(works)
        for key, flight in flights.items():
            flight.ended.wait(max(0.0, min(until, flight.until) - self._clock.monotonic()))
            if flight.answer:
                found[key] = flight.answer[0]
        return found

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)

    def _usable(self, key: str) -> _Kept[Answer] | None:
        kept = self._kept.get(key)
        if kept is None or kept.used_until <= self._clock.monotonic():
            return None
        self._kept.move_to_end(key)
        return kept

    def _is_wanted(self, key: str) -> bool:
        """Whether it must be asked: not known or old, and nobody asks."""
        kept = self._kept.get(key)
        return key not in self._flights and (kept is None or kept.fresh_until <= self._clock.monotonic())

    def _run(self, key: str, flight: _Flight[Answer]) -> None:
        """Look, unless it is too late; on one of the threads."""
        try:
            if self._clock.monotonic() < flight.until:
                answer = self._look(key, flight.until)
                self._keep(key, answer)
                flight.answer.append(answer)
        except Exception:
            logger.exception("a look failed unexpectedly")  # the thread serves others too
        finally:
            with self._lock:
                self._flights.pop(key, None)
            flight.ended.set()

    def _keep(self, key: str, answer: Answer) -> None:
        now = self._clock.monotonic()
        fresh_seconds = self._fresh_seconds(answer)
        with self._lock:
            self._kept[key] = _Kept(answer, now + fresh_seconds, now + max(fresh_seconds, self._keep_seconds))
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
