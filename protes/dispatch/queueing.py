"""How one turn at a task stands to the line: whether it may try an instance, and whether it gets in line itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from protes.dispatch.forwarding import Forwarder
from protes.dispatch.waiting_list import WaitingList
from protes.planning.planner import Plan, PlannedOffer
from protes.store.records import TaskRecord

_FULL = "full"  # the code of `middleware.feasible`


class Place:
    """A task's place in the line, during one turn at it."""

    def __init__(self, line: WaitingList | None, forwarder: Forwarder, record: TaskRecord, turn: str | None) -> None:
        """Attend to `record`, which was given a place where `turn` is the key of its note."""
        self._line = line
        self._forwarder = forwarder
        self._record = record
        self._turn = turn
        self._full: set[str] = set()
        self._waits = False
        self._left = False

    def may_try(self, offer: PlannedOffer) -> bool:
        """Tell whether the task may be sent there: not past those who wait for a place there, without its turn."""
        url = offer.instance.base_url or ""
        if self._line is None or self._turn is not None or offer.instance.max_in_flight is None:
            return True
        if url not in self._line.wanted():
            return True
        self._full.add(url)
        return False

    def missed(self, plan: Plan) -> bool:
        """Tell whether the task was given a place that the plan does not know of."""
        return self._turn is not None and not plan.offers and any(each.code == _FULL for each in plan.reasons.values())

    def take(self) -> None:
        """Leave the line, since the task is about to be sent."""
        if self._line is not None and not self._left:
            self._line.leave(self._record.id, self._turn)
        self._left = True

    def found_full(self, plan: Plan, offer: PlannedOffer) -> bool:
        """Tell whether an instance that would not take the task has no place left."""
        if self._line is None or not self._forwarder.is_full(plan, offer):
            return False
        self._full.add(offer.instance.base_url or "")
        return True

    def get_in_line(self, plan: Plan) -> bool:
        """Get in line for all that is full; return whether nothing else could ever take the task as things stand."""
        if self._line is None:
            return False
        full = {name for name, reason in plan.reasons.items() if reason.code == _FULL}
        urls = {each.base_url for each in plan.view.instances if each.id in full and each.base_url} | self._full
        if not urls:
            return False
        self._line.park(self._record, urls, self._turn)
        self._waits = True
        others = (reason for name, reason in plan.reasons.items() if name not in full)
        return all(reason.permanent for reason in others)

    def words(self, plan: Plan) -> str:
        """Say in a line what the task waits for."""
        passed = sorted(each.id for each in plan.view.instances if each.base_url in self._full)
        line = f"a turn at {', '.join(passed)}, where others wait" if passed else plan.waiting_for()
        return f"waiting for an instance: {line}"

    def close(self) -> None:
        """Leave the line if the task has not got into it again: it has found another way, or its end."""
        if not self._waits:
            self.take()


class Queueing:
    """The line, for a dispatcher."""

    def __init__(self, line: WaitingList | None, forwarder: Forwarder) -> None:
        """Use `line`; None: there is none."""
        self._line = line
        self._forwarder = forwarder

    @contextmanager
    def attended(self, record: TaskRecord, turn: str | None) -> Iterator[Place]:
        """Attend to a task's place during one turn at it; where that fails it keeps its place."""
        place = Place(self._line, self._forwarder, record, turn)
        yield place
        place.close()
