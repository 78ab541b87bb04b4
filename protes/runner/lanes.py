"""What waits for a thread: a lane for each kind of job, and the lanes take turns.

A hundred thousand tasks that are to be looked at must not keep instances from being swept, nor those whose turn it is
from taking a place that has become free.
"""

from collections import deque

Call = tuple[str, str]
"""A job and its key."""


class Lanes:
    """Calls that wait. Within a lane first come is first served. Its user sees to threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lanes: dict[str, deque[Call]] = {}  # the one whose turn it is comes first
        self._length = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._length

    def waiting(self, job: str) -> int:
        """Return how many of a kind wait."""
        return len(self._lanes.get(job, ()))

    def append(self, call: Call) -> None:
        """Let a call wait."""
        self._lanes.setdefault(call[0], deque()).append(call)
        self._length += 1

    def popleft(self) -> Call:
        """Return the first of the lane whose turn it is, which comes behind the others then.

        Raises:
            IndexError: nothing waits.
        """
        if not self._lanes:
            raise IndexError("nothing waits")
        job = next(iter(self._lanes))
        lane = self._lanes.pop(job)
        call = lane.popleft()
        if lane:
            self._lanes[job] = lane
        self._length -= 1
        return call

    def clear(self) -> None:
        """Forget all."""
        self._lanes.clear()
        self._length = 0
