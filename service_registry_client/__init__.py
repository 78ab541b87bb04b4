"""A client of GA4GH Service Registries, tolerant of what real ones serve. See README.md in this folder."""

from service_registry_client.cache import CachedRegistry, Snapshot
from service_registry_client.client import RegistryClient
from service_registry_client.errors import (
    AddressRefused,
    InvalidURL,
    RegistryAnswer,
    RegistryBody,
    RegistryError,
    RegistryRedirect,
    RegistryTimeout,
    RegistryUnreachable,
)
from service_registry_client.filters import filter_services, verified_services
from service_registry_client.models import (
    ExternalService,
    Listing,
    Organization,
    Provenance,
    Service,
    ServiceType,
    Verification,
)
from service_registry_client.nested import RegistryTree
from service_registry_client.transport import Limits
from service_registry_client.urls import normalise_url

__all__ = [
    "AddressRefused",
    "CachedRegistry",
    "ExternalService",
    "InvalidURL",
    "Limits",
    "Listing",
    "Organization",
    "Provenance",
    "RegistryAnswer",
    "RegistryBody",
    "RegistryClient",
    "RegistryError",
    "RegistryRedirect",
    "RegistryTimeout",
    "RegistryTree",
    "RegistryUnreachable",
    "Service",
    "ServiceType",
    "Snapshot",
    "Verification",
    "filter_services",
    "normalise_url",
    "verified_services",
]
