"""Controllers of `openapi/service-registry.yaml`: the gateway as a GA4GH Service Registry 1.0.0 of its instances.

Function names are the document's operation ids.
"""

import hashlib
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from flask import Response, request

from protes.api.answers import answer
from protes.api.callers import require_operator
from protes.api.problems import FieldError, Problem, invalid
from protes.api.registry_bodies import RESERVED_IDS, read_registration
from protes.api.registry_documents import external_service, registry_info
from protes.api.services import Services, caller, eyes, ingress, services
from protes.federation.known import KnownInstance
from protes.federation.merge import key_of
from protes.federation.registrations import Registration, Taken
from protes.planning.permitted import permitted as permitted_ids

BASE = "/ga4gh/registry/v1"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 50
_HASH_CHARACTERS = 6


def ListServices(healthy: str | None = None, permitted: str | None = None, type: str | None = None) -> Response:
    """Answer the instances that fit all that is asked for."""
    _require_sight()
    parts = services()
    wanted = _type_filter(type) if type is not None else None
    found = list(_members(parts))
    if healthy is not None:
        found = [each for each in found if (each.status == "ok") == (healthy == "true")]
    if permitted is not None:
        who = caller()
        consent = parts.planner.consents.of(who.subject)
        usable = permitted_ids(parts.settings, who.subject, who.groups, found, ingress().profile, consent)
        found = [each for each in found if (each.id in usable) == (permitted == "true")]
    documents = _documents(parts, found)
    return _revalidated([each for each in documents if wanted is None or wanted.fullmatch(_typed(each))])


def ListServiceTypes() -> Response:
    """Answer the distinct types of the instances."""
    _require_sight()
    parts = services()
    types = {_typed(each): each["type"] for each in _documents(parts, list(_members(parts)))}
    return _revalidated([types[each] for each in sorted(types)])


def GetService(id: str) -> Response:
    """Answer one instance, by its id or by that of its registration."""
    _require_sight()
    parts = services()
    return answer(_document(parts, _found(parts, id)))


def GetRegistryInfo() -> Response:
    """Answer what the registry is."""
    return answer(registry_info(services().settings.service))


def RegisterService() -> Response:
    """Register an instance; the operator's call."""
    require_operator(caller())
    parts = services()
    wanted = read_registration(parts.settings.credentials, parts.clock.now())
    wanted = wanted if wanted.id else _with_id(parts, wanted)
    _refuse_taken(parts, wanted)
    try:
        made = parts.federation.registrations.create(wanted)
    except Taken as taken:
        raise _conflict(taken) from None
    return _changed(parts, made, new=True)


def PutService(id: str) -> Response:
    """Register an instance under this id, in the place of what was registered; the operator's call."""
    require_operator(caller())
    parts = services()
    wanted = read_registration(parts.settings.credentials, parts.clock.now(), id)
    _refuse_taken(parts, wanted)
    try:
        made, new = parts.federation.registrations.put(wanted)
    except Taken as taken:
        raise _conflict(taken) from None
    return _changed(parts, made, new=new)


def DeleteService(id: str) -> Response:
    """Remove a registration; the operator's call."""
    require_operator(caller())
    parts = services()
    if parts.federation.registrations.delete(id):
        parts.federation.forget_view()
        return Response(status=204)
    known = next((each for each in _members(parts) if each.id == id), None)
    if known is None:
        raise _unknown()
    raise Problem(409, f"id: {_not_ours(known)}")


def _require_sight() -> None:
    """Let those pass who may see where instances are.

    Raises:
        Problem: 403.
    """
    if not eyes().instances:
        raise Problem(403, "the operator shows nobody else the instances (api.show_instances)")


def _members(parts: Services) -> tuple[KnownInstance, ...]:
    return tuple(each for each in parts.federation.view().instances if each.is_member)


