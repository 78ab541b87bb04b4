"""Which addresses may be asked: a URL in a task must not make the gateway reach into its own network.

The name is resolved once, every address it has is checked, and the connection goes to a checked one, so that a second
look-up cannot lead elsewhere.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

Resolver = Callable[[str, int], Sequence[str]]
AllowAddress = Callable[[str], bool]

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20", "5f00::/16")
    )
)
"""Shared, protocol, relay, site-local, documentation and segment-routing ranges, which not every Python knows."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",  # nearly all: 169.254.169.254, and 169.254.170.2 and .23 of containers
            "168.63.129.16/32",  # Azure's; it looks public
            "100.100.100.200/32",  # Alibaba's
            "192.0.0.192/32",  # Oracle's
            "fd00:ec2::/32",  # Amazon's
            "fd20:ce::254/128",  # Google's
            "fe80::/10",  # OpenStack's is fe80::a9fe:a9fe
        ),
    )
)
"""Where clouds answer whoever asks from inside with the machine's credentials. Nobody else is asked at a link-local
address by a name, so these are among them as a whole."""


class NotAllowed(Exception):
    """What was named may not be asked; the text says why and names no URL."""

    def __init__(self, text: str = "its address is not a public one") -> None:
        super().__init__(text)


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(address: str) -> bool:
    """Tell whether an address is one of the open Internet, and not hidden inside another."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(found)
    if inner is not None:
        return is_public(str(inner))
    if any(found in each for each in (*_METADATA, *_NOT_PUBLIC)):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def is_metadata(address: str) -> bool:
    """Tell whether a cloud's metadata service is at an address, also where it is hidden inside another."""
    return any(each in network for each in spelled(address) for network in _METADATA)


def spelled(address: str) -> Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return an address, and the one that is hidden inside it where there is one; nothing where it is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ()
    inner = _inner(found)
    return (found,) if inner is None else (found, inner)


def is_literal(host: str) -> bool:
    """Tell whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the address of version 4 that one of version 6 stands for: mapped, 6to4, Teredo or translated."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _TRANSLATED:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner


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
                running = Future()
                look_up = threading.Thread(target=self._run, args=(host, port, running), name="look-up", daemon=True)
                try:
                    look_up.start()
                except RuntimeError:  # no more threads are to be had; nobody must wait for one that never ran
                    raise _no_address() from None
                self._running[host, port] = running
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
