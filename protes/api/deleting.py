"""The controller of `DELETE /tasks/{id}` in `openapi/protes.yaml`: an owner deletes a task that has ended.

Its name is the document's operation id.
"""

from flask import Response

from protes.api.callers import Caller
from protes.api.problems import Problem
from protes.api.services import caller, sees, services
from protes.api.visibility import changeable_task
from protes.store.records import TaskRecord

_RETRY_AFTER_SECONDS = "10"


def DeleteTask(id: str) -> Response:
    """Remove a task that has ended, with all that is kept for it."""
    parts = services()
    changeable_task(parts.tasks, sees(), id)
    record = parts.tasks.get(id)
    if record is not None:
        _check(caller(), record)
        with parts.intake.place():
            parts.removal.remove(id)
        parts.waiting.nudge()
    return Response(status=204)


def _check(who: Caller, record: TaskRecord) -> None:
    """Let pass what may be deleted.

    Raises:
        Problem: 403, by somebody else; 409, not yet.
    """
    if record.owner != who.subject and not who.is_operator:
        raise Problem(403, "id: only its owner, or the operator, may delete a task")
    if not record.state.finished:
        text = f"id: the task has not ended: cancel it first (POST /ga4gh/tes/v1/tasks/{record.id}:cancel)"
        raise Problem(409, text)
    if record.live_attempt is not None:
        text = (
            "id: its copy at an instance is still being cancelled; it can be deleted once that is known to have ended"
        )
        raise Problem(409, text, headers={"Retry-After": _RETRY_AFTER_SECONDS})
