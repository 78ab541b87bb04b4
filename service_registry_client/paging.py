"""Lists in pages: RFC 8288's `Link: rel="next"`, which some registries have though the specification does not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urljoin

from requests.utils import parse_header_links

from service_registry_client.errors import InvalidURL
from service_registry_client.transport import Budget, Limits, Reply, Transport
from service_registry_client.urls import origin

T = TypeVar("T")


@dataclass
class Pages(Generic[T]):
    """What has been read of a list so far."""

    entries: list[T] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    count: int = 0


def read_pages(
    first: Reply,
    transport: Transport,
    budget: Budget,
    limits: Limits,
    parse: Callable[[bytes], tuple[Sequence[T], Sequence[str]]],
) -> Pages[T]:
    """Read a list to its end or to the limits.

    Args:
        first: The first page.
        transport: For the pages after it.
        budget: Of the call.
        limits: How many pages and entries are read; what is beyond is left out with a warning.
        parse: The entries of a page's body and the warnings about them.

    Raises:
        RegistryError: Any of its kinds; half a list would look as if the other half had left.
    """
    pages: Pages[T] = Pages()
    reply, seen = first, {first.url}
    while True:
        entries, warnings = parse(reply.body)
        pages.count += 1
        pages.entries += entries
        pages.warnings += warnings
        following = _next_page(reply)
        stop = _why_stop(pages, following, reply.url, seen, limits)
        if stop:
            pages.warnings.append(stop)
        if stop or following is None:
            del pages.entries[limits.max_entries :]
            return pages
        seen.add(following)
        reply = transport.get(following, budget)


def _why_stop(pages: Pages[T], following: str | None, current: str, seen: set[str], limits: Limits) -> str | None:
    """Why no further page is read although there is one, or why entries are left out; None without a reason."""
    most = limits.max_entries
    if len(pages.entries) > most or (following is not None and len(pages.entries) == most):
        return f"only the first {most} entries were read"
    if following is None:
        return None
    if not _same_origin(following, current):
        return "the next page is at another origin and was not read"
    if following in seen:
        return "the next page is one that was read before"
    if pages.count >= limits.max_pages:
        return f"only the first {pages.count} pages were read"
    return None


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
