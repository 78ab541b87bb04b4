"""What registries list: the schemas of Service Registry 1.0.0 and Service Info 1.0.0 as frozen values.

Names are the specifications' own, in Python's spelling (`contactUrl` is `contact_url`). Fields that the specifications
require and real registries leave out are None.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service_registry_client.errors import InvalidURL
from service_registry_client.urls import normalise_url

_SERVICE_INFO = "/service-info"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceType:
    """Which API a service implements: `group`:`artifact`:`version`, as listed; compare without regard to case."""

    group: str | None = None
    artifact: str
    version: str | None = None

    def __str__(self) -> str:
        """`org.ga4gh:tes:1.1.0`, with `*` for what is unknown."""
        return f"{self.group or '*'}:{self.artifact}:{self.version or '*'}"

    def document(self) -> dict[str, Any]:
        """The specification's ServiceType; only what is known."""
        return _known({"group": self.group, "artifact": self.artifact, "version": self.version})


@dataclass(frozen=True, slots=True)
class Organization:
    """Who provides a service."""

    name: str | None = None
    url: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The specification's organization, with fields it does not know; only what is known."""
        return {**self.extra, **_known({"name": self.name, "url": self.url})}


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an entry comes from.

    Attributes:
        registry: Base URL of the registry.
        dialect: The entry's shape: `ga4gh` for the specification's, `implementation-registry` for that of GA4GH's
            Implementation Registry.
        listed_url: The entry's URL as it was listed, before normalisation.
    """

    registry: str
    dialect: str = "ga4gh"
    listed_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Service:
    """The specification's Service: what a service says about itself.

    Attributes:
        id: As listed; not unique in practice, many deployments share their software's default.
        version: Of the software, not of the API, which is `type.version`.
        created_at: RFC 3339 as listed; so is `updated_at`.
        environment: Such as `prod`, `test`, `dev`, `staging`; not enforced.
        extra: Fields that the specification does not have, as listed.
    """

    id: str
    name: str
    type: ServiceType
    organization: Organization | None = None
    version: str | None = None
    description: str | None = None
    contact_url: str | None = None
    documentation_url: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    environment: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The specification's JSON object, with the fields of `extra`; only what is known."""
        known = {
            "id": self.id,
            "name": self.name,
            "type": self.type.document(),
            "organization": self.organization.document() if self.organization else None,
            "version": self.version,
            "description": self.description,
            "contactUrl": self.contact_url,
            "documentationUrl": self.documentation_url,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "environment": self.environment,
        }
        return {**self.extra, **_known(known)}


@dataclass(frozen=True, kw_only=True)
class ExternalService(Service):
    """The specification's ExternalService: a service and where it is.

    Attributes:
        url: Base URL in the form of `normalise_url`; with or without the API's path, registries differ.
        service_info_url: Where its service-info is, in the dialect that says so; as listed. See `preferred_url`.
        provenance: Where the entry comes from.
    """

    url: str
    service_info_url: str | None = None
    provenance: Provenance

    @property
    def preferred_url(self) -> str:
        """The base URL to try first: that of `service_info_url` if it is one, else `url`.

        Where a registry lists the bare host, this has the API's path. It has the form of `normalise_url` as well. Not
        every one of them works, so `url` is what to fall back on, and to tell services apart by.
        """
        listed = (self.service_info_url or "").rstrip("/")
        if not listed.endswith(_SERVICE_INFO):
            return self.url
        try:
            return normalise_url(listed)
        except InvalidURL:
            return self.url

    def document(self) -> dict[str, Any]:
        """The specification's JSON object, with the fields of `extra`; only what is known."""
        located = {"url": self.url, "serviceInfoUrl": self.service_info_url}
        return {**super().document(), **_known(located)}


@dataclass(frozen=True, slots=True)
class Verification:
    """That a registry vouches for a service of an address and a type (`GET /verifications`, an extension).

    Attributes:
        service_id: As listed; None if it is not said. What counts are address and type, since ids are not unique.
        url: The service's base URL in the form of `normalise_url`.
        type: The service's type, as listed.
    """

    service_id: str | None
    url: str
    type: ServiceType


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer of a registry: its services in the order listed, and what is to know about the answer.

    Attributes:
        services: The entries that could be understood.
        warnings: One text for each entry or page that could not.
        etag: To ask again whether anything has changed; None if the registry gave none.
        max_age_seconds: How long the registry says the answer holds; None if it does not say.
        no_store: Whether the registry asks that the answer is not kept on disk.
    """

    services: tuple[ExternalService, ...]
    warnings: tuple[str, ...] = ()
    etag: str | None = None
    max_age_seconds: int | None = None
    no_store: bool = False

    def __iter__(self) -> Iterator[ExternalService]:
        """The services."""
        return iter(self.services)

    def __len__(self) -> int:
        """How many services were understood."""
        return len(self.services)


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