def _found(parts: Services, service_id: str) -> KnownInstance:
    members = _members(parts)
    found = next((each for each in members if each.id == service_id), None)
    if found is not None:
        return found
    # What is registered of an instance that is configured, or known to a registry, has an id of its own.
    registration = parts.federation.registrations.get(service_id)
    key = key_of(registration.url) if registration is not None else None
    found = next((each for each in members if each.key == key), None)
    if found is None:
        raise _unknown()
    return found


def _documents(parts: Services, instances: list[KnownInstance]) -> list[dict[str, Any]]:
    registered = {each.settings.url: each for each in parts.federation.registrations.registered()}
    keys = {key_of(url) for url in registered}
    own = parts.settings.service
    return [external_service(each, own, custom=each.key in keys) for each in instances]


def _document(parts: Services, instance: KnownInstance) -> dict[str, Any]:
    return _documents(parts, [instance])[0]


def _type_filter(text: str) -> re.Pattern[str]:
    """Read GROUP:ARTIFACT:VERSION, each a text or `*`; upper and lower case are the same."""
    named = text.split(":")
    if len(named) != 3 or not all(named):
        raise invalid([FieldError("query parameter type", "must be GROUP:ARTIFACT:VERSION, each of them may be *")])
    return re.compile(":".join("[^:]*" if each == "*" else re.escape(each) for each in named), re.IGNORECASE)


def _typed(document: dict[str, Any]) -> str:
    kind = document["type"]
    return ":".join(kind[name].replace(":", " ") for name in ("group", "artifact", "version"))


def _revalidated(documents: list[dict[str, Any]]) -> Response:
    """Answer a bare list, or 304 where the client has it already."""
    text = json.dumps(documents, separators=(",", ":"))
    response = Response(text, content_type="application/json")
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.vary.add("Authorization")
    response.make_conditional(request)
    return response


def _with_id(parts: Services, wanted: Registration) -> Registration:
    """Give it an id made of its name; of its name and its URL where that is taken."""
    name = _NOT_IN_IDS.sub("-", str(wanted.service["name"])).strip("-._")[:_LONGEST_NAME].rstrip("-._") or "instance"
    taken = {each.id for each in parts.federation.view().instances}
    taken |= {each.id for each in parts.settings.instances} | {*RESERVED_IDS}
    taken |= {each.id for each in parts.federation.registrations.all()}
    digest = hashlib.sha256(key_of(wanted.url).encode()).hexdigest()[:_HASH_CHARACTERS]
    return replace(wanted, id=name if name not in taken else f"{name}-{digest}")


def _refuse_taken(parts: Services, wanted: Registration) -> None:
    """Refuse an id that means another instance already; that of another registration shows when it is stored.

    Raises:
        Problem: 409.
    """
    if any(each.id == wanted.id for each in parts.settings.instances):
        raise Problem(409, f"id: {wanted.id} is an instance of the configuration; what is configured wins anyhow")
    holder = next((each for each in _members(parts) if each.id == wanted.id), None)
    if holder is not None and holder.source == "registry" and holder.key != key_of(wanted.url):
        raise Problem(409, f"id: {wanted.id} is another instance, at {holder.settings.url}, which a registry lists")


def _conflict(taken: Taken) -> Problem:
    return Problem(409, f"{taken.field}: belongs to the registration {taken.holder}; change it with PUT or DELETE it")


def _unknown() -> Problem:
    return Problem(404, "id: there is no service with this id")


def _not_ours(known: KnownInstance) -> str:
    if known.source == "configuration":
        return f"{known.id} is an instance of the configuration; take it out there (custom.instances)"
    listing = ", ".join(known.registries) or "a registry"
    return f"{known.id} is listed by {listing}; it leaves when it is no longer listed there"


def _changed(parts: Services, registration: Registration, *, new: bool) -> Response:
    """Answer what is known of the instance from now on."""
    parts.federation.look_again(key_of(registration.url))
    shown = parts.federation.registrations.shown(registration)
    known = next((each for each in _members(parts) if each.key == shown.key), shown)
    response = answer(_document(parts, known))
    if new:
        response.status_code = 201
        response.headers["Location"] = f"{ingress().prefix}{BASE}/services/{quote(registration.id, safe='')}"
    return response
