"""The guards before instances and registries that others than the operator name (docs/outbound.md)."""

from protes.config.federation import TaskInstancesSettings
from protes.config.outbound import OutboundSettings
from protes.outbound.addresses import Resolver, resolve
from protes.outbound.guard import Guard, guard_of


def brought_guard(
    settings: TaskInstancesSettings,
    outbound: OutboundSettings,
    resolver: Resolver = resolve,
    *,
    allow_private: bool | None = None,
) -> Guard:
    """Guard what tasks bring along: `protes.tes_urls`, `protes.service_registry_urls`, and what those list.

    Args:
        settings: what tasks may bring.
        outbound: what may be asked.
        resolver: finds the addresses of hosts.
        allow_private: in the place of what the settings say.
    """
    private = settings.allow_private if allow_private is None else allow_private
    return guard_of(outbound, allow_private=private, http=settings.allow_http, resolver=resolver)


def listed_guard(outbound: OutboundSettings, resolver: Resolver = resolve) -> Guard:
    """Guard what registries list that the operator has named, without taking their word for the rest.

    Which hosts they list is what the operator named them for; `RegistrySettings.allow_http` is looked at before.
    """
    return guard_of(outbound, any_host=True, resolver=resolver)
