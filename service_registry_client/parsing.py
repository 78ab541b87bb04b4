"""From a registry's JSON to `ExternalService`s, tolerant of what real registries serve.

Entries are judged one by one: one that cannot be understood is dropped with a warning, never the list. An entry needs
an address and a type; everything else may be missing or odd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from service_registry_client.errors import InvalidURL, RegistryBody
from service_registry_client.models import ExternalService, Organization, Provenance, Service, ServiceType, Verification
from service_registry_client.urls import normalise_url

_MAX_WARNINGS = 100
_SHARED_TYPES = 256
_SHARED_CHARACTERS = 200
_SERVICE_KEYS = frozenset({"id", "name", "type", "organization", "version", "description", "environment"}) | frozenset(
    {"contactUrl", "documentationUrl", "createdAt", "updatedAt"}
)
_EXTERNAL_KEYS = _SERVICE_KEYS | {"url", "serviceInfoUrl"}
_IMPLEMENTATION_KEYS = _EXTERNAL_KEYS | {"organisation", "standardVersion"}
_ORGANIZATION_KEYS = frozenset({"name", "url"})


class _Unusable(Exception):
    """An entry cannot be understood; the text says why."""


@dataclass(frozen=True)
class Parsed:
    """What a list of entries holds: the services understood, and a warning for each entry that was not."""

    services: tuple[ExternalService, ...]
    warnings: tuple[str, ...]


def parse_json(body: bytes, url: str) -> Any:
    """A body as JSON; NaN and infinities, which JSON does not have, and numbers that become such are refused.

    Raises:
        RegistryBody: The body is not JSON. The text does not repeat it.
    """
    try:
        return json.loads(body, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        kind = "HTML" if body.lstrip()[:1] == b"<" else "empty" if not body.strip() else "not JSON"
        raise RegistryBody(url, f"the answer is {kind}; expected JSON") from None


def parse_services(document: object, registry: str) -> Parsed:
    """The services of an answer to `GET /services`: an array, or an object with one under services, items or results.

    A record that repeats another one's address and type is dropped with a warning.

    Raises:
        RegistryBody: The document is neither.
    """
    services: dict[tuple[str, str], ExternalService] = {}
    warnings: list[str] = []
    for number, entry in enumerate(_entries(document, registry)):
        try:
            service = _external_service(entry, registry)
        except _Unusable as error:
            warnings.append(f"entry {number}{_label(entry)} dropped: {error}")
            continue
        key = (service.url, str(service.type).casefold())
        if key in services:
            warnings.append(f"entry {number}{_label(entry)} dropped: same address and type as an earlier one")
        services.setdefault(key, service)
    return Parsed(tuple(services.values()), limit_warnings(warnings))


def parse_service(document: object, registry: str) -> ExternalService:
    """The service of an answer to `GET /services/{serviceId}`.

    Raises:
        RegistryBody: The document is not a service with an address and a type.
    """
    try:
        return _external_service(document, registry)
    except _Unusable as error:
        raise RegistryBody(registry, f"the answer is not a service: {error}") from None


def parse_service_info(document: object, registry: str) -> Service:
    """The registry's own description, the answer to `GET /service-info`.

    Raises:
        RegistryBody: The document is not a Service with a type.
    """
    try:
        entry = _object(document)
        return Service(**_service_fields(entry, fallback_id=registry), extra=_extra(entry, _SERVICE_KEYS))
    except _Unusable as error:
        raise RegistryBody(registry, f"the answer is not a service-info: {error}") from None


def parse_types(document: object, registry: str) -> tuple[ServiceType, ...]:
    """The answer to `GET /services/types`; entries that are no types are left out.

    Raises:
        RegistryBody: The document is not a list.
    """
    found: dict[ServiceType, None] = {}
    for entry in _entries(document, registry):
        try:
            found[_service_type(_object(entry))] = None
        except _Unusable:
            continue
    return tuple(found)


def parse_verifications(document: object, url: str) -> tuple[Verification, ...]:
    """The answer to `GET /verifications`; entries without a usable address and type are left out: they vouch for none.

    Raises:
        RegistryBody: The document is not a list.
    """
    found: dict[Verification, None] = {}
    for each in _entries(document, url, "verifications"):
        try:
            entry = _object(each)
            kind = _service_type(entry.get("type"))
            found[Verification(_text(entry.get("service_id")), _url(entry), kind)] = None
        except _Unusable:
            continue
    return tuple(found)


def limit_warnings(warnings: Sequence[str]) -> tuple[str, ...]:
    """The first of many warnings and how many more there are, so that a broken registry fills no log."""
    more = len(warnings) - _MAX_WARNINGS
    return tuple(warnings) if more <= 0 else (*warnings[:_MAX_WARNINGS], f"and {more} more warnings")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _entries(document: object, registry: str, what: str = "services") -> Sequence[object]:
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for key in (what, "items", "results"):
            if isinstance(document.get(key), list):
                found: list[object] = document[key]
                return found
    raise RegistryBody(registry, f"the answer is not a list of {what}")


def _external_service(document: object, registry: str) -> ExternalService:
    entry = _object(document)
    url = _url(entry)
    by_product = _is_implementation(entry)
    fields = _service_fields(entry, fallback_id=url)
    fields["extra"] = _extra(entry, _IMPLEMENTATION_KEYS if by_product else _EXTERNAL_KEYS)
    fields["url"] = url
    fields["service_info_url"] = _text(entry.get("serviceInfoUrl"))
    fields["provenance"] = Provenance(registry, "implementation-registry" if by_product else "ga4gh", entry["url"])
    return _of_fields(fields)


def _of_fields(fields: dict[str, Any]) -> ExternalService:
    """The service with these fields, all of which must be there.

    The constructor of a frozen dataclass works around its own lock for each of them, which of a list of thousands of
    services takes a quarter of the time.
    """
    service = object.__new__(ExternalService)
    vars(service).update(fields)
    return service


def _url(entry: Mapping[str, Any]) -> str:
    listed = entry.get("url")
    if not isinstance(listed, str) or not listed.strip():
        raise _Unusable("it has no url")
    try:
        return normalise_url(listed)
    except InvalidURL as error:
        raise _Unusable(str(error)) from None


def _service_fields(entry: Mapping[str, Any], fallback_id: str) -> dict[str, Any]:
    get = entry.get
    service_id = _text(get("id")) or fallback_id
    organization = get("organization")
    return {
        "id": service_id,
        "name": _text(get("name")) or service_id,
        "type": _implemented_type(entry) if _is_implementation(entry) else _service_type(get("type")),
        "organization": _organization(organization if organization is not None else get("organisation")),
        "version": _text(get("version")),
        "description": _text(get("description")),
        "contact_url": _text(get("contactUrl")),
        "documentation_url": _text(get("documentationUrl")),
        "created_at": _text(get("createdAt")),
        "updated_at": _text(get("updatedAt")),
        "environment": _text(get("environment")),
    }


def _is_implementation(entry: Mapping[str, Any]) -> bool:
    """Whether the entry has the shape of GA4GH's Implementation Registry: a product and its version, no type."""
    return "type" not in entry and isinstance(entry.get("standardVersion"), dict)


