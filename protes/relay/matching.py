"""What pages of a list say about the tasks that are followed at an instance: pure, and in little memory."""

from collections.abc import Iterable, Sequence

from protes.store.records import Followed
from protes.tes.dialects.base import Listing
from protes.tes.read import SeenTask
from protes.tes.states import State

Sight = tuple[Followed, State]
"""A task and the state that its instance shows."""


class Awaited:
    """The tasks that no page has shown yet. Used by one thread at a time."""

    def __init__(self, followed: Iterable[Followed], listing: Listing) -> None:
        """Await these tasks of a list made so; ids that an instance has given twice cannot be told apart in a list."""
        self._listing = listing
        self._by_id: dict[str, Followed] = {}
        twins: list[Followed] = []
        for each in followed:
            if self._by_id.setdefault(each.instance_task_id, each) is not each:
                twins.append(each)
        firsts = (self._by_id.pop(each.instance_task_id, None) for each in tuple(twins))
        self._twins = twins + [first for first in firsts if first is not None]
        self._oldest = min(self._by_id, default="")
        self._in_vain = 0

    @property
    def oldest(self) -> str | None:
        """The least of the instance's ids that are awaited, None where there is none."""
        if self._oldest not in self._by_id:
            self._oldest = min(self._by_id, default="")
        return self._oldest or None

    def see(self, page: Sequence[SeenTask]) -> list[Sight]:
        """Take out the tasks that a page shows, and return them with their states there."""
        found = [(mine, seen.state) for seen in page if (mine := self._by_id.pop(seen.id, None)) is not None]
        self._in_vain = 0 if found else self._in_vain + 1
        return found

    def is_over(self, page: Sequence[SeenTask]) -> bool:
        """Tell whether more pages after this one are not worth asking for.

        They are not where all tasks have been seen or, in a list sorted by time, passed. A list that is not by state
        goes back to the first task that the instance ever had: where as many pages in a row have shown nothing as there
        are tasks left, asking for these one by one is cheaper.
        """
        if not self._by_id:
            return True
        if self._listing.newest_first and max((seen.id for seen in page), default="") < (self.oldest or ""):
            return bool(page)
        return not self._listing.states and self._in_vain >= len(self._by_id)

    def left(self) -> list[Followed]:
        """Return the tasks that have not been seen, in the order of their own ids."""
        return sorted([*self._by_id.values(), *self._twins], key=lambda each: each.task_id)
