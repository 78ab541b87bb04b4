"""The composition root: the only place where the parts are wired together (DESIGN.md section 3)."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import yaml
from foca.foca import Foca
from foca.models.config import CORSConfig
from foca.security.cors import enable_cors

import openapi
from middleware import Chain, MiddlewareConfigError, build_chain
from protes.api import problems
from protes.api.guard import Guard
from protes.api.idempotency import Reposts
from protes.api.ingress import IngressLayer, WsgiApp
from protes.api.parameters import ParameterValidator
from protes.api.services import Services, attach
from protes.api.validation import BodyValidator, TaskSchema
from protes.clock import Clock, SystemClock
from protes.config.loading import Loaded
from protes.config.planning import StepSettings
from protes.config.settings import LIMITS, Settings
from protes.dispatch.dispatcher import Dispatcher
from protes.dispatch.forwarding import Forwarder
from protes.dispatch.settling import Settler
from protes.federation.federation import Federation
from protes.identity import gateway_id, process_name
from protes.jobs import Housekeeping, TaskJobs, Tick, register
from protes.leader import Leadership
from protes.learning.learning import Learning
from protes.offers.store import StoredOffers
from protes.planning.planner import Planner
from protes.relay.cancelling import Canceller
from protes.relay.orphans import OrphanWatch
from protes.relay.sweeping import Sweeper
from protes.runner.protocol import Runner
from protes.runner.threads import ThreadRunner
from protes.sources.sources import Sources
from protes.store.factory import Stores, create_stores
from protes.store.orphans import Orphans
from protes.store.protocols import StoreError

logger = logging.getLogger(__name__)

_STOP_GRACE_SECONDS = 10.0


@dataclass
class Gateway:
    """A gateway in this process: its WSGI app and what must be started and stopped with it.

    Attributes:
        wsgi: the app to serve.
        services: the parts that requests use.
        stores: where everything is kept.
    """

    wsgi: WsgiApp
    services: Services
    stores: Stores

    def start(self) -> None:
        """Begin to work on tasks; after fork."""
        self.services.runner.start()

    def close(self) -> None:
        """Stop working, finishing what is under way for up to ten seconds, and close everything."""
        parts = self.services
        parts.runner.stop(_STOP_GRACE_SECONDS)
        with suppress(StoreError):  # then it expires by itself
            Leadership(parts.records, parts.clock, parts.process).resign()
        parts.federation.close()
        parts.sources.close()
        self.stores.close()


def create_gateway(
    loaded: Loaded,
    *,
    clock: Clock | None = None,
    stores: Stores | None = None,
    environ: Mapping[str, str] | None = None,
) -> Gateway:
    """Put a gateway together.

    Args:
        loaded: the configuration.
        clock: the clock, the machine's by default.
        stores: the stores, those of `store.url` by default.
        environ: the environment that secrets are named in, the process's by default.

    Raises:
        ConfigError: an instance, a registry or a secret is not usable.
        MiddlewareConfigError: a step of the chain is not.
        StoreError: the store cannot be opened.
    """
    settings, clock = loaded.settings, clock or SystemClock()
    stores = stores or create_stores(settings.store.url)
    runner = ThreadRunner(clock, settings.runner.threads, settings.runner.queue_limit)
    services = create_services(settings, stores, runner, clock, os.environ if environ is None else environ)
    return Gateway(_wsgi(loaded, services), services, stores)


def create_services(
    settings: Settings, stores: Stores, runner: Runner, clock: Clock, environ: Mapping[str, str]
) -> Services:
    """Put together everything but HTTP, and register the jobs with the runner; raises like `create_gateway`."""
    chains = _chains(settings)
    own_id, me = gateway_id(settings, stores.records, clock), process_name()
    federation = Federation(settings, own_id, stores.tasks, stores.records, clock, environ)
    sources = Sources(
        settings.sources, settings.storage_locations, stores.records, clock, environ, federation.task_info
    )
    learning = Learning(settings.learning, stores.tasks, stores.records, clock, federation.configured_speeds)
    planner = Planner(settings, chains, federation, sources, learning, stores.records, clock)
    _register_jobs(settings, own_id, me, stores, federation, planner, sources, learning, runner, clock)
    reposts = Reposts(stores.records, clock)
    offers = StoredOffers(stores.records, settings.planning.offers_valid_seconds)
    task_schema = TaskSchema(yaml.safe_load(openapi.path("tes.yaml").read_text(encoding="utf-8")))
    return Services(
        settings,
        own_id,
        me,
        clock,
        stores.tasks,
        stores.records,
        runner,
        planner,
        federation,
        sources,
        offers,
        reposts,
        task_schema,
    )


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


def _register_jobs(
    settings: Settings,
    own_id: str,
    me: str,
    stores: Stores,
    federation: Federation,
    planner: Planner,
    sources: Sources,
    learning: Learning,
    runner: Runner,
    clock: Clock,
) -> None:
    tasks, records = stores.tasks, stores.records
    orphans = Orphans(records, settings.dispatch.orphan_watch_seconds)
    forwarder = Forwarder(settings.dispatch, own_id, tasks, planner, federation, clock)
    settler = Settler(settings.dispatch, tasks, federation, orphans, clock)
    dispatcher = Dispatcher(settings.dispatch, tasks, planner, forwarder, settler, clock)
    sweeper = Sweeper(settings.relay, tasks, federation, clock, sources.remember)
    canceller = Canceller(settings.relay, tasks, federation, sweeper, clock)
    jobs = TaskJobs(settings, tasks, dispatcher, canceller, clock, me)
    tick = Tick(settings, tasks, records, federation, runner, clock, me)
    housekeeping = Housekeeping(records, federation, OrphanWatch(orphans, federation, clock), clock)
    register(runner, settings, jobs, sweeper, federation, learning, tick, housekeeping)


def _wsgi(loaded: Loaded, services: Services) -> WsgiApp:
    """Build the connexion app under FOCA, with our errors and checks, behind the ingress layer."""
    server = loaded.settings.server
    foca = Foca(config_file=list(loaded.files))
    validators = {"body": BodyValidator, "parameter": ParameterValidator}
    for spec in foca.conf.api.specs:
        options = spec.connexion
        assert options is not None  # noqa: S101 (defaults.yaml sets them)
        spec.connexion = options.model_copy(update={"validator_map": validators})
    connexion_app = foca.create_app()
    flask_app = connexion_app.app
    if server.cors_origins:
        enable_cors(flask_app, CORSConfig(allow_origins=list(server.cors_origins)))
    problems.register(flask_app)
    attach(flask_app.extensions, services)
    _set_log_levels()
    logging.getLogger("protes").setLevel(logging.INFO)  # FOCA's configuration of logs knows the root logger alone
    guard = Guard.of(server.host, server.allowed_hosts, server.cors_origins)
    return IngressLayer(flask_app, guard, server.max_body_bytes, services.gateway_id, loaded.settings.profiles.keys())


def _set_log_levels() -> None:
    """Our own lines from INFO on; libraries' as FOCA's root logger has it, WARNING."""
    for name in ("protes", "middleware", "service_registry_client"):
        logging.getLogger(name).setLevel(logging.INFO)
    # connexion would log a client error a second time, at error level.
    logging.getLogger("connexion").setLevel(logging.CRITICAL)
