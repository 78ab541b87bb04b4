"""The last good answer of a registry as text, to be kept by whoever uses the library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from service_registry_client.errors import RegistryBody
from service_registry_client.models import ExternalService, Listing, Provenance
from service_registry_client.parsing import parse_json, parse_service

_FORMAT = 1
_T = TypeVar("_T")


@dataclass(frozen=True)
class Kept:
    """An answer and when it was given, aware UTC."""

    listing: Listing
    fetched_at: datetime


def dump_kept(registry: str, kept: Kept | None, *, verified_only: bool) -> str:
    """The answer as JSON text; without one, or if the registry said no-store, text that says nothing is kept."""
    document: dict[str, Any] = {"format": _FORMAT, "registry": registry, "fetched_at": None}
    document["verified_only"] = verified_only
    if kept is not None and not kept.listing.no_store:
        document |= {
            "fetched_at": kept.fetched_at.astimezone(UTC).isoformat(),
            "etag": kept.listing.etag,
            "max_age_seconds": kept.listing.max_age_seconds,
            "warnings": kept.listing.warnings,
            "services": [_dump_service(service) for service in kept.listing.services],
        }
    return json.dumps(document)


def load_kept(text: str, registry: str, *, verified_only: bool) -> Kept | None:
    """What `dump_kept` was given; None if it was nothing, another registry's, or filtered in another way.

    Raises:
        ValueError: The text is not what `dump_kept` returns.
    """
    try:
        document = parse_json(text.encode("utf-8", "surrogatepass"), registry)
        if document["format"] != _FORMAT:
            raise ValueError("the kept answer has a format of another version")
        if document["registry"] != registry or document["fetched_at"] is None:
            return None
        if document.get("verified_only", False) is not verified_only:
            return None
        listing = Listing(
            services=tuple(_load_service(each, registry) for each in document["services"]),
            warnings=tuple(str(each) for each in document["warnings"]),
            etag=_optional(document["etag"], str),
            max_age_seconds=_optional(document["max_age_seconds"], int),
        )
        return Kept(listing, datetime.fromisoformat(document["fetched_at"]).astimezone(UTC))
    except (RegistryBody, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("the text is not a kept answer of a registry") from error


def _optional(value: object, kind: type[_T]) -> _T | None:
    if value is not None and not isinstance(value, kind):
        raise TypeError("a field has the wrong type")
    return value


def _dump_service(service: ExternalService) -> dict[str, Any]:
    provenance = service.provenance
    return {"service": service.document(), "dialect": provenance.dialect, "listed_url": provenance.listed_url}


def _load_service(entry: Mapping[str, Any], registry: str) -> ExternalService:
    service = parse_service(entry["service"], registry)
    listed_url = _optional(entry["listed_url"], str)
    return replace(service, provenance=Provenance(registry, str(entry["dialect"]), listed_url))
