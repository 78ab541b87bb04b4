"""What the gateway shows as a GA4GH Service Registry: instances as `ExternalService`, and itself as `Service`."""

from collections.abc import Mapping
from typing import Any

from protes import __version__
from protes.api.registry_bodies import EXTENSION, HEALTH
from protes.clock import rfc3339
from protes.config.instances import Declared, InstanceSettings
from protes.config.settings import ServiceSettings
from protes.federation.known import KnownInstance

_TEXTS = ("description", "contactUrl", "documentationUrl", "createdAt", "updatedAt", "environment")
_SPECIFIED = ("id", "name", "type", "url", "organization", "version", *_TEXTS, EXTENSION, HEALTH)
_GROUP, _ARTIFACT, _VERSION = "org.ga4gh", "tes", "1.1.0"
_UNKNOWN_VERSION = "unknown"
_MOST_ERROR = 500


def external_service(instance: KnownInstance, own: ServiceSettings, *, custom: bool) -> dict[str, Any]:
    """Make the `ExternalService` of an instance.

    Args:
        instance: the instance.
        own: what the gateway says of itself; its organization stands in where an instance's is not known.
        custom: whether fields that the specification does not have are shown as they were registered.
    """
    said = instance.service
    document: dict[str, Any] = {
        "id": instance.id,
        "name": instance.name,
        "type": _type(said.get("type")),
        "url": instance.base_url or instance.settings.url,
        "organization": _organization(said.get("organization"), own),
        "version": _version(instance),
        **{name: said[name] for name in _TEXTS if isinstance(said.get(name), str)},
    }
    if custom:
        document |= {name: value for name, value in said.items() if name not in _SPECIFIED}
    declared = declared_document(instance.settings)
    return {**document, **({EXTENSION: declared} if declared else {}), HEALTH: _health(instance)}


def registry_info(own: ServiceSettings) -> dict[str, Any]:
    """Make the `Service` that the gateway is as a registry."""
    optional = {
        "contactUrl": own.contact_url,
        "documentationUrl": own.documentation_url,
        "environment": own.environment,
    }
    return {
        "id": f"{own.id}.registry",
        "name": f"{own.name}: registry of its instances",
        "type": {"group": _GROUP, "artifact": "service-registry", "version": "1.0.0"},
        "description": "The TES instances behind this gateway, with their health",
        "organization": _own_organization(own),
        "version": __version__,
        **{name: value for name, value in optional.items() if value is not None},
    }


def declared_document(settings: InstanceSettings) -> dict[str, Any]:
    """Return all that is declared of an instance, as a `Declared` that another gateway reads; only what is said."""
    declared = settings.model_dump(mode="json", include=set(Declared.model_fields), exclude_none=True)
    return {name: value for name, value in declared.items() if value != {}}


def _type(said: object) -> dict[str, str]:
    known = said if isinstance(said, Mapping) else {}
    group, version = known.get("group"), known.get("version")
    return {
        "group": group if isinstance(group, str) and group else _GROUP,
        "artifact": _ARTIFACT,
        "version": version if isinstance(version, str) and version else _VERSION,
    }


def _organization(said: object, own: ServiceSettings) -> dict[str, Any]:
    if isinstance(said, Mapping) and all(isinstance(said.get(name), str) for name in ("name", "url")):
        return {"name": said["name"], "url": said["url"]}
    return _own_organization(own)


def _own_organization(own: ServiceSettings) -> dict[str, Any]:
    return {"name": own.organization.name, "url": own.organization.url}


def _version(instance: KnownInstance) -> str:
    probed = instance.probed.version if instance.probed else None
    said = instance.service.get("version")
    return probed or (said if isinstance(said, str) and said else _UNKNOWN_VERSION)


def _health(instance: KnownInstance) -> dict[str, Any]:
    probed, error = instance.probed, error_of(instance)
    known = {
        "lastProbe": rfc3339(probed.at) if probed else None,
        "lastHeard": rfc3339(probed.heard_at) if probed and probed.heard_at else None,
        "error": error[:_MOST_ERROR] if error else None,
        "dialect": instance.dialect,
    }
    return {
        "state": instance.status,
        "tasksInFlight": instance.in_flight,
        **{name: value for name, value in known.items() if value is not None},
    }


def error_of(instance: KnownInstance) -> str | None:
    """Say what is wrong with an instance, or None."""
    if instance.ejection is not None:
        left_out = f"left out until {rfc3339(instance.ejection.until)}: {instance.ejection.reason}"
        return f"{left_out}; let in all the same: {instance.let_in}" if instance.let_in else left_out
    return instance.probed.error if instance.probed else None
