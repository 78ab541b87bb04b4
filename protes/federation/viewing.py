"""Makes the view of the federation of what is stored and listed, doing again only what has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from protes.clock import Clock
from protes.config.instances import Declared
from protes.config.settings import Settings
from protes.federation.acquaintances import Acquaintances
from protes.federation.codec import probed_from_json
from protes.federation.health import Health
from protes.federation.known import (
    Ejection,
    FederationView,
    InstanceHealth,
    KnownInstance,
    Probed,
)
from protes.federation.merge import Listed, Registered, filled, merge
from protes.federation.outliers import judge
from protes.federation.registrations import Registrations
from protes.federation.registries import Registries
from protes.store.protocols import Records, TaskStore
from protes.store.records import InstanceLoad

PROBE_KIND = "probe"
_MOST_PROBES = 20_000
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that a `KnownInstance` is made of: where it is the same, so is the instance."""

    merged: KnownInstance
    probed: Probed | None
    ejection: Ejection | None
    health: InstanceHealth | None
    load: InstanceLoad | None


class Views:
    """Builds views. Used by one thread at a time."""

    def __init__(
        self,
        settings: Settings,
        gateway_id: str,
        tasks: TaskStore,
        records: Records,
        registries: Registries,
        registrations: Registrations,
        health: Health,
        acquaintances: Acquaintances,
        clock: Clock,
    ) -> None:
        """Build from these sources."""
        self._settings = settings
        self._gateway_id = gateway_id
        self._tasks = tasks
        self._records = records
        self._registries = registries
        self._registrations = registrations
        self._health = health
        self._acquaintances = acquaintances
        self._clock = clock
        self._started = clock.now()
        self._sources: tuple[tuple[tuple[Listed, ...], ...], tuple[Registered, ...]] | None = None
        self._merged: tuple[KnownInstance, ...] = ()
        self._probes: dict[str, tuple[int, Probed]] = {}
        self._made: dict[str, tuple[_Facts, KnownInstance]] = {}

    def build(self) -> FederationView:
        """Return how things stand now."""
        now = self._clock.now()
        made_at = self._clock.monotonic()
        complete = self._merge()
        probes, states = self._probed(now), self._health.states()
        loads = {load.instance_url: load for load in self._tasks.loads()}
        instances: dict[str, KnownInstance] = {}
        made: dict[str, tuple[_Facts, KnownInstance]] = {}
        for merged in self._merged:
            probed = probes.get(merged.key)
            if probed is not None and probed.gateway_id == self._gateway_id:
                continue  # that is this gateway itself, whatever the address is spelled like
            found = self._instance(merged, probed, states, loads, made)
            # Two addresses of one server: the first one stays.
            instances.setdefault(found.base_url or found.key, found)
        for base_url in loads.keys() - instances.keys():
            gone = self._acquaintances.recall(base_url)
            probed = probes.get(gone.key) or Probed(ok=True, at=self._started, next_at=_NEVER, base_url=base_url)
            probed = probed if probed.base_url == base_url else replace(probed, base_url=base_url)
            instances[base_url] = self._instance(gone, probed, states, loads, made)
        self._made = made
        judged, panicking = judge(tuple(instances.values()), self._settings.health)
        ordered = tuple(sorted(judged, key=lambda each: each.id))
        takes_strangers = self._settings.task_instances.policy == "open"
        return FederationView(ordered, complete, panicking, made_at, takes_strangers)

    def _merge(self) -> bool:
        """Merge the sources where one of them has changed; return whether all have answered."""
        listed, complete = self._registries.listed()
        registered = self._registrations.registered()
        sources = (listed, registered)
        if self._sources is None or not _same(self._sources, sources):
            merged = merge(self._settings.instances, (each for one in listed for each in one), registered)
            # Of two addresses of one server the first one stays, so those of the configuration go first.
            order = {"configuration": 0, "registration": 1}
            self._merged = tuple(sorted(merged, key=lambda each: (order.get(each.source, 2), each.id)))
            self._sources = sources
        return complete

    def _instance(
        self,
        merged: KnownInstance,
        probed: Probed | None,
        states: Mapping[str, InstanceHealth],
        loads: Mapping[str, InstanceLoad],
        made: dict[str, tuple[_Facts, KnownInstance]],
    ) -> KnownInstance:
        base_url = (probed.base_url if probed else None) or ""
        health = states.get(base_url)
        ejection = self._ejection(base_url, health, probed)
        facts = _Facts(merged, probed, ejection, health, loads.get(base_url))
        before = self._made.get(merged.key)
        instance = before[1] if before is not None and before[0] == facts else _made_of(facts)
        made[merged.key] = facts, instance
        return instance

    def _ejection(self, base_url: str, health: InstanceHealth | None, probed: Probed | None) -> Ejection | None:
        """Return why an instance is left out: what traffic told, or the last probe.

        One that could not be reached is back when a probe has found it, never by trying it with a task.
        """
        ejection = health.ejection if health is not None else None
        if probed is None:
            return ejection
        gone_since = health.out_of_reach_since if health is not None else None
        if ejection is not None and ejection.kind != "unreachable":
            return ejection
        if gone_since is not None and probed.at <= gone_since:
            return ejection or Ejection(gone_since, 1, "could not be reached", "unreachable", gone_since)
        if probed.ok or not probed.silent or probed.base_url is None:
            return None
        heard = self._health.heard(base_url)
        if heard is not None and heard > probed.at:
            return None
        return Ejection(probed.next_at, probed.failures, probed.error or "does not answer", "unreachable", probed.at)

    def _probed(self, now: datetime) -> dict[str, Probed]:
        """Read what probing told, decoding only what has changed."""
        known, read = self._probes, {}
        for stored in self._records.scan(PROBE_KIND, "", now, limit=_MOST_PROBES):
            before = known.get(stored.key)
            fresh = before is None or before[0] != stored.version
            read[stored.key] = (stored.version, probed_from_json(stored.value)) if fresh or before is None else before
        self._probes = read
        return {key: probed for key, (_, probed) in read.items()}


def _same(
    before: tuple[tuple[tuple[Listed, ...], ...], tuple[Registered, ...]],
    now: tuple[tuple[tuple[Listed, ...], ...], tuple[Registered, ...]],
) -> bool:
    """Tell whether the sources are the same; registries' tuples are compared by identity, since they may be long."""
    return len(before[0]) == len(now[0]) and all(map(_is, before[0], now[0])) and before[1] == now[1]


def _is(one: Sequence[Listed], other: Sequence[Listed]) -> bool:
    return one is other


def _made_of(facts: _Facts) -> KnownInstance:
    """Put a `KnownInstance` together; what an instance says of itself comes last."""
    settings, probed, load = facts.merged.settings, facts.probed, facts.load
    if probed is not None and probed.declared:
        settings = filled(settings, Declared.model_validate(probed.declared))
    return replace(
        facts.merged,
        settings=settings,
        probed=probed,
        ejection=facts.ejection,
        health=facts.health,
        in_flight=load.active if load else 0,
        queued=load.queued if load else 0,
    )