def _implemented_type(entry: Mapping[str, Any]) -> ServiceType:
    standard: dict[str, Any] = entry["standardVersion"]
    product = _text(standard.get("ga4ghProduct"))
    if product is None:
        raise _Unusable("its standardVersion names no ga4ghProduct")
    return _type("org.ga4gh", product.lower(), _text(standard.get("version")))


def _service_type(value: object) -> ServiceType:
    if not isinstance(value, dict):
        raise _Unusable("it has no type")
    artifact = _text(value.get("artifact"))
    if artifact is None:
        raise _Unusable("its type has no artifact")
    return _type(_text(value.get("group")), artifact, _text(value.get("version")))


def _type(group: str | None, artifact: str, version: str | None) -> ServiceType:
    """The type; services by the thousand share a value. One with long texts is not kept for others."""
    short = len(group or "") + len(artifact) + len(version or "") <= _SHARED_CHARACTERS
    return (_shared_type if short else _new_type)(group, artifact, version)


def _new_type(group: str | None, artifact: str, version: str | None) -> ServiceType:
    return ServiceType(group=group, artifact=artifact, version=version)


_shared_type = lru_cache(_SHARED_TYPES)(_new_type)


def _organization(value: object) -> Organization | None:
    if isinstance(value, dict):
        extra = _extra(value, _ORGANIZATION_KEYS)
        return Organization(_text(value.get("name")), _text(value.get("url")), extra)
    name = _text(value)
    return Organization(name) if name is not None else None


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Unusable("it is not an object")
    return value


def _text(value: object) -> str | None:
    """Trimmed text; numbers are accepted, since versions such as 1.0 turn into them; None for anything else."""
    if value is None or isinstance(value, str):
        return value and (value.strip() or None)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _extra(entry: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {} if entry.keys() <= known else {name: value for name, value in entry.items() if name not in known}


def _label(entry: object) -> str:
    """An entry's id or name for a warning: short, quoted, without control characters."""
    if not isinstance(entry, dict):
        return ""
    label = _text(entry.get("id")) or _text(entry.get("name"))
    return f" ({label[:60]!r})" if label else ""
