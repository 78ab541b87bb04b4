"""Who sees whose tasks (docs/visibility.md): what a caller may read and change, and to whom their tasks are shown.

A task that a caller may not see is as good as absent: the store is asked for it with the caller's audiences, does the
same work, and nothing is done with what it does not answer.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from protes.api.callers import Caller
from protes.api.problems import FieldError, Problem, invalid
from protes.config.visibility import VisibilitySettings
from protes.store.audiences import EVERYBODY, of_group, of_tenant, of_user
from protes.store.protocols import TaskStore
from protes.store.records import TaskRecord

GROUP = "group"
"""The preference that says to which of their groups a caller shows a task."""
_TAG = f"tags.protes.{GROUP}"
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is for a caller.

    Attributes:
        readable: the audiences whose tasks they see; None: all there are.
        changeable: the audiences whose tasks they may cancel; None: all there are.
    """

    readable: frozenset[str] | None
    changeable: frozenset[str] | None


def is_shown_strangers(caller: Caller, sees: Sight) -> bool:
    """Tell whether a caller is shown instances that others brought along, or that have left with tasks there."""
    return not caller.subject or sees.readable is None


@lru_cache(maxsize=4096)
def sight(caller: Caller, settings: VisibilitySettings) -> Sight:
    """Return what there is for a caller."""
    if caller.is_operator or settings.tasks == "none":
        return Sight(None, None)
    own = {EVERYBODY, of_user(caller.subject)}
    if settings.tasks == "tenant" and caller.tenant:
        own.add(of_tenant(caller.tenant))
    if settings.tasks == "group":
        own.update(map(of_group, groups_of(caller, settings)))
    return Sight(None if caller.is_reader else frozenset(own), frozenset(own))


def groups_of(caller: Caller, settings: VisibilitySettings) -> frozenset[str]:
    """Return the groups of a caller that tasks can be shown to."""
    return caller.groups & frozenset(settings.groups) if settings.groups else caller.groups


def audience_for(caller: Caller, settings: VisibilitySettings, group: str | None) -> str:
    """Return to whom a new task is shown; fixed from then on.

    Args:
        caller: whose task it is.
        settings: the settings.
        group: the group that the task itself names, "" for the caller alone; None where it names none.

    Raises:
        Problem: 400, it names a group that the caller is not in, or groups are not what tasks are shown by.
    """
    if settings.tasks != GROUP:
        if group is not None:
            raise invalid([FieldError(_TAG, "tasks are not shown by group here (visibility.tasks); leave it out")])
        if settings.tasks == "none":
            return EVERYBODY
        return of_tenant(caller.tenant) if settings.tasks == "tenant" and caller.tenant else of_user(caller.subject)
    own = groups_of(caller, settings)
    if group:
        if group not in own:
            raise invalid([FieldError(_TAG, f"you are in no such group; {_choice(own)}")])
        return of_group(group)
    # Of several groups none is the right one to guess: too few see the task rather than too many.
    return of_group(min(own)) if group is None and len(own) == 1 else of_user(caller.subject)


def readable_task(tasks: TaskStore, sees: Sight, task_id: str, *, head: bool = False) -> TaskRecord:
    """Return a task that the caller sees.

    Raises:
        Problem: 404, there is none, or none for them.
    """
    record = tasks.get(task_id, head=head, audiences=sees.readable)
    if record is None:
        raise absent()
    return record


def changeable_task(tasks: TaskStore, sees: Sight, task_id: str) -> TaskRecord:
    """Return the head of a task that the caller may cancel.

    Raises:
        Problem: 404, there is none, or none for them; 403, they may read it and no more.
    """
    record = readable_task(tasks, sees, task_id, head=True)
    if not may_change(sees.changeable, record):
        raise forbidden()
    return record


def may_change(changeable: Collection[str] | None, record: TaskRecord) -> bool:
    """Tell whether a task is of these audiences."""
    return changeable is None or record.audience in changeable


def absent() -> Problem:
    """Say that there is no such task, which is all that is said of somebody else's."""
    return Problem(404, "id: there is no task with this id")


def forbidden() -> Problem:
    """Say that a reader may not do this."""
    return Problem(403, "id: it is somebody else's task, which you may read and not change")


def _choice(own: Collection[str]) -> str:
    if not own:
        return "there is no group that you could show tasks to"
    more = ", …" if len(own) > _MOST_NAMED else ""
    return f"yours are {', '.join(sorted(own)[:_MOST_NAMED])}{more}"
