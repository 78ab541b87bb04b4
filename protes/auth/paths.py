"""What is open to everybody: decided by the very path that is routed, so that no spelling of it passes for another."""

from collections.abc import Container

from protes.config.auth import AuthSettings

METRICS = "/metrics"
"""Decides for itself who may read it, from who calls."""

_BASES = ("/ga4gh/tes/v1", "/v1", "/protes/v1", "/ivoa/execution-broker/v1", "/ga4gh/registry/v1")
_SERVICE_INFO = ("/ga4gh/tes/v1/service-info", "/v1/service-info", "/v1/tasks/service-info")
_REGISTRY_INFO = "/ga4gh/registry/v1/service-info"
_PAGES = ("/", "/dashboard")
_PAGES_BELOW = ("/dashboard/", *(f"{base}/ui/" for base in _BASES))
_DOCUMENTS = frozenset(f"{base}/{name}" for base in _BASES for name in ("ui", "openapi.json", "openapi.yaml"))
_READING = ("GET", "HEAD")


def is_preflight(method: str, environ: Container[str]) -> bool:
    """Tell whether a browser asks whether it may ask (Fetch, "CORS-preflight request"), which it does anonymously."""
    return method == "OPTIONS" and "HTTP_ORIGIN" in environ and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def is_open(method: str, path: str, settings: AuthSettings) -> bool:
    """Tell whether a request is answered whoever sends it.

    Args:
        method: its method.
        path: where it is routed to, without the gateway root in front of it.
        settings: whether service-info is open.
    """
    if method not in _READING or "/.." in path:
        return False
    if path in (*_SERVICE_INFO, _REGISTRY_INFO):
        return settings.open_service_info
    return path in _PAGES or path in _DOCUMENTS or path.startswith(_PAGES_BELOW)
