"""Where connections go: a name is looked up once, each of its addresses is judged, and only those are connected to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Resolver = Callable[[str, int], Sequence[str]]
AllowAddress = Callable[[str], bool]
AllowURL = Callable[[str], bool]


class Refused(Exception):
    """A host has an address that may not be connected to; becomes `AddressRefused`."""


def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host by the system's resolver, in its order.

    Raises:
        OSError: It has none.
        UnicodeError: It is no name that can be looked up.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True)
class Addresses:
    """How hosts become addresses.

    Attributes:
        allow: Says of an address, as text, whether it may be connected to; None allows all.
        resolver: Looks a host up.
    """

    allow: AllowAddress | None = None
    resolver: Resolver = look_up

    def of(self, host: str, port: int) -> Sequence[str]:
        """The addresses to connect to, in order.

        Raises:
            Refused: One of them is not allowed, or is no address, so that connecting would look it up again. One is
                enough: where a name leads to both kinds of address, which is taken would be left to chance.
            OSError, UnicodeError: As the resolver has it.
        """
        found = self.resolver(host, port)
        for address in found:
            if not _is_address(address) or (self.allow is not None and not self.allow(address)):
                raise Refused(address)
        return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
