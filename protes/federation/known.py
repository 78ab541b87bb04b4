"""The instances known now, as plain values: what planning, dispatch, relay and the API look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from protes.config.instances import InstanceSettings, Limits

Status = Literal["ok", "unprobed", "unreachable", "ejected"]


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


@dataclass(frozen=True, slots=True)
class Ejection:
    """An instance that is left out for a while (Envoy's outlier detection).

    Attributes:
        until: when it is let in again.
        times: how often in a row; the time doubles with each.
        reason: why.
    """

    until: datetime
    times: int
    reason: str


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """One instance of the federation.

    Attributes:
        settings: what is said of it, configuration over registry.
        key: its URL, normalised and without API path: what tells instances apart.
        name: its name for people.
        source: where it is known from.
        probed: what probing told, None before the first probe.
        ejection: why and until when it is left out, or None.
        in_flight: unfinished tasks of ours there.
        queued: those of them that have not been seen to start.
    """

    settings: InstanceSettings
    key: str
    name: str
    source: Literal["configuration", "registry"]
    probed: Probed | None = None
    ejection: Ejection | None = None
    in_flight: int = 0
    queued: int = 0

    @property
    def id(self) -> str:
        """Its id in this federation."""
        return self.settings.id

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
        if self.base_url is None:
            return "unreachable" if self.probed else "unprobed"
        return "ejected" if self.ejection else "ok"


@dataclass(frozen=True, slots=True)
class FederationView:
    """A snapshot of the federation.

    Attributes:
        instances: ordered by id.
        complete: every source has answered since start, or left a good answer in the store, and every instance was
            probed: what is impossible now is impossible for good.
    """

    instances: tuple[KnownInstance, ...] = ()
    complete: bool = False

    @property
    def ready(self) -> bool:
        """Whether any instance was found at all; before, there is no use in dispatching."""
        return any(each.base_url is not None for each in self.instances)

    def at(self, base_url: str) -> KnownInstance | None:
        """Return the instance with this base URL, or None."""
        return next((each for each in self.instances if each.base_url == base_url), None)
