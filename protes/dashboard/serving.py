"""The dashboard over HTTP: `/`, `/dashboard` and the files below it; all else is handed on.

The files say nothing of anybody's tasks and are open to all who may reach the server; what they show comes from the
API, which asks callers who they are.
"""

from collections.abc import Iterable

from protes.api.ingress import ENVIRON_KEY, Environ, StartResponse, WsgiApp
from protes.api.problems import MEDIA_TYPE, Problem, body_of, title_of
from protes.dashboard.assets import BASE, Asset, Assets

# Scripts, styles and calls from and to this server alone; nothing inline, nothing in frames, no markup made of text.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_SAFE = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
_LASTING = "public, max-age=31536000, immutable"
_METHODS = ("GET", "HEAD")


class Dashboard:
    """WSGI middleware that serves the dashboard in front of an app."""

    def __init__(self, app: WsgiApp, assets: Assets) -> None:
        """Serve `assets` in front of `app`, within the ingress layer, at the plain gateway root alone."""
        self._app = app
        self._assets = assets

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, or hand it on."""
        path = environ.get("PATH_INFO", "")
        if not _ours(path) or _prefix(environ):
            return self._app(environ, start_response)
        asset, method = self._assets.at(path), environ["REQUEST_METHOD"]
        if asset is None:
            return _refuse(Problem(404, "there is no such file of the dashboard; its page is at /"), start_response)
        if method not in _METHODS:
            refusal = Problem(
                405,
                "the dashboard is only read; tasks are at /ga4gh/tes/v1/tasks",
                headers={"Allow": ", ".join(_METHODS)},
            )
            return _refuse(refusal, start_response)
        return _send(asset, environ, start_response)


def _ours(path: str) -> bool:
    return path in ("/", BASE) or path.startswith(BASE + "/")


def _prefix(environ: Environ) -> str:
    root = environ.get(ENVIRON_KEY)
    return root.prefix if root is not None else ""


def _send(asset: Asset, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send a file, compressed where it may be; 304 where the client has it (RFC 9110, sections 12.5.3 and 13.1.2)."""
    headers = [
        ("Cache-Control", _LASTING if asset.lasting else "no-cache"),
        ("ETag", asset.etag),
        ("Vary", "Accept-Encoding"),
        *_SAFE,
    ]
    if _has(environ.get("HTTP_IF_NONE_MATCH", ""), asset.etag):
        start_response("304 Not Modified", headers)
        return [b""]
    body = asset.body
    if asset.compressed is not None and _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
        body = asset.compressed
        headers.append(("Content-Encoding", "gzip"))
    headers += [("Content-Type", asset.media_type), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def _has(known: str, etag: str) -> bool:
    return any(each.strip().removeprefix("W/") in (etag.removeprefix("W/"), "*") for each in known.split(","))


def _takes_gzip(accepted: str) -> bool:
    """Tell whether gzip is among the accepted encodings, and not with the weight 0."""
    for each in accepted.lower().split(","):
        name, _, parameters = each.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _refuse(problem: Problem, start_response: StartResponse) -> Iterable[bytes]:
    body = body_of(problem)
    headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), *problem.headers.items(), *_SAFE]
    start_response(f"{problem.status} {title_of(problem.status)}", headers)
    return [body]
