"""Controllers of `openapi/execution-broker.yaml`: the gateway as an IVOA Execution Broker.

Function names are the document's operation ids. Bodies are read here and not by connexion, which knows no YAML.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response

from protes.api.admission import entrance
from protes.api.arriving import arriving
from protes.api.documents import body, document_answer, refusing
from protes.api.ingress import SERVER_SET
from protes.api.problems import FieldError, Problem, invalid
from protes.api.services import caller, eyes, ingress, services
from protes.api.submission import DISPATCH, gateways_passed, prepare
from protes.offers.broker import Broker, Session
from protes.offers.ivoa import (
    failed_document,
    no_document,
    offer_set_document,
    offer_set_path,
    session_document,
)
from protes.offers.messages import Message
from protes.offers.phases import Phase
from protes.offers.request import ExecutionRequest, read_request
from protes.offers.sets import OfferSet
from protes.offers.updates import read_update
from protes.store.records import TaskRecord

BASE = "/ivoa/execution-broker/v1"
_TASK = "executable.task"


@refusing
def RequestOffers() -> Response:
    """Answer offers for what is asked, or NO with reasons."""
    made = _offers(read_request(body(), services().settings.currency))
    if not isinstance(made, OfferSet):
        return document_answer(no_document(made, services().clock.now()))
    return _offer_set(made.id)


def RequestOfferSet() -> Response:
    """Answer as `RequestOffers`: its path in earlier versions."""
    return RequestOffers()


@refusing
def RequestDirectly() -> Response:
    """Have the best offer accepted at once, or answer a failed session."""
    request = read_request(body(), services().settings.currency)
    made = _offers(request)
    if not isinstance(made, OfferSet):
        return document_answer(failed_document(made, request.executable, services().clock.now()), 400)
    session = _accepted(_broker().session(made.session_id(1), caller().subject), made.session_id(1))
    return _session(session, with_location=True)


@refusing
def GetOfferSet(uuid: str) -> Response:
    """Answer an offer set."""
    return _offer_set(uuid)


@refusing
def GetSession(uuid: str) -> Response:
    """Answer a session."""
    return _session(_broker().session(uuid, caller().subject))


@refusing
def UpdateSession(uuid: str) -> Response:
    """Accept, reject or cancel a session."""
    broker, subject = _broker(), caller().subject
    session = broker.session(uuid, subject)  # whether it is there comes before what is wanted of it
    wanted = read_update(body())
    if wanted is Phase.ACCEPTED and session.phase is Phase.OFFERED:
        return _session(_accepted(session, uuid))
    return _session(broker.update(uuid, subject, wanted))


def _accepted(session: Session, uuid: str) -> Session:
    """Accept an offer, if there is room for another task of the caller's.

    Raises:
        Problem: 413 or 429.
        IllegalTransition, StoreError: as for `Broker.update`.
    """
    with entrance(services().quotas, caller()) as way_in, way_in.room(session.offer_set.task):
        return _broker().update(uuid, caller().subject, Phase.ACCEPTED)


def _broker() -> Broker:
    parts = services()
    return Broker(
        parts.records,
        parts.tasks,
        parts.planner,
        parts.clock,
        lambda task_id: parts.runner.submit(DISPATCH, task_id),
        parts.settings.currency,
        parts.settings.planning.offers_valid_seconds,
        parts.removal,
    )


def _offers(request: ExecutionRequest) -> OfferSet | list[Message]:
    """Check the task as POST /tasks does, and have offers made."""
    task = _checked(request) if request.task else None
    if request.refusals or task is None:
        return list(request.refusals)
    return _broker().offer(request, task)


def _checked(request: ExecutionRequest) -> TaskRecord:
    """Make the record of the task; what is wrong with it is named as the request has it."""
    parts = services()
    try:
        parts.task_schema.check({name: value for name, value in request.task.items() if name not in SERVER_SET})
        # A session may be accepted by another request, long after this one: no token is kept for it.
        submission = replace(arriving(request.task_with_wishes()), authorization=None)
        return prepare(parts, caller(), submission, gateways_passed(submission, parts.gateway_id))
    except Problem as problem:
        if problem.status != 400 or not problem.errors:
            raise
        raise invalid([FieldError(_place(error.field, request), error.detail) for error in problem.errors]) from None


def _place(field: str, request: ExecutionRequest) -> str:
    """Return where in the request stands what is wrong with the task that was made of it."""
    if field.startswith("header "):
        return field
    wish = next((place for name, place in request.places.items() if field == f"tags.protes.{name}"), None)
    return wish or (_TASK if field == "body" else f"{_TASK}.{field}")


def _root() -> str:
    return ingress().prefix + BASE


def _task_of(offer_set: OfferSet) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(offer_set.task.document)
    return document


def _offer_set(uuid: str) -> Response:
    offer_set, sessions = _broker().offer_set(uuid, caller().subject)
    document = offer_set_document(offer_set, sessions, _root(), _task_of(offer_set), eyes().instances)
    return document_answer(document, location=offer_set_path(offer_set, _root()))


def _session(session: Session, *, with_location: bool = False) -> Response:
    document = session_document(session, _root(), _task_of(session.offer_set), eyes().instances)
    return document_answer(document, location=document["meta"]["url"] if with_location else None)
