"""Telling instances by what clients and operators call them: an id, or a URL in any of its spellings.

Equal URLs may differ in the case of scheme and host, in a default port, in slashes at the end and in the API path,
which registries and engines add or not (`/ga4gh/tes/v1`, `/v1`).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from middleware.candidate import Candidate

__all__ = ["canonical", "named", "same_place"]

_API_PATHS = ("/ga4gh/tes/v1", "/v1")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=8192)
def canonical(url: str) -> str:
    """Return the spelling under which equal base URLs are the same text; what is no URL comes back as it is."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if not parts.scheme or not host:
        return url
    shown = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}"
    path = parts.path.rstrip("/")
    for api in _API_PATHS:
        if path.endswith(api):
            path = path.removesuffix(api).rstrip("/")
            break
    return f"{parts.scheme}://{host}{shown}{path}"


def same_place(one: str | None, other: str | None) -> bool:
    """Tell whether two base URLs are the same instance's."""
    return one is not None and other is not None and (one == other or canonical(one) == canonical(other))


def named(names: Iterable[str]) -> Callable[[Candidate], bool]:
    """Return a function that tells whether one of the names, ids or URLs, is a candidate's."""
    ids = frozenset(names)
    urls = frozenset(canonical(each) for each in ids if "://" in each)

    def is_named(candidate: Candidate) -> bool:
        return candidate.id in ids or (bool(urls) and canonical(candidate.url) in urls)

    return is_named
