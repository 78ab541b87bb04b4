"""URLs of instances: their canonical form, ids as path segments, and which of them are one server."""

import re
from urllib.parse import quote, urlsplit

SCHEMES = {"http": 80, "https": 443}
"""Schemes of instances, with their default ports."""

_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^:]*)(?::[0-9]+)?")


def canonical(url: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        ValueError: not http(s), no host, or with credentials, a query or a fragment; the text does not repeat it.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError("the URL of an instance starts with http:// or https:// and names a host")
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong into the URL of an instance")
    if parts.query or parts.fragment:
        raise ValueError("the URL of an instance has no query and no fragment")
    port = "" if parts.port in (None, SCHEMES[parts.scheme]) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def segment(text: str) -> str:
    """Quote a text as one path segment.

    Raises:
        ValueError: it is empty, `.` or `..`, which cannot be a segment whatever the quoting.
    """
    if text in ("", ".", ".."):
        raise ValueError("not usable as a path segment")
    return quote(text, safe="")


def same_server(one: str, other: str) -> bool:
    """Whether credentials for `one` may go to `other`: same origin, or its upgrade from http to https."""
    here, there = urlsplit(one), urlsplit(other)
    if here.hostname != there.hostname or "@" in there.netloc:
        return False
    ports = [parts.port or SCHEMES.get(parts.scheme) for parts in (here, there)]
    if here.scheme == there.scheme:
        return ports[0] == ports[1]
    return (here.scheme, there.scheme, *ports) == ("http", "https", 80, 443)


def without_credentials(url: str) -> str:
    """Return a URL without `user:password@`; what is no URL with a host comes back as it is.

    A password with a `/`, `?` or `#` in it should have them encoded, and often has not: what stands before the first of
    these is then neither a host nor a host with a port, and all before the last `@` is taken away.
    """
    scheme, separator, rest = url.partition("://")
    ends = [place for place in map(rest.find, "/?#") if place >= 0]
    authority = rest[: min(ends, default=len(rest))]
    before = authority if "@" in authority or _HOST.fullmatch(authority) else rest
    if not separator or "@" not in before:
        return url
    return f"{scheme}://{rest[before.rindex('@') + 1 :]}"
