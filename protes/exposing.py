"""Puts what every request passes in front of an app: its id, its figures, its trace, `/metrics`."""

from collections.abc import Callable, Iterable

from protes.api.exposition import Exposition
from protes.api.guard import Guard
from protes.api.ingress import Environ, StartResponse, WsgiApp
from protes.api.observed import Observed
from protes.api.probes import Probes
from protes.api.problems import MEDIA_TYPE, Problem, body_of, title_of
from protes.clock import Clock
from protes.config.loading import metrics_token
from protes.config.settings import Settings
from protes.observing import Observing

_NOTHING_HERE = 404


def exposed(app: WsgiApp, settings: Settings, observing: Observing, clock: Clock) -> WsgiApp:
    """Return the app as it is served.

    Raises:
        ConfigError: the token for metrics cannot be read.
    """
    server = settings.server
    guard = Guard.of(server.host, server.allowed_hosts, server.cors_origins)
    inner = _with_metrics(app, settings, observing, guard)
    return Observed(inner, observing.meter, observing.tracer, clock, log=settings.logging.access)


def figures(settings: Settings, observing: Observing, look: Callable[[], object]) -> WsgiApp:
    """Return an app that answers `/metrics` and probes and nothing else, for a process that serves nothing else.

    Raises:
        ConfigError: the token for metrics cannot be read.
    """
    guard = Guard.of(settings.metrics.worker_host, settings.server.allowed_hosts, ())
    return _with_metrics(Probes(_nothing, look), settings, observing, guard)


def _with_metrics(app: WsgiApp, settings: Settings, observing: Observing, guard: Guard) -> WsgiApp:
    if observing.page is None:
        return app
    return Exposition(app, observing.page, guard, metrics_token(settings.metrics), public=settings.metrics.public)


def _nothing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG001 - WSGI's
    body = body_of(Problem(_NOTHING_HERE, "here are /metrics, /healthz and /readyz, and nothing else"))
    headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body)))]
    start_response(f"{_NOTHING_HERE} {title_of(_NOTHING_HERE)}", headers)
    return [body]
