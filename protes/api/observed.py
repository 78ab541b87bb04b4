"""The outermost layer: gives each request an id, counts and measures it, records its trace, and writes the access log.

Requests are told apart by route template, which is noted in the WSGI environment by whoever finds it; never by path.
"""

import itertools
import logging
import re
import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from flask import request

from protes.api.ingress import Environ, StartResponse, WsgiApp
from protes.clock import Clock
from protes.logs import context
from protes.logs.formatting import FIELDS
from protes.metrics.catalogue import REQUEST_SECONDS, REQUESTS, REQUESTS_NOW
from protes.metrics.port import Meter
from protes.tracing.port import Span, Tracer

HEADER = "X-Request-ID"
ROUTE_KEY = "protes.route"
"""Where the route template of a request is noted."""

_NOSNIFF = ("X-Content-Type-Options", "nosniff")
"""Answers hold what clients wrote: a browser must take them for what they are declared as, and for nothing else."""

_ENVIRON_HEADER = "HTTP_X_REQUEST_ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TRACED = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Reads change nothing, and engines send many: they are not recorded."""
_FIXED = frozenset({"/", "/healthz", "/readyz", "/metrics"})
_UNKNOWN = "other"
_PARAMETER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")

access = logging.getLogger("protes.access")


def note_route() -> None:
    """Note the route template of a Flask request, and the task that it names; a `before_request` function."""
    rule = request.url_rule
    if rule is None:
        return
    template = _PARAMETER.sub(r"{\1}", rule.rule)
    request.environ[ROUTE_KEY] = template
    if "/tasks/{id}" in template and request.view_args:
        context.add(task_id=request.view_args.get("id"))


class Observed:
    """WSGI middleware around everything else."""

    def __init__(self, app: WsgiApp, meter: Meter, tracer: Tracer | None, clock: Clock, *, log: bool) -> None:
        """Observe `app`; with `log`, write a line for each request."""
        self._app = app
        self._meter = meter
        self._tracer = tracer
        self._clock = clock
        self._log = log
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        began = self._clock.monotonic()
        request_id = self._request_id(environ.get(_ENVIRON_HEADER))
        token = context.begin(context.About(request_id))
        answer = _Answer(start_response, request_id)
        self._meter.count(REQUESTS_NOW)
        try:
            if self._tracer is None or environ["REQUEST_METHOD"] not in _TRACED:
                return self._app(environ, answer)
            return self._traced(self._tracer, environ, answer)
        finally:
            self._note(environ, answer.status, self._clock.monotonic() - began)
            context.end(token)

    def _traced(self, tracer: Tracer, environ: Environ, answer: "_Answer") -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        recording: AbstractContextManager[Span] = tracer.request(method, environ)
        with recording as span:
            context.add(trace_id=span.trace_id)
            body = self._app(environ, answer)
            span.answered(method, _route(environ), int(answer.status))
        return body

    def _note(self, environ: Environ, status: str, seconds: float) -> None:
        method, route = environ["REQUEST_METHOD"], _route(environ)
        counted = method if method in _METHODS else "OTHER"
        self._meter.count(REQUESTS_NOW, by=-1.0)
        self._meter.count(REQUESTS, counted, route, status)
        if "wait" not in environ.get("HTTP_PREFER", ""):
            self._meter.observe(REQUEST_SECONDS, seconds, counted, route)
        if self._log:
            path = environ.get("PATH_INFO", "")
            fields = {
                "method": method,
                "path": path,
                "route": route,
                "status": int(status),
                "seconds": round(seconds, 6),
            }
            access.info("%s %s %s %.1f ms", method, path, status, seconds * 1000, extra={FIELDS: fields})

    def _request_id(self, sent: str | None) -> str:
        """Return what the client calls its request, if that is sane, else a name that no other request has."""
        if sent is not None and _SANE.fullmatch(sent):
            return sent
        return f"{self._process}-{next(self._numbers):x}"


class _Answer:
    """Sees the status of an answer on its way, and adds the header."""

    __slots__ = ("_request_id", "_start", "status")

    def __init__(self, start: StartResponse, request_id: str) -> None:
        self._start = start
        self._request_id = request_id
        self.status = "500"

    def __call__(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        self.status = status[:3]
        headers.append((HEADER, self._request_id))
        if not any(name.lower() == _NOSNIFF[0].lower() for name, _ in headers):
            headers.append(_NOSNIFF)
        return self._start(status, headers, *rest)


def _route(environ: Environ) -> str:
    route = environ.get(ROUTE_KEY)
    if route is None:
        path = environ.get("PATH_INFO", "")
        return path if path in _FIXED else _UNKNOWN
    return str(route)
