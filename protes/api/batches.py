"""Calls about many tasks (`openapi/protes.yaml`), each task with its own result.

What is asked for is checked here and not by connexion, which would refuse the whole call for one task that is wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request

from protes.api import page_tokens
from protes.api.arriving import arriving
from protes.api.ingress import without_server_set, write_task
from protes.api.problems import KEY_HEADER, FieldError, Problem, document_of, invalid
from protes.api.services import Services, caller, sees, services
from protes.api.submission import DISPATCH, Submission
from protes.api.submissions import submit_many
from protes.api.visibility import absent, forbidden, may_change
from protes.store.audiences import page as page_of
from protes.store.records import TaskQuery, TaskRecord

_IDS, _TAGS, _PREFIX, _TOKEN = "ids", "tags", "name_prefix", "page_token"


def create_tasks(asked: Any) -> dict[str, Any]:
    """Make tasks durable; return the id of each, or what is wrong with it, as `CreatedTasks` of the document.

    Raises:
        Problem: 400, 413, 422 or 503 for the call as a whole; no task has been stored then.
        StoreUnavailable: any of the tasks may have been stored.
    """
    parts = services()
    submissions = [_submission(parts, task) for task in _tasks(asked, parts.settings.api.largest_batch)]
    outcomes = submit_many(parts, caller(), submissions, request.headers.get(KEY_HEADER))
    return {"results": [_result({"id": each} if isinstance(each, str) else each) for each in outcomes]}


def cancel_tasks(asked: Any) -> dict[str, Any]:
    """Record the caller's wish for tasks that are named, or that are found by tags and name, a page at a time.

    Returns:
        `CancelledTasks` of the document.

    Raises:
        Problem: 400, 413 or 503 for the call as a whole; no wish has been recorded then.
        StoreUnavailable: any of the wishes may have been recorded.
    """
    parts = services()
    if not isinstance(asked, Mapping):
        raise invalid([FieldError("body", "must be a JSON object")])
    asked = {name: value for name, value in asked.items() if value is not None}
    write_task(asked)  # refuses what is no text
    if _IDS in asked:
        return {"results": _cancel_named(parts, _ids(asked, parts.settings.api.largest_batch))}
    return _cancel_found(parts, asked)


def _tasks(asked: Any, most: int) -> Sequence[Any]:
    """Return the tasks of a body.

    Raises:
        Problem: 400, it is neither a list nor an object with one; 413, there are more than `most`.
    """
    tasks = asked.get("tasks") if isinstance(asked, Mapping) else asked
    if not isinstance(tasks, list) or not tasks:
        raise invalid([FieldError("body", "must be a list of tasks, or an object with it as tasks; one task at least")])
    if len(tasks) > most:
        raise Problem(413, f"there are {len(tasks)} tasks in one call, more than {most} (api.largest_batch)")
    return tasks


def _submission(parts: Services, task: Any) -> Submission | Problem:
    """Check one task's shape."""
    try:
        if not isinstance(task, Mapping):
            raise invalid([FieldError("body", "must be a JSON object, a tesTask")])
        document = without_server_set(task)
        write_task(document)  # refuses what is no text
        parts.task_schema.check(document)
    except Problem as problem:
        return problem
    return arriving(document)


def _ids(asked: Mapping[str, Any], most: int) -> Sequence[str]:
    ids = asked[_IDS]
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise invalid([FieldError(_IDS, "must be a list of task ids")])
    others = [name for name in (_TAGS, _PREFIX, _TOKEN) if name in asked]
    if others:
        raise invalid([FieldError(name, "cannot be used together with ids") for name in others])
    if len(ids) > most:
        raise Problem(413, f"there are {len(ids)} ids in one call, more than {most} (api.largest_batch)")
    return ids


def _cancel_named(parts: Services, ids: Sequence[str]) -> list[dict[str, Any]]:
    seen = sees()
    read = {each: parts.tasks.get(each, head=True, audiences=seen.readable) for each in dict.fromkeys(ids)}
    heads = {each: head for each, head in read.items() if head is not None}
    own = {each for each, head in heads.items() if may_change(seen.changeable, head)}
    _cancel(parts, [head for each, head in heads.items() if each in own and not head.state.finished])
    refusals = {each: forbidden() if each in heads else absent() for each in read if each not in own}
    return [_result(refusals.get(each) or {"id": each}, each) for each in ids]


def _cancel_found(parts: Services, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Cancel what is unfinished on one page of the caller's tasks."""
    tags, prefix = _filters(asked)
    filters = (caller().subject, "cancel", prefix, tags)
    token, most = asked.get(_TOKEN), parts.settings.api.largest_batch
    if token is not None and not isinstance(token, str):
        raise invalid([FieldError(_TOKEN, "must be the next_page_token of the answer before")])
    query = TaskQuery(
        name_prefix=prefix,
        tags=tags,
        before=page_tokens.read(token, filters) if token else None,
        limit=most + 1,
        heads=True,
    )
    found = page_of(parts.tasks, query, sees().changeable)
    page = found[:most]
    unfinished = [each for each in page if not each.state.finished]
    _cancel(parts, unfinished)
    more = {"next_page_token": page_tokens.write(page[-1].id, filters)} if len(found) > most else {}
    return {"results": [{"id": each.id} for each in unfinished], **more}


def _filters(asked: Mapping[str, Any]) -> tuple[tuple[tuple[str, str | None], ...], str]:
    """Return tags and name prefix of the tasks to cancel, at least one of them.

    Raises:
        Problem: 400.
    """
    tags, prefix = asked.get(_TAGS, {}), asked.get(_PREFIX, "")
    if not isinstance(tags, Mapping) or not all(isinstance(value, str) for value in tags.values()):
        raise invalid([FieldError(_TAGS, 'must be a JSON object of strings; "" stands for any value')])
    if not isinstance(prefix, str):
        raise invalid([FieldError(_PREFIX, "must be a string")])
    if not tags and not prefix:
        raise invalid([FieldError("body", "must name tasks: by ids, tags or name_prefix")])
    # As in ListTasks: a tag without a value has any.
    return tuple((key, value or None) for key, value in tags.items()), prefix


def _cancel(parts: Services, heads: Sequence[TaskRecord]) -> None:
    if not heads:
        return
    with parts.intake.place():
        cancelled = parts.tasks.request_cancels([each.id for each in heads], parts.clock.now())
    parts.waiting.nudge()
    for record in cancelled:
        if record.due_at is not None:
            parts.runner.submit(DISPATCH, record.id)


def _result(outcome: dict[str, Any] | Problem, task_id: str | None = None) -> dict[str, Any]:
    if not isinstance(outcome, Problem):
        return outcome
    return {**({"id": task_id} if task_id is not None else {}), "problem": document_of(outcome)}
