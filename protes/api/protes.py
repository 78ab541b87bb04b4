"""Controllers of `openapi/protes.yaml`: what the gateway offers beyond TES.

Function names are the document's operation ids.
"""

from collections.abc import Sequence
from typing import Any

from flask import Response

from protes.api import batches
from protes.api.answers import answer
from protes.api.arriving import arriving
from protes.api.callers import require_operator
from protes.api.instances import instance_document
from protes.api.path import hops
from protes.api.problems import Problem
from protes.api.services import Services, caller, eyes, ingress, sees, services
from protes.api.submission import prepare
from protes.api.visibility import is_shown_strangers, readable_task
from protes.clock import rfc3339
from protes.federation.known import KnownInstance
from protes.planning import offer_documents
from protes.planning.actual import outcome
from protes.planning.planner import Plan
from protes.store.records import Attempt, TaskRecord


def ListInstances() -> Response:
    """Answer the instances known now."""
    return answer({"instances": [_instance(each) for each in _instances()]})


def GetInstance(id: str) -> Response:
    """Answer one instance; a member of the federation goes before one of the same id that has left."""
    found = [each for each in _instances() if each.id == id]
    if not found:
        raise Problem(404, "id: there is no instance with this id")
    return answer(_instance(max(found, key=lambda each: each.is_member)))


def RefreshInstances() -> Response:
    """Ask all registries and have every instance probed again; the operator's call."""
    require_operator(caller())
    services().federation.refresh()
    return ListInstances()


def GetRouting(id: str) -> Response:
    """Explain how a task came to its instance."""
    parts = services()
    record = readable_task(parts.tasks, sees(), id)
    explained = parts.planner.explanation(record)
    chosen = record.attempts[-1].instance_id if record.attempts else None
    attempts = [_attempt(attempt, eyes().instances) for attempt in record.attempts]
    ended = outcome(record, explained)
    decides = record.shown_attempt
    way = hops(decides, eyes().instances) if decides is not None else []
    told = parts.callbacks.document(record)
    return answer(
        {
            **explained,
            **({"chosen": chosen} if chosen is not None else {}),
            **({"outcome": ended} if ended is not None else {}),
            **({"path": way} if way else {}),
            **({"callbacks": told} if told is not None else {}),
            "attempts": attempts,
        }
    )


def CreateOffers(body: dict[str, Any]) -> Response:
    """Answer what each instance would offer for a task: a dry run; no task is stored, the offers for a while are."""
    parts = services()
    parts.task_schema.check(body)
    record = prepare(parts, caller(), arriving(body))
    return answer(offers_document(parts, record, parts.planner.plan(record)))


def offers_document(parts: Services, record: TaskRecord, plan: Plan) -> dict[str, Any]:
    """Make the `Offers` of `openapi/protes.yaml`, each with an id under which the task can be run as offered."""
    now = parts.clock.now()
    entries = offer_documents.candidates(plan, parts.settings.currency, len(plan.offers), now)
    ids, expires = parts.offers.save(record.owner, [each.instance.id for each in plan.offers], now)
    for entry, offer in zip(entries, ids, strict=False):
        entry |= {"offer": offer, "expires": rfc3339(expires)}
    value = record.preference.get("value_of_time")
    return {
        "weight": str(record.preference["weight"]),
        **({"value_of_time": value} if value else {}),
        "carrier": record.preference["carrier"],
        **({"metadata": dict(plan.distribution.metadata)} if plan.distribution.metadata else {}),
        "offers": entries,
    }


def CreateTasks(body: Any) -> Response:
    """Make tasks durable, each with its own result."""
    del body  # the ingress layer has it
    return answer(batches.create_tasks(ingress().body))


def CancelTasks(body: Any) -> Response:
    """Record the wish to cancel tasks, each with its own result."""
    del body  # the ingress layer has it
    return answer(batches.cancel_tasks(ingress().body))


def ListMiddleware() -> Response:
    """Answer the steps of the chain, without their options, which may hold secrets."""
    steps = services().settings.chain
    shown = [
        {"use": step.use, "on_error": step.on_error, "alternatives": [each.use for each in step.alternatives]}
        for step in steps
    ]
    return answer({"steps": shown})


def _instances() -> Sequence[KnownInstance]:
    """Return the instances that the caller is shown: what others have brought along, or still have tasks at, is not."""
    instances = services().federation.view().instances
    if is_shown_strangers(caller(), sees()):
        return instances
    return [each for each in instances if each.is_member]


def _instance(instance: KnownInstance) -> dict[str, Any]:
    return instance_document(instance, services().figures.of(instance), eyes().instances)


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
