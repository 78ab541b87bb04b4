"""The use case behind POST /protes/v1/tasks:create: many tasks, each by the rules of POST /tasks, one durable write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from protes.api.admission import Entrance, entrance
from protes.api.callers import Caller
from protes.api.idempotency import fingerprint, ids_for_key
from protes.api.problems import Problem
from protes.api.services import Services
from protes.api.submission import (
    DISPATCH,
    Submission,
    described,
    gateways_passed,
    keep_token,
    on_its_way,
    possible,
    wish,
)
from protes.store.records import TaskRecord

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Item:
    """One of the tasks, and the record that has been made of it."""

    submission: Submission
    record: TaskRecord


def submit_many(
    parts: Services, caller: Caller, submissions: Sequence[Submission | Problem], key: str | None
) -> list[str | Problem]:
    """Make tasks durable and return, in order, the id of each, or why it was refused.

    Args:
        parts: the gateway's parts.
        caller: whose tasks they are.
        submissions: the tasks, each valid by the schema, or what is wrong with it.
        key: an Idempotency-Key for all of them together, or None.

    Raises:
        Problem: 422 where the key was used for other tasks; 503 where the store does not keep up.
    """
    items = [_either(partial(_item, parts, caller, each)) for each in submissions]
    ids = _ids(parts, caller, items, key)
    with entrance(parts.quotas, caller) as way_in:
        # Planning hundreds of tasks takes a while, and nobody's place.
        outcomes = _checked(parts, items, ids, way_in)
        with parts.intake.place():
            results = _stored(parts, outcomes, keyed=key is not None)
    parts.waiting.nudge()
    return results


def _item(parts: Services, caller: Caller, submission: Submission | Problem) -> _Item:
    if isinstance(submission, Problem):
        raise submission
    via = gateways_passed(submission, parts.gateway_id)
    return _Item(submission, described(parts, caller, submission, via))


def _ids(parts: Services, caller: Caller, items: Sequence[_Item | Problem], key: str | None) -> Sequence[str]:
    """Return the id of each task that is right: its own, or that of an earlier request with this key."""
    own = [item.record.id for item in _right(items)]
    if key is None:
        return own
    with parts.intake.place():
        return ids_for_key(parts.records, parts.clock, caller.subject, key, _fingerprint(items), own)


def _checked(
    parts: Services, items: Sequence[_Item | Problem], ids: Sequence[str], way_in: Entrance
) -> list[_Item | Problem | str]:
    """Give each task its id, and check those that are new; of those that are stored or deleted return the id alone."""
    # A repeat of a stored task is that task, whatever has become of its offer and its instances since. It is durable,
    # and not stored once more: it may be deleted at this very moment.
    repeated = any(item.record.id != task_id for item, task_id in zip(_right(items), ids, strict=True))
    stored = parts.tasks.versions(ids) if repeated else {}
    given = iter(ids)

    def checked(item: _Item, task_id: str) -> _Item | str:
        if task_id in stored or (task_id != item.record.id and parts.removal.was_removed(task_id)):
            return task_id
        record = replace(item.record, id=task_id)
        with way_in.room(record):
            record = possible(parts, record, item.submission.authorization)
        return replace(item, record=on_its_way(parts, record))

    return [each if isinstance(each, Problem) else _either(partial(checked, each, next(given))) for each in items]


def _right(items: Sequence[_Item | Problem | str]) -> list[_Item]:
    return [each for each in items if isinstance(each, _Item)]


def _stored(parts: Services, items: Sequence[_Item | Problem | str], *, keyed: bool) -> list[str | Problem]:
    right = _right(items)
    for item in right:
        keep_token(parts, item.record, item.submission.authorization)
    records = [item.record for item in right]
    parts.tasks.create_many(records)
    removed = parts.removal.again([record.id for record in records]) if keyed else ()
    for record in records:
        if record.enqueued_until is not None and record.id not in removed:
            parts.runner.submit(DISPATCH, record.id)
    return [each.record.id if isinstance(each, _Item) else each for each in items]


def _fingerprint(items: Sequence[_Item | Problem]) -> str:
    """Hash what is wished; what a task itself says wrong is wrong whenever it is sent."""
    wishes = [("", each.detail) if isinstance(each, Problem) else wish(each.record) for each in items]
    return fingerprint("tasks:create", *(part for pair in wishes for part in pair))


def _either(work: Callable[[], _Result]) -> _Result | Problem:
    """Return what `work` returns, or the problem that it raises."""
    try:
        return work()
    except Problem as problem:
        return problem
