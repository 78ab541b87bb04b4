"""Controller of `openapi/task-info.yaml`: estimates as TEStribute asks for them."""

from flask import Response

from protes.api.arriving import arriving
from protes.api.documents import body, document_answer, refusing
from protes.api.problems import FieldError, Problem, invalid
from protes.api.services import caller, services
from protes.api.submission import gateways_passed, prepare
from protes.offers.task_info import task_for, task_info
from protes.store.records import TaskRecord

_RESOURCES = "resources."


@refusing
def GetTaskInfo() -> Response:
    """Answer what the best offer would cost and take. Nothing is stored, and nobody is asked."""
    parts = services()
    plan = parts.planner.plan(_checked(task_for(body())), ask=False)
    if not plan.offers:
        # 404, 405 and 501 mean to TEStribute's clients, and to gateways, that there is no such operation.
        raise Problem(422, f"no instance would run such a task now: {plan.waiting_for()}")
    return document_answer(task_info(plan.offers[0], plan.context.network, parts.settings.currency))


def _checked(task: dict[str, object]) -> TaskRecord:
    """Make the record of the task; what is wrong is named as the request has it, without `resources`."""
    parts = services()
    try:
        parts.task_schema.check(task)
        submission = arriving(task)
        return prepare(parts, caller(), submission, gateways_passed(submission, parts.gateway_id))
    except Problem as problem:
        if problem.status != 400 or not problem.errors:
            raise
        errors = [FieldError(error.field.removeprefix(_RESOURCES), error.detail) for error in problem.errors]
        raise invalid(errors) from None
