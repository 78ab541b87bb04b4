"""Queues of instances: finite cores, jobs served first in, first out, or with backfilling.

A job's start is settled when it arrives, since nothing that comes later may delay it. So the wait of a task can be
asked without placing it, and is exact. Backfilling is conservative: a job takes the earliest gap that is wide and long
enough, whatever waits behind.
"""

from bisect import bisect_left, bisect_right, insort
from typing import Protocol

from tests.simulate.world import Site

__all__ = ["Backfill", "Fifo", "Queue", "SiteQueue"]


class Queue(Protocol):
    """The queue of one instance; time never goes backwards."""

    def start(self, now: float, cores: int, seconds: float) -> float:
        """Return when a job that arrives now would start."""

    def place(self, now: float, cores: int, seconds: float) -> float:
        """Take a job that arrives now; return when it starts."""


class Fifo:
    """First in, first out: none starts before one that came earlier."""

    def __init__(self, cores: int) -> None:
        """Begin with all cores free."""
        self._cores = cores
        self._last = float("-inf")
        self._ends: list[tuple[float, int]] = []
        """End and cores of each job that runs at the last start or later, by end."""
        self._taken = 0

    def start(self, now: float, cores: int, seconds: float) -> float:
        """Return when a job that arrives now would start."""
        start, free = max(now, self._last), self._cores - self._taken
        for end, released in self._ends:
            if end > start:
                if free >= cores:
                    break
                start = end
            free += released
        return start

    def place(self, now: float, cores: int, seconds: float) -> float:
        """Take a job that arrives now; return when it starts."""
        start = self.start(now, cores, seconds)
        ended = bisect_right(self._ends, (start, self._cores))
        self._taken += cores - sum(released for _, released in self._ends[:ended])
        del self._ends[:ended]
        insort(self._ends, (start + seconds, cores))
        self._last = start
        return start


class Backfill:
    """The earliest gap that is wide and long enough, from what was promised to all that came before."""

    def __init__(self, cores: int) -> None:
        """Begin with all cores free."""
        self._times = [float("-inf")]
        self._free = [cores]
        """Free cores from each time on, until the next."""

    def start(self, now: float, cores: int, seconds: float) -> float:
        """Return when a job that arrives now would start."""
        times, free = self._times, self._free
        start = now
        for index in range(bisect_right(times, now) - 1, len(times)):
            if times[index] >= start + seconds:
                break
            if free[index] < cores:
                start = times[index + 1]
        return start

    def place(self, now: float, cores: int, seconds: float) -> float:
        """Take a job that arrives now; return when it starts."""
        start = self.start(now, cores, seconds)
        past = bisect_right(self._times, now) - 1
        del self._times[:past], self._free[:past]
        first, last = self._cut(start), self._cut(start + seconds)
        for index in range(first, last):
            self._free[index] -= cores
        return start

    def _cut(self, time: float) -> int:
        """Return the index of a time, which is made one at which the free cores may change."""
        index = bisect_left(self._times, time)
        if index == len(self._times) or self._times[index] != time:
            self._times.insert(index, time)
            self._free.insert(index, self._free[index - 1])
        return index


class SiteQueue:
    """A queue with the jobs of the instance's own users, which come as time goes by."""

    def __init__(self, site: Site) -> None:
        """Begin empty, before the first of these jobs."""
        self._queue: Queue = Backfill(site.cores) if site.backfill else Fifo(site.cores)
        self._jobs = site.jobs
        self._next = 0

    def start(self, now: float, cores: int, seconds: float) -> float:
        """Return when a job that arrives now would start."""
        self._catch_up(now)
        return self._queue.start(now, cores, seconds)

    def place(self, now: float, cores: int, seconds: float) -> float:
        """Take a job that arrives now; return when it starts."""
        self._catch_up(now)
        return self._queue.place(now, cores, seconds)

    def _catch_up(self, now: float) -> None:
        jobs = self._jobs
        while self._next < len(jobs) and jobs[self._next].arrival <= now:
            job = jobs[self._next]
            self._queue.place(job.arrival, job.cores, job.seconds)
            self._next += 1
