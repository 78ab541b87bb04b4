"""The composition root: the only place where the parts are wired together (DESIGN.md section 3)."""

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from logging.config import dictConfig

from foca.foca import Foca
from foca.models.config import CORSConfig
from foca.security.cors import enable_cors

from protes.api import problems
from protes.api.guard import Guard
from protes.api.ingress import Environ, IngressLayer, StartResponse, WsgiApp
from protes.api.observed import note_route
from protes.api.parameters import ParameterValidator
from protes.api.probes import Probes
from protes.api.services import Services, attach
from protes.api.validation import BodyValidator
from protes.clock import Clock, SystemClock
from protes.config.loading import DEFAULTS, ConfigError, Loaded, broker_url, store_url
from protes.config.runner import RunnerSettings
from protes.config.settings import Settings
from protes.config.watching import ConfigFiles
from protes.current import Current
from protes.dashboard.assets import packaged
from protes.dashboard.serving import Dashboard
from protes.exposing import exposed, figures
from protes.identity import process_name
from protes.jobs import register
from protes.leader import Leadership
from protes.logs import configuring as logs
from protes.metrics.serving import Serving
from protes.observing import Observing
from protes.parts import Parts, make_lasting, make_parts
from protes.reload import Reloader, Trigger
from protes.runner.broker import Broker, BrokerUnusable
from protes.runner.celery_runner import CeleryRunner
from protes.runner.protocol import Runner
from protes.runner.threads import ThreadRunner
from protes.store.factory import Stores, create_stores
from protes.store.protocols import StoreError

logger = logging.getLogger(__name__)

_STOP_GRACE_SECONDS = 10.0


@dataclass
class Worker:
    """A gateway's work in this process, without HTTP: what must be started and stopped.

    Attributes:
        stores: where everything is kept.
        grace_seconds: how long jobs that run may go on when it is closed.
    """

    stores: Stores
    grace_seconds: float
    _current: Current[Parts]
    _reloader: Reloader | None
    _observing: Observing

    @property
    def services(self) -> Services:
        """The parts that requests use now."""
        return self._current.now.services

    def start(self) -> None:
        """Begin to work on tasks, and to look after the configuration; after fork, once."""
        self._observing.start()
        self.services.runner.start()
        if self._reloader is not None:
            self._reloader.start()

    def serve_figures(self) -> Serving | None:
        """Serve `/metrics` and probes at the port that the settings name for workers, if they do; close what this is.

        Raises:
            ConfigError: the address cannot be bound, or the token for metrics not be read.
        """
        settings, services = self.services.settings, self.services
        if not settings.metrics.enabled or settings.metrics.worker_port is None:
            return None
        app = figures(settings, self._observing, lambda: services.records.get("gateway", "id", services.clock.now()))
        try:
            return Serving(app, settings.metrics.worker_host, settings.metrics.worker_port)
        except OSError as error:
            raise ConfigError(f"custom.metrics.worker_port: cannot serve there: {error.strerror}") from None

    def hurry(self) -> None:
        """Send requests that wait for a change away; fit for a signal handler of the main thread."""
        self.services.waiting.close()
        self.services.feed.close()

    def close(self) -> None:
        """Stop working, finishing what is under way for as long as the grace lasts, and close everything."""
        if self._reloader is not None:
            self._reloader.close()
        parts = self.services
        parts.waiting.close()
        parts.feed.close()
        parts.runner.stop(self.grace_seconds)
        with suppress(StoreError):  # then it expires by itself
            Leadership(parts.records, parts.clock, parts.process).resign()
        self._current.close()
        self._observing.close()
        self.stores.close()


@dataclass
class Gateway(Worker):
    """A gateway in this process: its WSGI app, and its work.

    Attributes:
        wsgi: the app to serve.
    """

    wsgi: WsgiApp


def create_gateway(
    loaded: Loaded,
    *,
    clock: Clock | None = None,
    stores: Stores | None = None,
    environ: Mapping[str, str] | None = None,
    files: ConfigFiles | None = None,
    trigger: Trigger | None = None,
) -> Gateway:
    """Put a gateway together.

    Args:
        loaded: the configuration.
        clock: the clock, the machine's by default.
        stores: the stores, those of `store.url` by default.
        environ: the environment that secrets are named in, the process's by default.
        files: where the configuration was loaded from; without, it is not taken over again when it changes.
        trigger: the operator's wish that it be.

    Raises:
        ConfigError: an instance, a registry or a secret is not usable.
        MiddlewareConfigError: a step of the chain is not.
        StoreError: the store cannot be opened.
    """
    work = create_worker(loaded, clock=clock, stores=stores, environ=environ, files=files, trigger=trigger)
    wsgi = exposed(_wsgi(loaded, work._current), loaded.settings, work._observing, clock or SystemClock())
    configure_log(loaded)  # once more: FOCA has put its defaults in its place
    return Gateway(work.stores, _STOP_GRACE_SECONDS, work._current, work._reloader, work._observing, wsgi)


