"""How many threads there should be: pure.

A job may hang: an instance accepts the connection and then says nothing until a time-out ends it. Twenty such instances
must not take all threads from the others. So while jobs wait without a thread, each job that runs for long has its
thread made up for by another, within a bound; when that is over, threads end until there are as many as configured.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LONG_SECONDS = 1.0
"""A job that runs for so long is taken to hang; an ordinary one answers well within it."""
MOST_TIMES = 4
"""So many times the configured threads there are at most."""
_SHORTEST_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Crew:
    """The threads at one moment, and what they have to do.

    Attributes:
        size: threads that are configured.
        threads: threads that there are.
        free: those of them that run nothing.
        waiting: jobs in the queue.
        hanging: jobs that run for long.
    """

    size: int
    threads: int
    free: int
    waiting: int
    hanging: int

    @property
    def is_short(self) -> bool:
        """Whether jobs wait for which no thread is free."""
        return self.waiting > self.free

    @property
    def missing(self) -> int:
        """How many threads to start now."""
        most = min(self.size + self.hanging, self.size * MOST_TIMES)
        return max(0, min(self.waiting - self.free, most - self.threads))

    @property
    def has_surplus(self) -> bool:
        """Whether a thread that has ended its job should end as well."""
        return self.threads > self.size and (not self.waiting or self.threads > self.size + self.hanging)


def hanging(since: Iterable[float], now: float) -> int:
    """Return how many of the jobs that run since these times hang."""
    return sum(now - each >= LONG_SECONDS for each in since)


def next_hanging(since: Iterable[float], now: float) -> float:
    """Return after how many seconds one more job may hang, be it one that begins right now."""
    coming = (LONG_SECONDS - (now - each) for each in since if now - each < LONG_SECONDS)
    # Rounding must not make a pause that no clock can measure.
    return max(_SHORTEST_PAUSE_SECONDS, min(coming, default=LONG_SECONDS))
