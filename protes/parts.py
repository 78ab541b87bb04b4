"""What a gateway is made of: the parts that follow from the settings, and what outlives a change of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import openapi
from middleware import Chain, MiddlewareConfigError, build_chain
from protes.api.idempotency import Reposts
from protes.api.intake import Intake, bounds
from protes.api.services import Services
from protes.api.validation import TaskSchema
from protes.api.waiting import WaitingRoom
from protes.auth.gatekeeper import Gatekeeper
from protes.auth.key_ring import KeyRings
from protes.callbacks import outbox as callback_outbox
from protes.clock import Clock
from protes.config.planning import StepSettings
from protes.config.settings import LIMITS, Settings
from protes.dispatch.dispatcher import Dispatcher
from protes.dispatch.forwarding import Forwarder
from protes.dispatch.gate import Gate
from protes.dispatch.settling import Settler
from protes.dispatch.sightings import Sightings
from protes.dispatch.turns import Turns
from protes.dispatch.waiting_list import TURN, WaitingList
from protes.federation import caller_tokens
from protes.federation.federation import Federation
from protes.identity import gateway_id, process_name
from protes.jobs import Housekeeping, TaskJobs, Tick, handlers
from protes.learning.learning import Learning
from protes.observing import Observing
from protes.offers.store import StoredOffers
from protes.planning.known_figures import KnownFigures
from protes.planning.planner import ROUTING_KIND, Planner
from protes.quotas.limits import weight_of
from protes.quotas.quotas import Counts, Quotas
from protes.relay.cancelling import Canceller
from protes.relay.interest import Interest
from protes.relay.orphans import OrphanWatch
from protes.relay.sweeping import Sweeper
from protes.runner.protocol import Handler, Runner
from protes.sources.sources import Sources
from protes.store.expiring import Expiry
from protes.store.factory import Stores
from protes.store.orphans import Orphans
from protes.store.records import TaskRecord
from protes.store.removing import Removal
from protes.telling import LastingTelling, Telling, make_lasting_telling, make_telling
from protes.tracing.port import KIND as TRACE_KIND

_KEPT_WITH_TASKS = (ROUTING_KIND, caller_tokens.KIND, TRACE_KIND, callback_outbox.STATE_KIND)
"""Kinds of records that are kept under the id of a task, and go with it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is made of the settings, and made anew when they change.

    Attributes:
        services: the parts that requests use.
        handlers: the handlers of the jobs, by name.
        gatekeeper: tells who calls.
    """

    services: Services
    handlers: Mapping[str, Handler]
    gatekeeper: Gatekeeper

    def close(self) -> None:
        """Close connections; what is under way ends by its own deadline."""
        self.services.federation.close()
        self.services.sources.close()


@dataclass(frozen=True, slots=True)
class Lasting:
    """What is made once in the life of a process, and outlives a change of settings."""

    stores: Stores
    runner: Runner
    clock: Clock
    environ: Mapping[str, str]
    gateway_id: str
    process: str
    reposts: Reposts
    gate: Gate
    sightings: Sightings
    interest: Interest
    task_schema: TaskSchema
    waiting: WaitingRoom
    intake: Intake
    counts: Counts
    key_rings: KeyRings
    telling: LastingTelling


def make_lasting(
    settings: Settings, stores: Stores, runner: Runner, clock: Clock, environ: Mapping[str, str]
) -> Lasting:
    server = settings.server
    waiting = WaitingRoom(stores.tasks, clock, server.threads)
    writing = bounds(server.threads, waiting.places, server.writes_at_once)
    return Lasting(
        stores,
        runner,
        clock,
        environ,
        gateway_id(settings, stores.records, clock),
        process_name(),
        Reposts(stores.records, clock),
        Gate(clock),
        Sightings(clock),
        Interest(stores.records, clock, process_name()),
        TaskSchema(openapi.document("tes.yaml")),
        waiting,
        Intake(clock, *writing, server.write_patience_seconds),
        Counts(stores.tasks, stores.records, clock),
        KeyRings(clock),
        make_lasting_telling(settings, stores, clock),
    )


def make_parts(
    settings: Settings, lasting: Lasting, previous: Federation | None, observing: Observing | None = None
) -> Parts:
    """Make everything that depends on the settings; `previous` is the federation of the settings before, if any.

    What `observing` observes is put around the parts; by default nothing is.

    Raises:
        ConfigError: an instance, a registry, a secret or the file of users is not usable.
        MiddlewareConfigError: a step of the chain is not.
        StoreError: the store cannot be read.
    """
    observing = observing or Observing(lasting.clock)
    chains = _chains(settings)
    gatekeeper = Gatekeeper(settings, lasting.key_rings, lasting.clock)
    tasks, records, clock, environ = lasting.stores.tasks, lasting.stores.records, lasting.clock, lasting.environ
    federation = Federation(settings, lasting.gateway_id, tasks, records, clock, environ, previous)
    sources = Sources(
        settings.sources,
        settings.storage_locations,
        records,
        clock,
        environ,
        federation.task_info,
        settings.outbound,
    )
    learning = Learning(settings.learning, tasks, records, clock, federation.configured_speeds)
    federation.health.observer = observing
    planner = observing.planner(Planner(settings, chains, federation, sources, learning, records, clock))
    telling = make_telling(settings, lasting.telling, lasting.stores, lasting.runner, clock)
    services = Services(
        settings,
        lasting.gateway_id,
        lasting.process,
        clock,
        tasks,
        records,
        lasting.runner,
        planner,
        federation,
        sources,
        StoredOffers(records, settings.planning.offers_valid_seconds),
        lasting.reposts,
        lasting.task_schema,
        KnownFigures(learning),
        lasting.interest,
        lasting.waiting,
        lasting.intake,
        Quotas(settings.quotas, lasting.counts),
        lasting.telling.feed,
        telling.callbacks,
        Removal(tasks, records, clock, _KEPT_WITH_TASKS, telling.removals.note),
    )
    return Parts(services, _handlers(services, learning, lasting, observing, telling), gatekeeper)


def _chains(settings: Settings) -> dict[str | None, Chain]:
    """Build the chain, and those that profiles have of their own, under their names.

    Raises:
        MiddlewareConfigError: a step is not usable; the text names the profile.
    """
    chains: dict[str | None, Chain] = {None: build_chain(_with_limits(settings.chain))}
    for name, profile in settings.profiles.items():
        if profile.chain is not None:
            try:
                chains[name] = build_chain(_with_limits(profile.chain))
            except MiddlewareConfigError as error:
                raise MiddlewareConfigError(f"profile {name}: {error}") from error
    return chains


def _with_limits(steps: tuple[StepSettings, ...]) -> tuple[StepSettings, ...]:
    """Put what a chain must not be without in front of it: no operator should lose a limit by leaving out a step."""
    there = {step.use for step in steps}
    return (*(StepSettings(use=name) for name in LIMITS if name not in there), *steps)


def _ended(parts: Services, ended: Sequence[TaskRecord]) -> None:
    """Keep what is worth it of tasks that have ended, and drop what was kept for them."""
    parts.sources.remember(ended)
    for record in ended:
        parts.federation.tokens.over(record)


def _handlers(
    parts: Services, learning: Learning, lasting: Lasting, observing: Observing, telling: Telling
) -> Mapping[str, Handler]:
    settings, clock, me = parts.settings, parts.clock, parts.process
    tasks, records, federation = parts.tasks, parts.records, parts.federation
    orphans = Orphans(records, settings.dispatch.orphan_watch_seconds)
    forwarder = Forwarder(settings.dispatch, parts.gateway_id, tasks, parts.planner, federation, clock, lasting.gate)
    forwarder = observing.forwarder(forwarder)
    settler = Settler(settings.dispatch, tasks, federation, orphans, clock, lasting.sightings)
    line = WaitingList(records, clock)
    over = federation.tokens.over
    dispatcher = Dispatcher(settings.dispatch, tasks, parts.planner, forwarder, settler, clock, over, line)
    sweeper = Sweeper(
        settings.relay,
        tasks,
        records,
        federation,
        orphans,
        clock,
        partial(_ended, parts),
        settings.dispatch.requeue_stuck_seconds,
        parts.sources.completed,
        lasting.interest,
        observing.swept,
    )
    canceller = Canceller(settings.relay, tasks, federation, sweeper, clock)
    jobs = TaskJobs(settings, tasks, dispatcher, canceller, clock, me, parts.removal.leave_nothing)
    turns = Turns(tasks, line, federation, clock, weight_of(settings.quotas), partial(parts.runner.submit, TURN))
    seen = (lasting.interest, observing.leads, telling.tell, turns.give)
    tick = Tick(settings, tasks, records, federation, parts.runner, clock, me, *seen)
    keep = settings.store.keep_finished_seconds
    expiry = Expiry(tasks, records, clock, keep, _KEPT_WITH_TASKS, learning.done_with, telling.removals.note)
    orphan_watch = OrphanWatch(orphans, tasks, federation, clock)
    housekeeping = Housekeeping(expiry, federation, orphan_watch, parts.planner.may_go)
    return handlers(
        jobs, parts.runner, sweeper, federation, learning, tick, housekeeping, telling.callbacks.deliverer.deliver
    )
