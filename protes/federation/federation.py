"""The instances known now: what sources say of them + what probing and failures told (DESIGN.md section 3)."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from protes.clock import Clock
from protes.config.loading import secret_keys
from protes.config.settings import Settings
from protes.federation.acquaintances import Acquaintances
from protes.federation.brought import Brought, Gathered
from protes.federation.caller_tokens import CallerTokens
from protes.federation.clients import Clients
from protes.federation.codec import probed_to_json
from protes.federation.exchanges import Exchanges
from protes.federation.health import Health
from protes.federation.health_rules import CLOCKS_DIFFER
from protes.federation.known import FederationView, KnownInstance
from protes.federation.merge import check_urls
from protes.federation.prober import Prober
from protes.federation.registrations import Registrations
from protes.federation.registries import Registries
from protes.federation.viewing import PROBE_KIND, Views
from protes.store.protocols import Records, TaskStore
from protes.store.records import TaskRecord
from protes.tes.client import InstanceClient
from protes.tes.dialects.table import dialect_named
from service_registry_client import Snapshot

MayGo = Callable[[TaskRecord], Callable[[KnownInstance], bool]]
"""Tells of a task, and then of an instance, whether the one may go to the other."""

_FRESH_SECONDS = 0.5
_FORGOTTEN = float("-inf")
_BEING_MADE = float("inf")
_SHARE_OF_TIME = 0.05
"""Of a process's time that making views may take: a federation of ten thousand is looked at less often."""
_PROBES_AT_ONCE = 8
_PROBE_TAKES_SECONDS = 15.0
_LOOK_AFTER_EJECTION = timedelta(seconds=1)


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
        previous: "Federation | None" = None,
    ) -> None:
        """Know the configured instances; nothing is asked yet.

        Args:
            settings: the settings.
            gateway_id: the id of this gateway, by which it recognises itself.
            tasks: for the load of each instance.
            records: where probes, ejections, registrations and registries' answers are kept.
            clock: the clock.
            environ: the environment that secrets are named in.
            previous: the federation of the settings before, whose connections are needed for instances that have left.

        Raises:
            ConfigError: a URL is none, or a secret cannot be read.
        """
        check_urls(settings.instances)
        self._settings = settings.task_instances
        self._tasks = tasks
        self._records = records
        self._clock = clock
        keys = secret_keys(settings.server)
        self.tokens = CallerTokens(records, clock, keys, exchanged=settings.exchanges_tokens)
        self.health = Health(settings.health, records, clock)
        self.registrations = Registrations(records, clock, settings.credentials)
        self._registries = Registries(settings.registries, environ, records, clock, settings.outbound)
        self._acquaintances = Acquaintances(
            records, clock, settings.credentials, not settings.task_instances.allow_private
        )
        before = previous.clients if previous is not None else None
        self.clients: Clients = Clients(settings, environ, clock, before)
        self.exchanges = Exchanges(self.tokens, records, clock, self.clients.exchanges().values())
        states, outbound = self.health.states, settings.outbound
        self._brought = Brought(settings.task_instances, gateway_id, clock, states=states, outbound=outbound)
        self._prober = Prober(settings.health, self.clients, clock)
        self._views = Views(
            settings,
            gateway_id,
            tasks,
            records,
            self._registries,
            self.registrations,
            self.health,
            self._acquaintances,
            clock,
        )
        self._building = threading.Lock()
        self._view: FederationView | None = None
        self._fresh_until = _FORGOTTEN
        self._asked: dict[str, tuple[datetime, float]] = {}
        self._started = clock.now()

    def view(self) -> FederationView:
        """Return a snapshot, half a second old at most in a federation of usual size; waits for no instance.

        While one thread makes a new one, the others go on with the old one.
        """
        view = self._view
        if view is not None and self._clock.monotonic() < self._fresh_until < _BEING_MADE:
            return view
        # One that was forgotten is waited for: whoever changed something sees the change.
        if not self._building.acquire(blocking=view is None or self._fresh_until == _FORGOTTEN):
            return view or self.view()
        try:
            if self._view is None or self._clock.monotonic() >= self._fresh_until:
                self._build()
            assert self._view is not None  # noqa: S101 (made by now)
            return self._view
        finally:
            self._building.release()

    def _build(self) -> None:
        begun = self._clock.monotonic()
        self._fresh_until = _BEING_MADE  # so that what is forgotten meanwhile is made again
        made = self._views.build()
        ended = self._clock.monotonic()
        self._view = made
        if self._fresh_until == _BEING_MADE:
            self._fresh_until = ended + max(_FRESH_SECONDS, (ended - begun) / _SHARE_OF_TIME)

    def client(self, base_url: str, dialect: str | None) -> InstanceClient:
        """Return the client for an instance under its base URL, those that have left included."""
        return self.clients.get(base_url, dialect or "unknown", self._known(base_url))

    def client_for(self, task_id: str, base_url: str, dialect: str | None) -> InstanceClient:
        """Return the client for what is asked about one task: with its caller's token, where the instance wants that.

        Where that token is over, whatever is asked raises `TokenEnded`.
        """
        instance = self._known(base_url)
        client = self.clients.get(base_url, dialect or "unknown", instance)
        exchange = self.clients.exchange(instance)
        if exchange is not None:
            return client.showing(self.exchanges.credentials(task_id, exchange))
        return client.showing(self.tokens.credentials(task_id)) if self.clients.passes_tokens(instance) else client

    def passes_tokens(self, base_url: str) -> bool:
        """Tell whether an instance is shown each caller's own token: a list would show the tasks of one of them."""
        return self.clients.passes_tokens(self._known(base_url))

    def task_info(self, base_url: str, body: Mapping[str, Any], seconds: float) -> Any:
        """Ask an instance for an estimate; raises like `InstanceClient.task_info`."""
        known = self._known(base_url)
        return self.clients.get(base_url, known.dialect or "unknown", known).task_info(body, seconds)

    def remember(self, instance: KnownInstance) -> None:
        """Note an instance before it is sent a task, so that the task can be relayed when the instance has left."""
        self._acquaintances.remember(instance)

    def brought(self, tes_urls: Sequence[str], registry_urls: Sequence[str], *, ask: bool) -> Gathered:
        """Return the instances that a task brings along; without `ask` those that are known already."""
        until = self._clock.monotonic() + self._settings.fetch_seconds
        return self._brought.gather(tes_urls, registry_urls, self.view(), ask=ask, until=until)

    def due_probes(self) -> list[str]:
        """Return the keys of the instances to probe now, a few at once, those never probed first.

        Instances that were left out for a failure are looked at before they are let in again.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        under_way = {
            key: (asked, at) for key, (asked, at) in self._asked.items() if monotonic - at < _PROBE_TAKES_SECONDS
        }
        due: list[KnownInstance] = []
        for each in self.view().instances:
            asked = under_way.get(each.key)
            if asked is not None and each.probed is not None and each.probed.at >= asked[0]:
                del under_way[each.key]
                asked = None
            if asked is None and _is_due(each, now):
                due.append(each)
        due.sort(key=lambda each: (each.probed is not None, each.probed.next_at if each.probed else now))
        keys = [each.key for each in due[: max(0, _PROBES_AT_ONCE - len(under_way))]]
        self._asked = under_way | dict.fromkeys(keys, (now, monotonic))
        return keys

    def probe(self, key: str) -> None:
        """Probe one instance and keep what it told; unknown keys are ignored (it has left meanwhile)."""
        known = self.view().keyed(key)
        if known is None:
            return
        probed, error = self._prober.probe(known)
        self._records.put(PROBE_KIND, key, probed_to_json(probed), self._clock.now())
        if probed.base_url is not None and error is not None:
            self.health.failed(probed.base_url, error, reading=True)
        elif probed.base_url is not None:
            self.health.succeeded(probed.base_url, reading=True)
        self.forget_view()

    def last_heard(self, base_url: str) -> datetime | None:
        """Return when the instance answered last, a probe or anything else.

        One that was never probed counts as heard when this process started.
        """
        known = self.view().at(base_url)
        heard = [known.probed.heard_at if known is not None and known.probed is not None else None]
        heard.append(self.health.heard(base_url))
        if heard[0] is None:
            heard.append(self._started)
        return max((each for each in heard if each is not None), default=None)

    def paused(self, base_urls: Iterable[str]) -> dict[str, datetime]:
        """Return until when those of these instances that fail are left in peace, by base URL."""
        view = self.view()
        known = {url: each for url in base_urls if (each := view.at(url)) is not None}
        return {
            url: each.ejection.until for url, each in known.items() if each.ejection is not None and each.let_in is None
        }

    def poll_floors(self, base_urls: Iterable[str]) -> dict[str, float]:
        """Return how many seconds must lie between two looks at these instances, by base URL."""
        view = self.view()
        known = {url: each for url in base_urls if (each := view.at(url)) is not None}
        return {url: dialect_named(each.dialect or "unknown").poll_floor_seconds for url, each in known.items()}

    def configured_speeds(self) -> dict[str, float]:
        """Return the speeds that operators declare, by base URL."""
        return {
            each.base_url: each.settings.speed
            for each in self.view().instances
            if each.base_url is not None and each.settings.speed is not None
        }

    def registries(self) -> Mapping[str, Snapshot]:
        """Return what is known of each registry, by URL; asks nobody, and waits for nothing."""
        return self._registries.snapshots()

    def keep(self) -> None:
        """Write the registries' answers to the store where they have changed."""
        self._registries.keep()

    def tidy(self, may_go: MayGo) -> None:
        """Remove callers' tokens that are not needed any more, and see to those that will be.

        Args:
            may_go: tells where tasks that wait may go; only there are tokens asked for.
        """
        self.tokens.tidy(self._tasks, partial(self._foresee, may_go))
        self.exchanges.sustain(self._tasks)

    def _foresee(self, may_go: MayGo, record: TaskRecord) -> None:
        """Get the tokens that a waiting task may need, from the token servers of where it may go and from no other."""
        members = (each for each in self.view().instances if each.is_member)
        grants = [(each, grant.id) for each in members if (grant := self.clients.exchange(each)) is not None]
        if grants:
            may = may_go(record)
            self.exchanges.foresee(record.id, {grant for each, grant in grants if may(each)})

    def refresh(self) -> None:
        """Ask all registries now and have every instance probed again."""
        self._registries.refresh()
        for each in self.view().instances:
            self._look_again(each)
        self.forget_view()

    def look_again(self, key: str) -> None:
        """Have one instance probed again, since what is said of it has changed; unknown keys are ignored."""
        known = self.view().keyed(key)
        if known is not None:
            self._look_again(known)
        self.forget_view()

    def forget_view(self) -> None:
        """Have the next view made anew."""
        self._fresh_until = _FORGOTTEN

    def close(self) -> None:
        """Close connections and stop asking registries."""
        self._brought.close()
        self._registries.close()
        self.clients.close()

    def _known(self, base_url: str) -> KnownInstance:
        return self.view().at(base_url) or self._acquaintances.recall(base_url)

    def _look_again(self, instance: KnownInstance) -> None:
        if instance.probed is not None:
            now = self._clock.now()
            probed = replace(instance.probed, next_at=now)
            self._records.put(PROBE_KIND, instance.key, probed_to_json(probed), now)


def _is_due(instance: KnownInstance, now: datetime) -> bool:
    probed, ejection = instance.probed, instance.ejection
    if probed is None or probed.next_at <= now or probed.at > now + CLOCKS_DIFFER:
        return True
    if ejection is None or ejection.kind == "asked" or ejection.since is None:
        return False
    return probed.at < ejection.since and now - ejection.since >= _LOOK_AFTER_EJECTION
