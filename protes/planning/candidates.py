"""Instances as middleware's candidates: nothing of protes reaches a middleware (DESIGN.md section 3)."""

from dataclasses import dataclass
from typing import cast

from middleware import Candidate, Feature, Limits, Prices, Reported
from protes.config.credentials import OF_CALLERS
from protes.config.instances import InstanceSettings
from protes.federation.known import KnownInstance, Probed
from protes.learning.learning import InstanceFigures
from protes.tes.dialects.base import Dialect
from protes.tes.dialects.table import dialect_named

_MOST_KEPT = 20_000
_EXCHANGED = frozenset({"bearer"})
"""Kinds of tokens that can be exchanged for others (RFC 8693)."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was made of an instance, and of what: while these two are the same objects it is still right."""

    settings: InstanceSettings
    probed: Probed | None
    limits: Limits
    prices: Prices | None


class Candidates:
    """Shows instances to middleware. What stays the same from task to task is made once per instance."""

    def __init__(self) -> None:
        """Know none yet."""
        self._kept: dict[str, _Kept] = {}

    def of(
        self, instance: KnownInstance, learned: InstanceFigures | None = None, reported: Reported | None = None
    ) -> Candidate:
        """Show an instance; what its dialect cannot do arrives as limits, what was learned of it as figures."""
        kept = self._kept.get(instance.id)
        if kept is None or kept.settings is not instance.settings or kept.probed is not instance.probed:
            kept = self._keep(instance)
        settings = instance.settings
        learned = learned or InstanceFigures(speed=settings.speed, queue_seconds=settings.queue_seconds)
        return _candidate(instance, kept, learned, reported)

    def _keep(self, instance: KnownInstance) -> _Kept:
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {}
        dialect = dialect_named(instance.dialect or "unknown")
        kept = _Kept(instance.settings, instance.probed, _limits(instance, dialect), _prices(instance))
        self._kept[instance.id] = kept
        return kept


def _candidate(instance: KnownInstance, kept: _Kept, learned: InstanceFigures, reported: Reported | None) -> Candidate:
    settings = instance.settings
    return Candidate(
        id=instance.id,
        url=instance.base_url or instance.key,
        name=instance.name,
        limits=kept.limits,
        prices=kept.prices,
        speed=learned.speed,
        queue_seconds=learned.queue_seconds,
        queue_interval=learned.queue_interval,
        failure_rate=learned.failure_rate,
        reported=reported,
        basis={"speed": learned.speed_basis, "queue_seconds": learned.queue_basis},
        zone=settings.zone,
        coordinates=settings.coordinates,
        staging=settings.staging or "parallel",
        bills_staging=bool(settings.bills_staging),
        ingress_bytes_per_second=settings.ingress_bytes_per_second,
        rework=settings.rework,
        ejected=instance.ejection.reason if instance.status == "ejected" and instance.ejection else None,
        in_flight=instance.in_flight,
        max_in_flight=instance.max_in_flight,
    )


def _limits(instance: KnownInstance, dialect: Dialect) -> Limits:
    said, own = instance.limits, dialect.limits
    kind = instance.settings.credentials.type
    # What service-info names as storage is unreliable (STANDARDS.md 2), but nobody copies drs:// from an example.
    takes_drs = any(each.lower().startswith("drs:") for each in instance.storage)
    inputs = _lower(said.input_schemes) or own.input_schemes
    return Limits(
        max_cpu_cores=said.max_cpu_cores,
        max_ram_gb=said.max_ram_gb,
        max_disk_gb=said.max_disk_gb,
        input_schemes=inputs | {"drs"} if takes_drs and inputs is not None else inputs,
        takes_drs=takes_drs,
        output_schemes=_lower(said.output_schemes) or own.output_schemes,
        zones=frozenset(said.zones) if said.zones is not None else None,
        backend_parameters=_parameters(instance, dialect),
        max_executors=own.max_executors,
        max_document_bytes=own.max_document_bytes,
        max_runtime_seconds=said.max_runtime_seconds or own.max_runtime_seconds,
        path_root=own.path_root,
        token_kinds=_lower(said.token_kinds) or (_EXCHANGED if kind == "token_exchange" else None),
        needs_token=kind in OF_CALLERS,
        unsupported=cast("frozenset[Feature]", own.unsupported),
        own_paths=own.own_paths,
        own_paths_rule=own.own_paths_rule,
    )


def _parameters(instance: KnownInstance, dialect: Dialect) -> frozenset[str] | None:
    """Keys that it takes where a task insists on them; none where its dialect is sent no parameters at all."""
    if "backend_parameters" not in dialect.takes_fields:
        return frozenset()
    named = instance.probed.backend_parameters if instance.probed else ()
    known = _said(instance.limits.backend_parameters) or _said(named) or dialect.limits.backend_parameters
    if known is None:
        return None
    return known | {alias for alias, right in dialect.limits.parameter_aliases if right in known}


def _prices(instance: KnownInstance) -> Prices | None:
    prices = instance.settings.prices
    if prices is None:
        return None
    return Prices(**prices.model_dump(exclude={"vm_hour_usd"}))


def _said(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return frozenset(names) if names else None


def _lower(schemes: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if schemes is None else frozenset(scheme.lower() for scheme in schemes)
