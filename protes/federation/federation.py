"""The instances known now: configuration + registries + what probing and failures told (DESIGN.md section 3)."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from protes.clock import Clock
from protes.config.instances import Declared
from protes.config.settings import Settings
from protes.federation.clients import Clients
from protes.federation.codec import probed_from_json, probed_to_json
from protes.federation.health import Health
from protes.federation.known import FederationView, KnownInstance, Probed
from protes.federation.merge import check_urls, filled, merge
from protes.federation.prober import Prober
from protes.federation.registries import Registries
from protes.store.protocols import Records, TaskStore
from protes.tes.client import InstanceClient
from protes.tes.dialects.table import dialect_named

_PROBE_KIND = "probe"
_FRESH_SECONDS = 0.5


class Federation:
    """What the gateway knows of its instances, and the clients to talk to them."""

    def __init__(
        self,
        settings: Settings,
        gateway_id: str,
        tasks: TaskStore,
        records: Records,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        """Know the configured instances; nothing is asked yet.

        Raises:
            ConfigError: a URL is none, or a secret cannot be read.
        """
        self._settings = settings
        self._gateway_id = gateway_id
        self._tasks = tasks
        self._records = records
        self._clock = clock
        self.health = Health(records, clock)
        self._registries = Registries(settings.registries, environ, records, clock)
        self._clients = Clients(settings, environ, clock)
        self._prober = Prober(self._clients, clock)
        self._lock = threading.Lock()
        self._view = FederationView()
        self._viewed_at: float | None = None
        self._started = clock.now()
        check_urls(settings.instances)

    def view(self) -> FederationView:
        """Return a snapshot at most half a second old; waits for no instance and no registry."""
        with self._lock:
            now = self._clock.monotonic()
            if self._viewed_at is None or now - self._viewed_at > _FRESH_SECONDS:
                self._view = self._build()
                self._viewed_at = now
            return self._view

    def client(self, base_url: str, dialect: str | None) -> InstanceClient:
        """Return the client for an instance under its base URL, retired ones included."""
        known = self.view().at(base_url)
        return self._clients.get(base_url, dialect or "unknown", known.settings if known else None)

    def task_info(self, base_url: str, body: Mapping[str, Any], seconds: float) -> Any:
        """Ask an instance for an estimate; raises like `InstanceClient.task_info`."""
        known = self.view().at(base_url)
        return self.client(base_url, known.dialect if known else None).task_info(body, seconds)

    def due_probes(self) -> list[str]:
        """Return the keys of the instances to probe now."""
        now = self._clock.now()
        return [each.key for each in self.view().instances if each.probed is None or each.probed.next_at <= now]

    def probe(self, key: str) -> None:
        """Probe one instance and keep what it told; unknown keys are ignored (it has left meanwhile)."""
        known = next((each for each in self.view().instances if each.key == key), None)
        if known is None:
            return
        probed = self._prober.probe(known.settings, known.probed)
        self._records.put(_PROBE_KIND, key, probed_to_json(probed), self._clock.now())
        self.forget_view()

    def last_heard(self, base_url: str) -> datetime | None:
        """Return when the instance answered last, a probe or anything else.

        One that has left the federation is not probed any more: it counts as heard when this process started.
        """
        heard = [probed.heard_at for probed in self._probes().values() if probed.base_url == base_url]
        heard.append(self.health.heard(base_url))
        if self.view().at(base_url) is None:
            heard.append(self._started)
        return max((each for each in heard if each is not None), default=None)

    def poll_floors(self) -> dict[str, float]:
        """Return how many seconds must lie between two looks at an instance, by base URL."""
        return {
            each.base_url: dialect_named(each.dialect or "unknown").poll_floor_seconds
            for each in self.view().instances
            if each.base_url is not None
        }

    def configured_speeds(self) -> dict[str, float]:
        """Return the speeds that operators declare, by base URL."""
        return {
            each.base_url: each.settings.speed
            for each in self.view().instances
            if each.base_url is not None and each.settings.speed is not None
        }

    def keep(self) -> None:
        """Write the registries' answers to the store where they have changed."""
        self._registries.keep()

    def refresh(self) -> None:
        """Ask all registries now and have every instance probed again."""
        self._registries.refresh()
        now = self._clock.now()
        for key, probed in self._probes().items():
            self._records.put(_PROBE_KIND, key, probed_to_json(replace(probed, next_at=now)), now)
        self.forget_view()

    def forget_view(self) -> None:
        """Have the next view made anew."""
        with self._lock:
            self._viewed_at = None

    def close(self) -> None:
        """Close connections and stop asking registries."""
        self._registries.close()
        self._clients.close()

    def _build(self) -> FederationView:
        listed, complete = self._registries.listed()
        probes, ejections = self._probes(), self.health.ejections()
        loads = {load.instance_url: load for load in self._tasks.loads()}
        instances: dict[str, KnownInstance] = {}
        # Two addresses of one server: the first one stays, so those of the configuration go first.
        merged = merge(self._settings.instances, listed)
        for known in sorted(merged, key=lambda each: (each.source != "configuration", each.id)):
            probed = probes.get(known.key)
            if probed is not None and probed.gateway_id == self._gateway_id:
                continue  # that is this gateway itself, whatever the address is spelled like
            base_url = (probed.base_url if probed else None) or ""
            settings = known.settings
            if probed is not None and probed.declared:
                settings = filled(settings, Declared.model_validate(probed.declared))
            load = loads.get(base_url)
            found = replace(
                known,
                settings=settings,
                probed=probed,
                ejection=ejections.get(base_url),
                in_flight=load.active if load else 0,
                queued=load.queued if load else 0,
            )
            instances.setdefault(base_url or known.key, found)
        return FederationView(tuple(sorted(instances.values(), key=lambda each: each.id)), complete)

    def _probes(self) -> dict[str, Probed]:
        now = self._clock.now()
        stored = self._records.scan(_PROBE_KIND, "", now, limit=20_000)
        return {each.key: probed_from_json(each.value) for each in stored}
