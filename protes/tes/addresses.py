"""Which addresses may be asked: a URL in a task must not make the gateway reach into its own network.

The name is resolved once, every address it has is checked, and the connection goes to a checked one, so that a second
look-up cannot lead elsewhere.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from urllib.parse import urlsplit

Resolver = Callable[[str, int], Sequence[str]]
AllowAddress = Callable[[str], bool]

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20", "5f00::/16")
    )
)
"""Shared, protocol, relay, site-local, documentation and segment-routing ranges, which not every Python knows."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class NotAllowed(Exception):
    """The address is not one that may be asked; the text names no URL."""

    def __init__(self) -> None:
        super().__init__("its address is not a public one")


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
    return _passed(resolver(host, port), allowed_addresses(allow_private))


def allowed_addresses(allow_private: bool) -> AllowAddress:
    """Return what tells whether an address may be asked."""
    return _any_address if allow_private else is_public


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


def names_no_public_address(url: str) -> bool:
    """Tell whether it shows in a URL, without a look-up, that it leads to no public address.

    Args:
        url: normalised by `service_registry_client.normalise_url`, which leaves one spelling of an address.
    """
    host = urlsplit(url).hostname or ""
    if is_literal(host):
        return not is_public(host)
    return host == "localhost" or host.endswith(".localhost")


def is_literal(host: str) -> bool:
    """Tell whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class AddressGuard:
    """Looks up the host of a connection that is about to be made, and checks where it leads. Safe under threads.

    A look-up cannot be broken off: only the operating system's resolver bounds it (usually to 10 to 30 seconds, by
    `timeout` and `attempts` of resolv.conf). So it runs on a thread of its own, and whoever waits for it leaves when
    their time is over; those who ask for the same host meanwhile wait for the look-up that is under way, so that a
    resolver that hangs holds one thread per host at most.
    """

    def __init__(self, allow_address: AllowAddress, resolver: Resolver = resolve) -> None:
        """Allow the addresses that `allow_address` does."""
        self._allow = allow_address
        self._resolver = resolver
        self._running: dict[tuple[str, int], Future[Sequence[str]]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """Return the addresses of a host, one at least, all of them allowed.

        Raises:
            NotAllowed: one of them is not allowed.
            OSError: the host has none; TimeoutError, a kind of it: none was found within `seconds`.
        """
        return _passed(self.look_up(host, port, seconds), self._allow)

    def look_up(self, host: str, port: int, seconds: float) -> Sequence[str]:
        """Return the addresses of a host, one at least, not checked.

        Raises:
            OSError: as for `addresses`.
        """
        found = (host,) if is_literal(host) else self._begun(host, port).result(seconds)
        if not found:
            raise _no_address()
        return found

    def _begun(self, host: str, port: int) -> "Future[Sequence[str]]":
        with self._lock:
            running = self._running.get((host, port))
            if running is None:
                running = self._running[host, port] = Future()
                threading.Thread(target=self._run, args=(host, port, running), name="look-up", daemon=True).start()
            return running

    def _run(self, host: str, port: int, answer: "Future[Sequence[str]]") -> None:
        try:
            found = self._resolver(host, port)
        except (OSError, ValueError) as error:
            self._forget(host, port)
            answer.set_exception(error if isinstance(error, OSError) else _no_address())
        else:
            self._forget(host, port)
            answer.set_result(found)

    def _forget(self, host: str, port: int) -> None:
        """Have the next one look again: an answer is for those who waited for it and for nobody later."""
        with self._lock:
            del self._running[host, port]


def _passed(addresses: Sequence[str], allow: AllowAddress) -> Sequence[str]:
    if not all(map(allow, addresses)):
        raise NotAllowed
    return addresses


def _no_address() -> OSError:
    return socket.gaierror(socket.EAI_NONAME, "its host has no address")


def _any_address(_: str) -> bool:
    return True
