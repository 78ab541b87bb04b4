"""Controllers of `openapi/protes.yaml`: what the gateway offers beyond TES.

Function names are the document's operation ids.
"""

from typing import Any

from flask import Response, request

from protes.api.answers import answer
from protes.api.callers import caller_may_see, require_operator
from protes.api.instances import instance_document
from protes.api.preference import WEIGHT_HEADER
from protes.api.problems import Problem
from protes.api.services import caller, eyes, ingress, services
from protes.api.submission import Submission, prepare
from protes.clock import rfc3339
from protes.planning import explain
from protes.store.records import Attempt


def ListInstances() -> Response:
    """Answer the instances known now."""
    seen_by = eyes()
    view = services().federation.view()
    return answer({"instances": [instance_document(each, seen_by.instances) for each in view.instances]})


def RefreshInstances() -> Response:
    """Ask all registries and have every instance probed again; the operator's call."""
    require_operator(caller())
    services().federation.refresh()
    return ListInstances()


def GetRouting(id: str) -> Response:
    """Explain how a task came to its instance."""
    parts = services()
    record = parts.tasks.get(id)
    if record is None or not caller_may_see(caller(), record.owner):
        raise Problem(404, "id: there is no task with this id")
    explained = parts.planner.explanation(record)
    chosen = record.attempts[-1].instance_id if record.attempts else None
    attempts = [_attempt(attempt, eyes().instances) for attempt in record.attempts]
    return answer({**explained, **({"chosen": chosen} if chosen is not None else {}), "attempts": attempts})


def CreateOffers(body: dict[str, Any]) -> Response:
    """Answer what each instance would offer for a task: a dry run, nothing is stored."""
    arrived, parts = ingress(), services()
    parts.task_schema.check(body)
    submission = Submission(
        document=body,
        base=arrived.base,
        prefix=arrived.prefix,
        url_weight=arrived.weight,
        header_weight=request.headers.get(WEIGHT_HEADER),
    )
    record = prepare(parts, caller(), submission)
    plan = parts.planner.plan(record)
    currency = parts.settings.currency
    offers = explain.candidates(plan.offers, plan.reasons, currency)
    preference = record.preference
    return answer({"weight": str(preference["weight"]), "carrier": preference["carrier"], "offers": offers})


def ListMiddleware() -> Response:
    """Answer the steps of the chain, without their options, which may hold secrets."""
    steps = services().settings.chain
    shown = [
        {"use": step.use, "on_error": step.on_error, "alternatives": [each.use for each in step.alternatives]}
        for step in steps
    ]
    return answer({"steps": shown})


def _attempt(attempt: Attempt, show_instance: bool) -> dict[str, Any]:
    shown = {"instance_url": attempt.instance_url, "instance_task_id": attempt.instance_task_id}
    optional = {"message": attempt.message, **(shown if show_instance else {})}
    return {
        "n": attempt.n,
        "instance": attempt.instance_id,
        "phase": str(attempt.phase),
        "intended_at": rfc3339(attempt.intended_at),
        **{key: value for key, value in optional.items() if value is not None},
    }
