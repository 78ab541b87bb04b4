"""Controllers of `/me/instances` in `openapi/protes.yaml`: where the caller's tasks may go.

Function names are the document's operation ids.
"""

from collections.abc import Mapping
from typing import Any

from flask import Response

from protes.api.answers import answer
from protes.api.problems import FieldError, Problem, invalid
from protes.api.services import caller, services
from protes.planning.consent import Consent, Consents, to_json

_LISTS = ("instances", "organizations", "zones")
_TYPES = ("allow", "forbid")
_LONGEST = 2048


def GetMyInstances() -> Response:
    """Answer what the caller allows."""
    return _shown(_consents().of(_subject()))


def PutMyInstances(body: Any) -> Response:
    """Set what the caller allows, in the place of what was set before."""
    subject = _subject()
    consent = read(body, services().settings.quotas.consent_entries)
    with services().intake.place():
        _consents().put(subject, consent)
    return _shown(consent)


def DeleteMyInstances() -> Response:
    """Allow everything again."""
    subject = _subject()
    with services().intake.place():
        _consents().delete(subject)
    return Response(status=204)


def read(body: Any, most: int) -> Consent:
    """Read a consent.

    Args:
        body: the parsed body.
        most: how many entries there may be.

    Raises:
        Problem: 400, naming what is wrong with it.
    """
    if not isinstance(body, Mapping):
        raise invalid([FieldError("body", "must be a JSON object")])
    errors = [
        FieldError(str(name), f"is not known; there are type, {', '.join(_LISTS)}")
        for name in body
        if name not in ("type", *_LISTS)
    ]
    if body.get("type") not in _TYPES:
        errors.append(FieldError("type", f"must be one of {', '.join(_TYPES)}"))
    lists = [body.get(name, []) for name in _LISTS]
    for name, values in zip(_LISTS, lists, strict=True):
        if not isinstance(values, list) or not all(
            isinstance(each, str) and 0 < len(each) <= _LONGEST for each in values
        ):
            errors.append(FieldError(name, f"must be a list of strings of 1 to {_LONGEST} characters"))
    if not errors and sum(map(len, lists)) > most:
        errors.append(FieldError("body", f"names more than {most} (quotas.consent_entries)"))
    if errors:
        raise invalid(errors)
    return Consent(body["type"] == "allow", *(tuple(dict.fromkeys(each)) for each in lists))


def _subject() -> str:
    """Return who the caller is.

    Raises:
        Problem: 403, nobody knows.
    """
    subject = caller().subject
    if not subject:
        text = (
            "everybody who is anonymous would share what is set here: it needs callers that the gateway can tell apart"
        )
        raise Problem(403, text)
    return subject


def _consents() -> Consents:
    return services().planner.consents


def _shown(consent: Consent | None) -> Response:
    """Answer a consent, and what it comes to."""
    said = consent or Consent()
    members = (each for each in services().federation.view().instances if each.is_member)
    return answer({**to_json(said), "allowed": [each.id for each in members if said.allows(each)]})
