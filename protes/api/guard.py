"""Who may talk to a server on this machine through a browser: nobody, unless it is said (DESIGN.md, "Safe by default").

A web page can make its visitor's browser send requests to loopback addresses, and DNS rebinding makes them look
same-origin. So a `Host` that is not ours and an `Origin` that is not ours or listed are refused.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Guard:
    """Which `Host` and `Origin` values are let in.

    Attributes:
        hosts: names or addresses beside the loopback ones, lower case, without port.
        origins: web origins (`scheme://host[:port]`) that may call from a browser.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, bound: str, allowed_hosts: Collection[str], origins: Collection[str]) -> "Guard":
        """Make the guard of a server bound to address `bound`; a wildcard address names no host."""
        names = {host.lower() for host in allowed_hosts}
        if bound not in ("", "0.0.0.0", "::"):
            names.add(bound.lower())
        return cls(frozenset(names), frozenset(origin.rstrip("/").lower() for origin in origins))

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Say why a request is refused, or None where it is let in.

        Args:
            host: the `Host` header.
            origin: the `Origin` header, None where there is none.
        """
        name = _name_of(host or "")
        if name not in LOOPBACK_NAMES and name not in self.hosts:
            return "Host: this name is not one of the server's; add it to server.allowed_hosts if it is meant to be"
        if origin is None or origin.lower() in self.origins:
            return None
        scheme, _, authority = origin.lower().partition("://")
        if scheme in ("http", "https") and authority == (host or "").lower():
            return None
        return "Origin: web pages of other origins may not call this server; list them in server.cors_origins"


def _name_of(host: str) -> str:
    """Return the host name of a `Host` header, without port and brackets; "" where it is none."""
    match = _HOST.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""
