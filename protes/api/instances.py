"""What the outside is shown of an instance."""

from typing import Any

from protes.clock import rfc3339
from protes.config.instances import Prices
from protes.federation.known import KnownInstance


def instance_document(instance: KnownInstance, show_url: bool) -> dict[str, Any]:
    """Make the `Instance` of `openapi/protes.yaml`; what is not known is left out."""
    settings, probed = instance.settings, instance.probed
    limits = settings.limits.model_dump(mode="json", exclude_none=True)
    known = {
        "url": (instance.base_url or settings.url) if show_url else None,
        "dialect": instance.dialect,
        "version": probed.version if probed else None,
        "limits": limits or None,
        "prices": _prices(settings.prices) if settings.prices else None,
        "speed": settings.speed,
        "zone": settings.zone,
        "last_probe": rfc3339(probed.at) if probed else None,
        "last_error": _error(instance),
    }
    return {
        "id": instance.id,
        "name": instance.name,
        "source": instance.source,
        "state": instance.status,
        "tasks_in_flight": instance.in_flight,
        **{key: value for key, value in known.items() if value is not None},
    }


def _prices(prices: Prices) -> dict[str, str]:
    return {key: str(value) for key, value in prices.model_dump(exclude_none=True).items()}


def _error(instance: KnownInstance) -> str | None:
    if instance.ejection is not None:
        return f"left out until {rfc3339(instance.ejection.until)}: {instance.ejection.reason}"
    return instance.probed.error if instance.probed else None
