"""`/healthz` and `/readyz`, what orchestrators ask before they restart a process or send it requests.

They are answered before everything else: a probe comes under whatever address the process has, which is no name that
`Host` may carry, and learns nothing but whether to send more.
"""

from collections.abc import Callable, Iterable

from protes.api.ingress import Environ, StartResponse, WsgiApp
from protes.api.problems import MEDIA_TYPE, Problem, body_of, title_of
from protes.store.protocols import StoreError

HEALTH, READINESS = "/healthz", "/readyz"
_FINE = b'{"status":"ok"}'


class Probes:
    """WSGI middleware that answers probes, and hands on all other requests."""

    def __init__(self, app: WsgiApp, look: Callable[[], object]) -> None:
        """Answer in front of `app`; `look` reads something small from the store."""
        self._app = app
        self._look = look

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request: a probe by 200, and `/readyz` by 503 while the store does not answer."""
        path = environ.get("PATH_INFO", "")
        if path not in (HEALTH, READINESS) or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._app(environ, start_response)
        status, media_type, body = 200, "application/json", _FINE
        if path == READINESS:
            try:
                self._look()
            except StoreError:
                status, media_type = 503, MEDIA_TYPE
                body = body_of(Problem(status, "the task store is unavailable"))
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(f"{status} {title_of(status)}", headers)
        return [body if environ["REQUEST_METHOD"] == "GET" else b""]
