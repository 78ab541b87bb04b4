"""The instances known now, as plain values: what planning, dispatch, relay and the API look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from protes.config.instances import InstanceSettings, Limits

Status = Literal["ok", "unprobed", "unreachable", "ejected", "draining", "retired"]
Source = Literal["configuration", "registration", "registry", "client", "retired"]
EjectionKind = Literal["unreachable", "failing", "asked"]


@dataclass(frozen=True, slots=True)
class Probed:
    """What probing an instance told; kept in the store, so that a restart and other processes know it.

    Attributes:
        ok: whether the last probe found a TES server.
        at: when.
        next_at: when to probe again.
        heard_at: when a probe found a server last.
        failures: probes in a row that found none.
        base_url: the base URL under which TES answers; kept when a later probe fails.
        dialect: name of its dialect.
        version: `version` of its service-info.
        storage: `storage` of its service-info.
        backend_parameters: `tesResources_backend_parameters` of its service-info.
        gateway_id: the id of the gateway, where the instance is a protes.
        declared: the extension field `protes` of its service-info, a valid `Declared` as JSON; empty without one.
        error: why the last probe failed.
        silent: the last probe had no answer at all, so that a task would have none either.
    """

    ok: bool
    at: datetime
    next_at: datetime
    heard_at: datetime | None = None
    failures: int = 0
    base_url: str | None = None
    dialect: str | None = None
    version: str | None = None
    storage: tuple[str, ...] = ()
    backend_parameters: tuple[str, ...] = ()
    gateway_id: str | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Ejection:
    """An instance that is left out for a while (Envoy's outlier detection).

    Attributes:
        until: when it is let in again.
        times: how often in a row; the time doubles with each.
        reason: why.
        kind: `unreachable`: no connection comes about; `failing`: its answers are failures, which is a judgement;
            `asked`: it asked for a pause itself (429, `Retry-After`).
        since: when it was left out.
    """

    until: datetime
    times: int
    reason: str
    kind: EjectionKind = "failing"
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class InstanceHealth:
    """What all workers together have seen of an instance, as stored.

    Attributes:
        gateway_failures: answers 5xx, broken or missing, in a row.
        local_origin_failures: connections that did not come about, in a row.
        ejection: why and until when it is left out now, or None.
        limit: tasks at once that it was seen to take without refusing more (429), or None.
        out_of_reach_since: when a connection failed last, as long as nothing has answered since.
    """

    gateway_failures: int = 0
    local_origin_failures: int = 0
    ejection: Ejection | None = None
    limit: int | None = None
    out_of_reach_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """One instance of the federation.

    Attributes:
        settings: what is said of it: configuration over registrations over registries.
        key: its URL, normalised and without API path: what tells instances apart.
        name: its name for people.
        source: where it is known from; the first of these that does.
        probed: what probing told, None before the first probe.
        ejection: why and until when it is left out, or None.
        in_flight: unfinished tasks of ours there.
        queued: those of them that have not been seen to start.
        service: what its registration or registry entry says of it, as a GA4GH `ExternalService`; empty without one.
        registries: URLs of the registries that list it.
        guarded: it was not named by the operator: only public addresses are spoken to.
        health: what all workers have seen of it, None where nothing was amiss.
        let_in: why it is a candidate though it is ejected (too many are), or None.
    """

    settings: InstanceSettings
    key: str
    name: str
    source: Source
    probed: Probed | None = None
    ejection: Ejection | None = None
    in_flight: int = 0
    queued: int = 0
    service: Mapping[str, Any] = field(default_factory=dict)
    registries: tuple[str, ...] = ()
    guarded: bool = False
    health: InstanceHealth | None = None
    let_in: str | None = None

    @property
    def id(self) -> str:
        """Its id in this federation."""
        return self.settings.id

    @property
    def is_member(self) -> bool:
        """Whether any task may be sent to it; the others are there for the tasks that they have already."""
        return self.source not in ("retired", "client")

    @property
    def limits(self) -> Limits:
        """What it can take."""
        return self.settings.limits

    @property
    def storage(self) -> tuple[str, ...]:
        """Storage that it names in service-info; unreliable (STANDARDS.md 2)."""
        return self.probed.storage if self.probed else ()

    @property
    def base_url(self) -> str | None:
        """Base URL under which TES answers, None as long as none was found."""
        return self.probed.base_url if self.probed else None

    @property
    def task_info(self) -> bool | None:
        """Whether it is asked for estimates; None leaves it to the setting for all."""
        return self.settings.task_info

    @property
    def dialect(self) -> str | None:
        """Name of its dialect, None as long as it is not known."""
        return self.settings.dialect or (self.probed.dialect if self.probed else None)

    @property
    def status(self) -> Status:
        """How it is, in one word."""
        if self.source == "retired":
            return "retired"
        if self.base_url is None:
            return "unreachable" if self.probed else "unprobed"
        if self.ejection and not self.let_in:
            return "ejected"
        return "draining" if self.settings.drain else "ok"

    @property
    def max_in_flight(self) -> int | None:
        """Unfinished tasks at once that it is sent: the configured limit, or a lower one that was learned."""
        limits = (self.limits.max_in_flight, self.health.limit if self.health else None)
        return min((each for each in limits if each is not None), default=None)


@dataclass(frozen=True)
class FederationView:
    """A snapshot of the federation.

    Attributes:
        instances: ordered by id.
        complete: every source has answered since start, or left a good answer in the store, and every instance was
            probed: what is impossible now is impossible for good.
        panicking: too few instances are left, so some that are ejected are let in (`protes.federation.outliers`).
        made_at: monotonic time at which it was made.
        open: tasks may bring instances that are not known here.
    """

    instances: tuple[KnownInstance, ...] = ()
    complete: bool = False
    panicking: bool = False
    made_at: float = 0.0
    open: bool = False

    @property
    def ready(self) -> bool:
        """Whether there may be an instance for a task; before, there is no use in dispatching."""
        return self.open or any(each.base_url is not None and each.is_member for each in self.instances)

    def at(self, base_url: str) -> KnownInstance | None:
        """Return the instance with this base URL, or None."""
        return self._by_base_url.get(base_url)

    def keyed(self, key: str) -> KnownInstance | None:
        """Return the instance with this key, or None."""
        return self._by_key.get(key)

    @cached_property
    def _by_base_url(self) -> Mapping[str, KnownInstance]:
        return {each.base_url: each for each in self.instances if each.base_url is not None}

    @cached_property
    def _by_key(self) -> Mapping[str, KnownInstance]:
        return {each.key: each for each in self.instances}
