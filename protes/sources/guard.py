"""Which addresses may be asked: a URL in a task must not make the gateway reach into its own network.

The name is resolved once, every address it has is checked, and the connection goes to a checked one, so that a second
look-up cannot lead elsewhere.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence

Resolver = Callable[[str, int], Sequence[str]]

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20", "5f00::/16")
    )
)
"""Shared, protocol, relay, site-local, documentation and segment-routing ranges, which not every Python knows."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class NotAllowed(Exception):
    """The address is not one that may be asked; the text names no URL."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def checked(host: str, port: int, allow_private: bool, resolver: Resolver = resolve) -> Sequence[str]:
    """Return the addresses of a host that may be asked, in the order of the resolver.

    Raises:
        NotAllowed: one of them is not public. One is enough: an honest name has no such company.
        OSError: the host has no address.
    """
    addresses = resolver(host, port)
    if not allow_private and not all(is_public(each) for each in addresses):
        raise NotAllowed("its address is not a public one")
    return addresses


def is_public(address: str) -> bool:
    """Tell whether an address is one of the open Internet, and not hidden inside another."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    if any(found in each for each in _NOT_PUBLIC):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)
