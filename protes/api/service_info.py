"""What the gateway says of itself: TES 1.1.0 service-info, and the shape of TES 0.4 for clients that know no other."""

from collections.abc import Sequence
from typing import Any

from protes import __version__
from protes.config.settings import ServiceSettings
from protes.federation.known import FederationView, KnownInstance


def service_info(service: ServiceSettings, view: FederationView, own_parameters: Sequence[str]) -> dict[str, Any]:
    """Make the 1.1.0 document: no key beyond the specification's, as py-tes refuses any (STANDARDS.md 2)."""
    optional = {
        "contactUrl": service.contact_url,
        "documentationUrl": service.documentation_url,
        "environment": service.environment,
    }
    declared = {name for instance in _members(view) for name in instance.limits.backend_parameters or ()}
    return {
        "id": service.id,
        "name": service.name,
        "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
        "description": service.description,
        "organization": {"name": service.organization.name, "url": service.organization.url},
        "version": __version__,
        **{key: value for key, value in optional.items() if value is not None},
        "storage": storage(service, view),
        "tesResources_backend_parameters": [*own_parameters, *sorted(declared)],
    }


def legacy(service: ServiceSettings, view: FederationView) -> dict[str, Any]:
    """Make the document of TES 0.4: exactly `name`, `doc` and `storage` (Toil crashes on any other key)."""
    return {"name": service.name, "doc": service.description, "storage": storage(service, view)}


def storage(service: ServiceSettings, view: FederationView) -> list[str]:
    """List storage roots: the operator's, else those that the instances name.

    Toil decides by prefix whether an instance sees a path, so what only some of the instances name is not listed.
    """
    if service.storage:
        return list(service.storage)
    named = [set(instance.storage) for instance in _members(view) if instance.storage]
    return sorted(set.intersection(*named)) if named else []


def _members(view: FederationView) -> Sequence[KnownInstance]:
    """Return the instances that any task may go to: what one task has brought along says nothing to other callers."""
    return [each for each in view.instances if each.is_member]
