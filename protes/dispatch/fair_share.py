"""Who goes first where an instance has fewer places than there are tasks waiting for it: the rule, pure.

The owner with the fewest tasks in flight there, divided by their weight, goes first. So while two owners wait, neither
has more of the places than their weight allows by more than one task, however long the tasks of each of them run.
Where that is equal, as it is where there are more owners than places, a virtual time decides, as in start-time fair
queueing (Goyal, Vin and Cheng, SIGCOMM 1996): each task served moves its owner's time on by 1 / weight, and the least
time goes first. Who was idle begins at the time of the last one served: nobody saves up turns, and nobody starves.
The rest is decided by whose oldest task waits longest. docs/quotas.md argues this for people.
"""

from collections.abc import Callable, Mapping

Weight = Callable[[str], float]
"""Returns an owner's weight, above 0."""


class FairShare:
    """The places of one instance, shared out. What it remembers between turns only decides between equals."""

    def __init__(self, weight: Weight) -> None:
        """Share by `weight`."""
        self._weight = weight
        self._now = 0.0
        self._next: dict[str, float] = {}

    def first(self, waiting: Mapping[str, str], in_flight: Mapping[str, int]) -> str:
        """Return the owner whose task goes first.

        Args:
            waiting: the oldest waiting task of each owner who has any; at least one. Ids sort by age.
            in_flight: tasks of owners that are at the instance, or on their way there.
        """
        return min(
            waiting,
            key=lambda owner: (in_flight.get(owner, 0) / self._weight(owner), self._start(owner), waiting[owner]),
        )

    def serve(self, owner: str) -> None:
        """Note that a task of the owner's goes."""
        self._now = self._start(owner)
        # Who is behind the present time begins there anyway.
        self._next = {each: time for each, time in self._next.items() if time > self._now}
        self._next[owner] = self._now + 1.0 / self._weight(owner)

    def _start(self, owner: str) -> float:
        return max(self._now, self._next.get(owner, 0.0))
