"""The calls of GA4GH Service Registry 1.0.0."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self
from urllib.parse import quote

from service_registry_client.addresses import Addresses, AllowAddress, AllowURL, Resolver, look_up
from service_registry_client.models import ExternalService, Listing, Service, ServiceType, Verification
from service_registry_client.paging import read_pages
from service_registry_client.parsing import (
    limit_warnings,
    parse_json,
    parse_service,
    parse_service_info,
    parse_services,
    parse_types,
    parse_verifications,
)
from service_registry_client.transport import Limits, Reply, Transport
from service_registry_client.urls import registry_base_url

_USER_AGENT = "service-registry-client"
# Ids that are no ids: one is a path of the specification, the others are resolved away on the way.
_RESERVED_IDS = frozenset({"types", ".", ".."})


class RegistryClient:
    """One registry. Safe to use from several threads; connects when first used.

    Args:
        base_url: As the registry publishes it, such as `https://registry.example.org/ga4gh/registry/v1`; a trailing
            `/services` or `/service-info` is taken off.
        token: Bearer token; sent to the registry's own origin only, never across redirects to another.
        limits: How much time and data a call may take.
        user_agent: Sent with every request.
        trust_env: Whether proxies and certificate bundles named by environment variables are used. Off by default, so
            that a program contacts what it was told to; credentials in ~/.netrc are never used.
        allow_address: Says of an IP address, as text, whether it may be connected to. Asked about every address of the
            registry's host, and of every host it redirects to, after the name has been looked up; where it refuses one
            nothing is sent. Connections go to the addresses it was asked about: the name is not looked up again.
        resolver: Looks up the addresses of a host and port, in the order to try them; the system's by default.
        tls: How certificates are checked; by default as `requests` does.
        allow_url: Says of every URL that is about to be asked, those of redirects and further pages too, whether it may
            be.
        clock: Monotonic seconds.

    Raises:
        InvalidURL: `base_url` is no URL of a service.
        ValueError: The token cannot be sent in a header, or `allow_address` comes with `trust_env`: with a proxy it is
            the proxy that looks names up, and no address here would be the registry's.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        limits: Limits | None = None,
        user_agent: str = _USER_AGENT,
        trust_env: bool = False,
        allow_address: AllowAddress | None = None,
        resolver: Resolver = look_up,
        tls: ssl.SSLContext | None = None,
        allow_url: AllowURL | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if allow_address is not None and trust_env:
            raise ValueError("allow_address cannot be had together with trust_env: a proxy would look names up")
        self.base_url = registry_base_url(base_url)
        self._limits = limits or Limits()
        addresses = Addresses(allow_address, resolver)
        self._transport = Transport(
            self.base_url, token, self._limits, user_agent, trust_env, clock, addresses, tls, allow_url
        )
        self._manner: dict[str, Any] = {
            "limits": limits,
            "user_agent": user_agent,
            "trust_env": trust_env,
            "allow_address": allow_address,
            "resolver": resolver,
            "tls": tls,
            "allow_url": allow_url,
            "clock": clock,
        }

    def __repr__(self) -> str:
        return f"RegistryClient({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Break off calls that go on and close the connections. A later call opens new ones."""
        self._transport.close()

    def nested(self, base_url: str) -> RegistryClient:
        """A client of a registry that this one lists, with the same limits and address check; not connected to this.

        The token goes along only to a registry of the same origin.

        Raises:
            InvalidURL: `base_url` is no URL of a service.
        """
        return RegistryClient(base_url, self._transport.token_for(registry_base_url(base_url)), **self._manner)

    def services(self, previous: Listing | None = None) -> Listing:
        """`GET /services`, and the pages that follow where a registry has them.

        Args:
            previous: An earlier answer; if it had an ETag and the registry says that nothing has changed, it is
                returned again, with what the registry now says about how long it holds.

        Raises:
            RegistryError: Any of its kinds; a failure on a later page fails the call, since half a list would look as
                if the other half had left.
        """
        conditional = {"If-None-Match": previous.etag} if previous and previous.etag else {}
        url = f"{self.base_url}/services"
        with self._transport.call() as budget:
            reply = self._transport.get(url, budget, conditional)
            max_age, no_store = _cache_control(reply)
            if reply.status == 304 and previous is not None:
                silent = "Cache-Control" not in reply.headers
                return previous if silent else replace(previous, max_age_seconds=max_age, no_store=no_store)
            pages = read_pages(reply, self._transport, budget, self._limits, self._page_of_services)
        # The ETag of a first page says nothing about the others.
        etag = _etag(reply) if pages.count == 1 else None
        return Listing(tuple(pages.entries), limit_warnings(pages.warnings), etag, max_age, no_store)

    def service(self, service_id: str) -> ExternalService:
        """`GET /services/{serviceId}`.

        Raises:
            RegistryError: Any of its kinds; RegistryAnswer with status 404 if there is no such service.
            ValueError: The id is empty or cannot be an id.
        """
        if not service_id or service_id in _RESERVED_IDS:
            raise ValueError(f"{service_id!r} cannot be the id of a service")
        return parse_service(self._document(f"/services/{quote(service_id, safe='')}"), self.base_url)

    def types(self) -> tuple[ServiceType, ...]:
        """`GET /services/types`: the distinct types of the registry's services.

        Raises:
            RegistryError: Any of its kinds.
        """
        return parse_types(self._document("/services/types"), self.base_url)

    def service_info(self) -> Service:
        """`GET /service-info`: what the registry says about itself.

        Raises:
            RegistryError: Any of its kinds.
        """
        return parse_service_info(self._document("/service-info"), self.base_url)

    def verifications(self) -> tuple[Verification, ...]:
        """`GET /verifications`: the services that the registry vouches for; see `verified_services`.

        Not in the specification, and few registries have it. Entries that cannot be understood are left out.

        Raises:
            RegistryError: Any of its kinds; RegistryAnswer with status 404 where the registry has no verifications.
        """
        with self._transport.call() as budget:
            reply = self._transport.get(f"{self.base_url}/verifications", budget)
            pages = read_pages(reply, self._transport, budget, self._limits, self._page_of_verifications)
        return tuple(pages.entries)

    def _document(self, path: str) -> object:
        with self._transport.call() as budget:
            reply = self._transport.get(self.base_url + path, budget)
        return parse_json(reply.body, self.base_url)

    def _page_of_services(self, body: bytes) -> tuple[Sequence[ExternalService], Sequence[str]]:
        parsed = parse_services(parse_json(body, self.base_url), self.base_url)
        return parsed.services, parsed.warnings

    def _page_of_verifications(self, body: bytes) -> tuple[Sequence[Verification], Sequence[str]]:
        url = f"{self.base_url}/verifications"
        return parse_verifications(parse_json(body, url), url), ()


def _etag(reply: Reply) -> str | None:
    """The ETag if it can be sent back as it is."""
    etag = reply.headers.get("ETag", "")
    return etag if re.fullmatch(r'(W/)?"[\x21\x23-\x7e]*"', etag) else None


def _cache_control(reply: Reply) -> tuple[int | None, bool]:
    """`max-age` in seconds, None if not said (0 for `no-cache`), and whether `no-store` is said."""
    max_age: int | None = None
    said = [part.strip().lower() for part in reply.headers.get("Cache-Control", "").split(",")]
    for directive in said:
        name, _, value = directive.partition("=")
        if name == "max-age" and re.fullmatch(r'"?[0-9]{1,9}"?', value):
            max_age = int(value.strip('"'))
    return (0 if "no-cache" in said else max_age), "no-store" in said
