"""What may be asked where others than the operator name the URL: schemes, hosts, ports and addresses.

A URL is looked at twice: as it stands, without a look-up (`Rules.check`), and by the addresses of its host at the
moment of connecting (`Rules.allows`). What the first lets pass decides nothing about the second.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from protes.outbound.addresses import NotAllowed, is_literal, is_metadata, is_public, spelled
from service_registry_client.errors import InvalidURL
from service_registry_client.urls import canonical_host

PORTS = {"http": 80, "https": 443}
_LONGEST_URL = 8192
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        scheme: `http` or `https`.
        host: in one spelling: lower case, ASCII, no dot at its end, an IPv6 address without brackets.
        port: said or by default.
        path: what is asked for there, query included.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and port, which is what a credential is meant for."""
        return f"{self.scheme}://{self.shown_host}:{self.port}"

    @property
    def shown_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def host_header(self) -> str:
        """The value of the header `Host`."""
        return self.shown_host if self.port == PORTS[self.scheme] else f"{self.shown_host}:{self.port}"


def target_of(url: str) -> Target:
    """Take a URL apart, whoever named it.

    Raises:
        NotAllowed: it is no http(s) URL, has a user in it, or its host is spelled in a way that only some resolvers
            understand (decimal, octal, hexadecimal or shortened addresses, zones).
    """
    if len(url) > _LONGEST_URL or not url.isprintable():
        raise NotAllowed("is no URL")
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
    except ValueError:
        raise NotAllowed("is no URL") from None
    if parts.scheme not in PORTS or not name or "@" in parts.netloc or port == 0:
        raise NotAllowed("is no http(s) URL without a user")
    try:
        host = canonical_host(name).strip("[]")
    except InvalidURL:
        raise NotAllowed("its host is neither a name nor an address") from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path)


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be asked.

    Attributes:
        schemes: of URLs.
        http: whether plain http may leave this machine.
        allow_hosts: patterns; None allows all.
        deny_hosts: patterns; they win.
        ports: None allows all.
        allow_private: whether addresses that are not public may be asked; those of metadata services may not.
        allow_networks: addresses that may be asked although they are not public.
        deny_networks: addresses that may not be asked although they are; they win.
    """

    schemes: frozenset[str] = frozenset(PORTS)
    http: bool = True
    allow_hosts: tuple[str, ...] | None = None
    deny_hosts: tuple[str, ...] = ()
    ports: frozenset[int] | None = None
    allow_private: bool = False
    allow_networks: tuple[_Network, ...] = ()
    deny_networks: tuple[_Network, ...] = ()

    def check(self, url: str) -> Target:
        """Return where a URL leads, as far as that shows in it; nothing is looked up.

        Raises:
            NotAllowed: it may not be asked; the text says why, without the URL.
        """
        target = target_of(url)
        if target.scheme not in self.schemes:
            raise NotAllowed(f"its scheme {target.scheme} is not allowed")
        if self.ports is not None and target.port not in self.ports:
            raise NotAllowed(f"its port {target.port} is not allowed")
        if _fits_any(target, self.deny_hosts) or not (self.allow_hosts is None or _fits_any(target, self.allow_hosts)):
            raise NotAllowed("its host is not one of those that are allowed")
        if not (self.allows(target.host) if is_literal(target.host) else self._name_may_pass(target.host)):
            raise NotAllowed
        if target.scheme == "http" and not self.http and not _is_here(target.host):
            raise NotAllowed("it is plain http, which is not allowed")
        return target

    def allows(self, address: str) -> bool:
        """Tell whether an address may be connected to."""
        if not is_literal(address) or _within(address, self.deny_networks):
            return False
        if _within(address, self.allow_networks):
            return True
        if is_metadata(address):
            return False
        return self.allow_private or is_public(address)

    def _name_may_pass(self, host: str) -> bool:
        """Tell whether a name may lead to an allowed address: `localhost` leads here, whatever a resolver says."""
        return not _is_here(host) or self.allows("127.0.0.1") or self.allows("::1")


def _is_here(host: str) -> bool:
    if is_literal(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _fits_any(target: Target, patterns: Iterable[str]) -> bool:
    return any(_fits(target, each.lower()) for each in patterns)


def _fits(target: Target, pattern: str) -> bool:
    name, _, port = pattern.partition(":")
    if port and int(port) != target.port:
        return False
    return target.host.endswith(name[1:]) if name.startswith("*.") else target.host == name


def _within(address: str, networks: Iterable[_Network]) -> bool:
    return any(each in network for network in networks for each in spelled(address))