def create_worker(
    loaded: Loaded,
    *,
    clock: Clock | None = None,
    stores: Stores | None = None,
    environ: Mapping[str, str] | None = None,
    files: ConfigFiles | None = None,
    trigger: Trigger | None = None,
) -> Worker:
    """Put together what works on tasks, and nothing that serves; arguments and errors are those of `create_gateway`."""
    settings, clock = loaded.settings, clock or SystemClock()
    configure_log(loaded)
    runner = _runner(settings.runner, clock)
    stores = stores or create_stores(store_url(settings.store))
    observing, used = Observing.of(settings, stores, clock, process_name())
    lasting = make_lasting(settings, used, runner, clock, os.environ if environ is None else environ)
    current = Current(make_parts(settings, lasting, None, observing))
    observing.follow(lambda: current.now.services.federation, runner, lasting.intake, lasting.waiting)

    def run(job: str, key: str) -> None:
        with current.use() as parts, observing.job(job, key):
            parts.handlers[job](key)

    def replace(new: Settings) -> None:
        federation = current.now.services.federation
        federation.keep()  # what registries have answered since it was kept last, or there would be a gap
        current.replace(make_parts(new, lasting, federation, observing))
        lasting.telling.feed.dismiss()  # who listens comes again, by the new settings

    register(runner, settings.runner.tick_seconds, current.now.handlers, run)
    reloader = None
    if files is not None:
        reloader = Reloader(loaded, files, trigger or Trigger(), replace, current.close_unused, clock)
    return Worker(stores, settings.runner.grace_seconds, current, reloader, observing)


def _runner(settings: RunnerSettings, clock: Clock) -> Runner:
    """Make what executes jobs.

    Raises:
        ConfigError: the broker's URL cannot be read or used.
    """
    if settings.kind == "threads":
        return ThreadRunner(clock, settings.threads, settings.queue_limit)
    url = broker_url(settings)
    try:
        broker = Broker(url, clock, settings.queue_limit, prefix=settings.queue_prefix, ca_file=settings.broker_ca_file)
    except BrokerUnusable as error:
        raise ConfigError(f"custom.runner: {error}") from None
    return CeleryRunner(broker, clock, settings.threads, settings.queue_limit, execute=settings.execute)


def create_services(
    settings: Settings, stores: Stores, runner: Runner, clock: Clock, environ: Mapping[str, str]
) -> Services:
    """Put together everything but HTTP, and register the jobs with the runner; raises like `create_gateway`."""
    parts = make_parts(settings, make_lasting(settings, stores, runner, clock, environ), None)
    register(runner, settings.runner.tick_seconds, parts.handlers, lambda job, key: parts.handlers[job](key))
    return parts.services


def _wsgi(loaded: Loaded, current: Current[Parts]) -> WsgiApp:
    """Build the connexion app under FOCA, with our errors and checks, behind the ingress layer.

    Each request has the parts of the moment at which it came, to its end.
    """
    server = loaded.settings.server
    foca = Foca(config_file=DEFAULTS)
    # Not the files, which may have been changed, and broken, since they were read.
    foca.conf = loaded.foca.model_copy(deep=True)
    validators = {"body": BodyValidator, "parameter": ParameterValidator}
    for spec in foca.conf.api.specs:
        options = spec.connexion
        assert options is not None  # noqa: S101 (defaults.yaml sets them)
        spec.connexion = options.model_copy(update={"validator_map": validators})
    connexion_app = foca.create_app()
    flask_app = connexion_app.app
    if server.cors_origins:
        enable_cors(flask_app, CORSConfig(allow_origins=list(server.cors_origins)))
    flask_app.before_request(note_route)
    problems.register(flask_app)
    pages = Dashboard(flask_app, packaged())

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with current.use() as parts:
            attach(environ, parts.services)
            return _ingress(pages, parts)(environ, start_response)

    def look() -> None:
        with current.use() as parts:
            parts.services.records.get("gateway", "id", parts.services.clock.now())

    return Probes(serve, look)


def _ingress(app: WsgiApp, parts: Parts) -> IngressLayer:
    settings = parts.services.settings
    server = settings.server
    guard = Guard.of(server.host, server.allowed_hosts, server.cors_origins)
    admit, profiles = parts.gatekeeper.admit, settings.profiles.keys()
    return IngressLayer(app, guard, server.max_body_bytes, parts.services.gateway_id, profiles, admit)


def configure_log(loaded: Loaded) -> None:
    """Log as FOCA's configuration says, which knows the root logger alone; our own lines from INFO on.

    Raises:
        ConfigError: it cannot be done.
    """
    try:
        dictConfig(loaded.foca.log.model_dump(by_alias=True))
    except ValueError as error:
        raise ConfigError(f"log: {error}") from None
    for name in ("protes", "middleware", "service_registry_client"):
        logging.getLogger(name).setLevel(logging.INFO)
    # connexion would log a client error a second time, at error level.
    logging.getLogger("connexion").setLevel(logging.CRITICAL)
    logs.apply(loaded.settings.logging.format)
