"""`/metrics`, served beside the probes, in front of everything else; and who may read it.

Without a token that is this machine alone: a request from a loopback address, that came through no proxy, and was not
made by a web page in somebody's browser.
"""

import hmac
import ipaddress
from collections.abc import Callable, Iterable

from pydantic import SecretStr

from protes.api.guard import Guard
from protes.api.ingress import Environ, StartResponse, WsgiApp
from protes.api.problems import MEDIA_TYPE, Problem, body_of, log_refusal, title_of

PATH = "/metrics"
Page = Callable[[str], tuple[bytes, str]]
"""Returns all figures, and their media type, for a header `Accept`."""

_PROXIED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")
_REALM = {"WWW-Authenticate": 'Bearer realm="metrics"'}


class Exposition:
    """WSGI middleware that answers `/metrics`, and hands on all other requests."""

    def __init__(self, app: WsgiApp, page: Page, guard: Guard, token: SecretStr | None, *, public: bool) -> None:
        """Answer in front of `app`.

        Args:
            app: what answers everything else.
            page: makes the page.
            guard: which names of this machine count where there is no token.
            token: what every reader must show, if there is one.
            public: let everybody read.
        """
        self._app = app
        self._page = page
        self._guard = guard
        self._token = token.get_secret_value().encode() if token is not None else None
        self._public = public

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO") != PATH or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._app(environ, start_response)
        refusal = self._refusal(environ)
        if refusal is None:
            body, media_type = self._page(environ.get("HTTP_ACCEPT", ""))
            status, further = 200, {}
        else:
            log_refusal(refusal, environ["REQUEST_METHOD"], PATH)
            body, media_type = body_of(refusal), MEDIA_TYPE
            status, further = refusal.status, refusal.headers
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(f"{status} {title_of(status)}", [*headers, *further.items()])
        return [body if environ["REQUEST_METHOD"] == "GET" else b""]

    def _refusal(self, environ: Environ) -> Problem | None:
        if self._token is not None:
            return self._without_token(environ.get("HTTP_AUTHORIZATION", ""), self._token)
        if self._public:
            return None
        if any(name in environ for name in _PROXIED) or not _is_loopback(environ.get("REMOTE_ADDR", "")):
            return Problem(403, "metrics are for this machine alone; set metrics.token (or metrics.public) for others")
        refused = self._guard.refusal(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN"))
        return None if refused is None else Problem(403, refused)

    def _without_token(self, authorization: str, token: bytes) -> Problem | None:
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token):
            return None
        return Problem(401, "header Authorization: must be Bearer and the token of metrics.token", headers=_REALM)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
