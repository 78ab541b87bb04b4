"""What the outside is shown of an instance."""

from typing import Any

from protes.api.registry_documents import error_of
from protes.clock import rfc3339
from protes.config.instances import Declared, Prices
from protes.federation.known import Ejection, KnownInstance
from protes.planning.known_figures import InstanceFigures
from protes.tes.dialects.table import DIALECTS

_CAPABILITIES = ("searchable", "read_your_writes", "late_commit_seconds", "final_error", "cancel_stops_work")
_DECLARED = frozenset(Declared.model_fields) - {"limits", "prices"}


def instance_document(instance: KnownInstance, figures: InstanceFigures, show_url: bool) -> dict[str, Any]:
    """Make the `Instance` of `openapi/protes.yaml`; what is not known is left out.

    Args:
        instance: the instance.
        figures: what is configured and learned of it.
        show_url: whether the caller may see where it is, which registries list it, and what it said of failures.
    """
    probed = instance.probed
    known = {
        "registries": list(instance.registries) if show_url else None,
        "url": (instance.base_url or instance.settings.url) if show_url else None,
        "dialect": instance.dialect,
        "version": probed.version if probed else None,
        "capabilities": _capabilities(instance.dialect),
        "storage": list(instance.storage),
        **_declared(instance),
        "max_in_flight": instance.max_in_flight,
        "health": _health(instance, show_url),
        "figures": _figures(figures),
        "last_probe": rfc3339(probed.at) if probed else None,
        "last_heard": rfc3339(probed.heard_at) if probed and probed.heard_at else None,
        "last_error": error_of(instance) if show_url else None,
    }
    return {
        "id": instance.id,
        "name": instance.name,
        "source": instance.source,
        "state": instance.status,
        "tasks_in_flight": instance.in_flight,
        "tasks_queued": instance.queued,
        **{name: value for name, value in known.items() if value not in (None, [], {})},
    }


def _declared(instance: KnownInstance) -> dict[str, Any]:
    settings = instance.settings
    said = settings.model_dump(mode="json", include=set(_DECLARED), exclude_none=True)
    return {
        "limits": settings.limits.model_dump(mode="json", exclude_none=True),
        "prices": _prices(settings.prices) if settings.prices else None,
        **said,
    }


def _capabilities(dialect: str | None) -> dict[str, Any] | None:
    """Return what the dialect lets the gateway do there; a search that is not possible is left out."""
    known = DIALECTS.get(dialect) if dialect is not None else None
    if known is None:
        return None
    values = {name: getattr(known, name) for name in _CAPABILITIES}
    return {name: value for name, value in values.items() if value is not None}


def _prices(prices: Prices) -> dict[str, str]:
    return {key: str(value) for key, value in prices.model_dump(exclude_none=True).items()}


def _health(instance: KnownInstance, show_reason: bool) -> dict[str, Any]:
    """Return what was seen to be amiss; empty where nothing was. Reasons are an instance's own words."""
    seen, ejection = instance.health, instance.ejection
    known = {
        "gateway_failures": seen.gateway_failures if seen else 0,
        "local_origin_failures": seen.local_origin_failures if seen else 0,
        "failed_probes": instance.probed.failures if instance.probed else 0,
        "ejection": _ejection(ejection, show_reason) if ejection is not None else None,
        "let_in": instance.let_in,
        "learned_limit": seen.limit if seen else None,
    }
    return {name: value for name, value in known.items() if value}


def _ejection(ejection: Ejection, show_reason: bool) -> dict[str, Any]:
    since = {"since": rfc3339(ejection.since)} if ejection.since is not None else {}
    return {
        "until": rfc3339(ejection.until),
        "times": ejection.times,
        "kind": ejection.kind,
        **({"reason": ejection.reason} if show_reason else {}),
        **since,
    }


def _figures(figures: InstanceFigures) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if figures.speed is not None:
        shown["speed"] = {"value": figures.speed, "basis": figures.speed_basis}
    if figures.queue_seconds is not None:
        shown["queue_seconds"] = {"value": figures.queue_seconds, "basis": figures.queue_basis}
        if figures.queue_interval is not None:
            shown["queue_seconds"] |= {"low": figures.queue_interval[0], "high": figures.queue_interval[1]}
    if figures.failure_rate is not None:
        shown["failure_rate"] = {"value": figures.failure_rate, "basis": "learned"}
    return shown
