"""Which tasks of an instance to ask for one by one, and in which order, so that none is left out for ever: pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from protes.relay.looking import Wanted
from protes.relay.matching import Sight
from protes.store.records import Followed
from protes.tes.dialects.base import View

MOST_MISSING = 1000
"""Of the tasks that a list should show and does not, so many are asked for in a sweep at most."""
MOST_UNSEEN = 100
"""The same where only the end of the list was seen, so that most of them were in its beginning."""
MOST_LOGS = 20
"""Of the tasks that somebody reads in full, so many have their logs fetched in a sweep at most."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to ask for, in that order.

    Attributes:
        wanted: the tasks.
        is_all: these are all tasks of the instance, or those that an earlier sweep has left of them.
        cut: how many come before the first one that was left out; None where none was.
    """

    wanted: tuple[Wanted, ...]
    is_all: bool
    cut: int | None = None

    def after(self, done: int, before: str) -> str:
        """Return the id of the task after which the next sweep goes on.

        Args:
            done: so many have been asked for.
            before: what it was for this sweep.
        """
        if done == len(self.wanted) and self.cut is None:
            return ""
        last = done if self.cut is None else min(done, self.cut)
        return self.wanted[last - 1].followed.task_id if last else before

    def urgent(self, done: int) -> bool:
        """Tell whether what is left of them should not wait for the next sweep."""
        return self.is_all or any(each.state is not None for each in self.wanted[done:])


def one_by_one(followed: Sequence[Followed], logs: Collection[Followed], after: str) -> Selection:
    """Ask for all, or for those after an id: a pass that was left is gone through to its end before another begins.

    Args:
        followed: in the order of their ids.
        logs: those of them whose logs are read.
        after: the id.
    """
    read = {each.task_id for each in logs}
    left = [each for each in followed if each.task_id > after] or followed
    return Selection(tuple(_wanted(each, logs=each.task_id in read) for each in left), is_all=True)


def rest(
    ended: Sequence[Sight],
    missing: Sequence[Followed],
    view: View,
    logs: Sequence[Followed],
    after: str,
    most_missing: int = MOST_MISSING,
) -> Selection:
    """Ask for what a list does not tell: the logs of tasks that have ended or are read, and all of those missing in it.

    Args:
        ended: tasks that the list shows as ended.
        missing: tasks that it does not show.
        view: how to ask for these.
        logs: tasks whose logs are read.
        after: begin after this id, and come to those up to it in the end.
        most_missing: ask for so many of those missing at most.
    """
    ends = {followed.task_id for followed, _ in ended}
    wanted = [Wanted(followed, state) for followed, state in ended]
    wanted += (Wanted(each, view=view) for each in missing)
    wanted.sort(key=lambda each: (each.followed.task_id <= after, each.followed.task_id))
    kept: list[Wanted] = []
    cut, unseen = None, 0
    for each in wanted:
        unseen += each.state is None
        if each.state is None and unseen > most_missing:
            cut = len(kept) if cut is None else cut
        else:
            kept.append(each)
    asked = ends | {each.followed.task_id for each in kept}
    kept += (_wanted(each, logs=True) for each in logs if each.task_id not in asked)
    return Selection(tuple(kept), is_all=False, cut=cut)


def _wanted(followed: Followed, *, logs: bool) -> Wanted:
    return Wanted(followed, view="FULL", logs=True) if logs else Wanted(followed)
