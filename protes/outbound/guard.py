"""The guard that stands before every URL that others than the operator name (docs/outbound.md).

Tasks name instances and registries, inputs name servers and DRS hosts, registries list instances, clients name where
they want to be called back. Whoever asks there goes through a guard: with `Web` (one request, one connection), or with
a client of its own that is handed what the guard allows.
"""

import ipaddress
from collections.abc import Callable

from protes.config.outbound import OutboundSettings
from protes.outbound.addresses import AddressGuard, NotAllowed, Resolver, resolve
from protes.outbound.rules import Rules, Target, target_of


class Guard:
    """Says what may be asked. Safe under threads.

    Attributes:
        rules: what is allowed.
        resolver: finds the addresses of hosts.
        addresses: looks hosts up when a connection is made, and lets it go to addresses only that the rules allow.
    """

    def __init__(self, rules: Rules, resolver: Resolver = resolve, *, leaves_server: bool = False) -> None:
        """Guard by rules; `leaves_server` lets a redirect lead to any URL that they allow."""
        self.rules = rules
        self.resolver = resolver
        self.addresses = AddressGuard(rules.allows, resolver)
        self._leaves_server = leaves_server

    def check(self, url: str) -> Target:
        """Return where a URL leads, as far as that shows in it; nothing is looked up, so nothing is proven.

        Raises:
            NotAllowed: it may not be asked; the text says why, without the URL.
        """
        return self.rules.check(url)

    def redirected(self, url: str, target: str) -> Target:
        """Return where a redirect leads that may be followed.

        Raises:
            NotAllowed: it leads away from https, to another server, or where the rules do not allow.
        """
        here, there = target_of(url), self.rules.check(target)
        if here.scheme == "https" and there.scheme != "https":
            raise NotAllowed("redirects away from https")
        upgraded = (here.scheme, here.port, there.scheme, there.port) == ("http", 80, "https", 443)
        same = here.host == there.host and (here.origin == there.origin or upgraded)
        if not same and not self._leaves_server:
            raise NotAllowed("redirects to another server")
        return there

    def follower(self, home: str) -> Callable[[str], bool]:
        """Return what tells whether a client that was sent to `home` may ask a URL, reached by redirects or links."""

        def may(url: str) -> bool:
            try:
                self.check(home)
                self.redirected(home, url)
            except NotAllowed:
                return False
            return True

        return may


def guard_of(
    settings: OutboundSettings,
    *,
    allow_private: bool = False,
    http: bool = True,
    any_host: bool = False,
    resolver: Resolver = resolve,
) -> Guard:
    """Make a guard of the operator's settings.

    Args:
        settings: section `outbound`.
        allow_private: addresses that are not public may be asked; what the settings deny stays denied.
        http: plain http may leave this machine, where the settings have it.
        any_host: `outbound.allow_hosts` does not count: the operator has named whom the URLs come from.
        resolver: finds the addresses of hosts.
    """
    rules = Rules(
        schemes=frozenset(settings.schemes),
        http=http,
        allow_hosts=None if any_host else settings.allow_hosts,
        deny_hosts=settings.deny_hosts,
        ports=frozenset(settings.ports) if settings.ports is not None else None,
        allow_private=allow_private,
        allow_networks=tuple(map(ipaddress.ip_network, settings.allow_networks)),
        deny_networks=tuple(map(ipaddress.ip_network, settings.deny_networks)),
    )
    return Guard(rules, resolver, leaves_server=settings.redirects == "checked")
