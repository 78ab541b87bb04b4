"""The calls of GA4GH Service Registry 1.0.0."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import quote, urljoin

from requests.utils import parse_header_links

from service_registry_client.errors import InvalidURL
from service_registry_client.models import ExternalService, Listing, Service, ServiceType
from service_registry_client.parsing import (
    limit_warnings,
    parse_json,
    parse_service,
    parse_service_info,
    parse_services,
    parse_types,
)
from service_registry_client.transport import Budget, Limits, Reply, Transport
from service_registry_client.urls import normalise_url, origin

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
        clock: Monotonic seconds.

    Raises:
        InvalidURL: `base_url` is no URL of a service.
        ValueError: The token cannot be sent in a header.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        limits: Limits | None = None,
        user_agent: str = _USER_AGENT,
        trust_env: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = normalise_url(normalise_url(base_url).removesuffix("/services"))
        self._limits = limits or Limits()
        self._transport = Transport(self.base_url, token, self._limits, user_agent, trust_env, clock)

    def __repr__(self) -> str:
        return f"RegistryClient({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Break off calls that go on and close the connections. A later call opens new ones."""
        self._transport.close()

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
            pages = self._read_pages(reply, budget)
        # The ETag of a first page says nothing about the others.
        etag = _etag(reply) if pages.count == 1 else None
        return Listing(tuple(pages.services), limit_warnings(pages.warnings), etag, max_age, no_store)

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

    def _document(self, path: str) -> object:
        with self._transport.call() as budget:
            reply = self._transport.get(self.base_url + path, budget)
        return parse_json(reply.body, self.base_url)

    def _read_pages(self, reply: Reply, budget: Budget) -> _Pages:
        pages = _Pages()
        seen = {reply.url}
        while True:
            parsed = parse_services(parse_json(reply.body, self.base_url), self.base_url)
            pages.count += 1
            pages.services += parsed.services
            pages.warnings += parsed.warnings
            following = _next_page(reply)
            stop = self._why_stop(pages, following, reply.url, seen)
            if stop:
                pages.warnings.append(stop)
            if stop or following is None:
                del pages.services[self._limits.max_entries :]
                return pages
            seen.add(following)
            reply = self._transport.get(following, budget)

    def _why_stop(self, pages: _Pages, following: str | None, current: str, seen: set[str]) -> str | None:
        """Why no further page is read although there is one, or why entries are left out; None without a reason."""
        most = self._limits.max_entries
        if len(pages.services) > most or (following is not None and len(pages.services) == most):
            return f"only the first {most} entries were read"
        if following is None:
            return None
        if not _same_origin(following, current):
            return "the next page is at another origin and was not read"
        if following in seen:
            return "the next page is one that was read before"
        if pages.count >= self._limits.max_pages:
            return f"only the first {pages.count} pages were read"
        return None


@dataclass
class _Pages:
    """What has been read of a list so far."""

    services: list[ExternalService] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    count: int = 0


def _next_page(reply: Reply) -> str | None:
    for link in parse_header_links(reply.headers.get("Link", "")):
        if "next" in link.get("rel", "").lower().split() and link.get("url"):
            with contextlib.suppress(ValueError):
                return urljoin(reply.url, link["url"])
    return None


def _same_origin(url: str, other: str) -> bool:
    try:
        return origin(url) == origin(other)
    except InvalidURL:
        return False


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
