"""Registries that registries list: the same services at hand, of a registry and of those beneath it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Self

from service_registry_client.cache import CachedRegistry, Snapshot
from service_registry_client.filters import filter_services
from service_registry_client.models import ExternalService
from service_registry_client.parsing import limit_warnings
from service_registry_client.urls import registry_base_url

_ARTIFACT = "service-registry"
_DEEPEST = 2
_FORMAT = 1
_CLOSE_SECONDS = 1.0

_Start = Callable[[CachedRegistry], Snapshot]
# The second argument is how many seconds to wait.
_Await = Callable[[CachedRegistry, float], Snapshot]


class RegistryTree:
    """A registry and the registries that it lists (services of the artifact `service-registry`), as one.

    Has the methods of `CachedRegistry`, and is as safe to use from several threads. Each registry is asked for itself,
    in the background and with the options of the first: one in trouble keeps its last good services, delays nobody,
    and is named in a warning. None is asked twice, however many list it. A registry that is no longer listed is
    forgotten with its services. A token goes to nested registries of the same origin only; an address check, to all.

    The snapshot is the first registry's, with the services of the others behind its own, nearest first. A service that
    several registries list is there for each; `provenance.registry` tells which. `fetched_at` and `error` are those of
    the first registry, `pending` has the nested ones that have neither answered nor failed so far.

    Args:
        root: The first registry; closed with the tree.
        depth: How deep to go: 1 for the registries that the first one lists, 2 for what those list as well.
        max_registries: How many registries are asked at most, beside the first.
        total_seconds: How long a call waits for all registries together, where it waits.
        clock: Monotonic seconds.

    Raises:
        ValueError: `depth` is neither 1 nor 2, or `max_registries` is below 1.
    """

    def __init__(
        self,
        root: CachedRegistry,
        *,
        depth: int = _DEEPEST,
        max_registries: int = 50,
        total_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= depth <= _DEEPEST:
            raise ValueError(f"depth must be from 1 to {_DEEPEST}")
        if max_registries < 1:
            raise ValueError("max_registries must be at least 1")
        self._root = root
        self._depth = depth
        self._max_registries = max_registries
        self._total_seconds = total_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._nested: dict[str, CachedRegistry] = {}
        self._closed = False

    @property
    def url(self) -> str:
        """The first registry's base URL."""
        return self._root.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def services(self, wait_seconds: float | None = None) -> Snapshot:
        """The services known now. Starts a refresh of each registry where one is due; never raises because of one.

        Args:
            wait_seconds: How long to wait for registries of which nothing usable is known: None until each has answered
                or failed, `total_seconds` at most; 0 not at all, so that what nested registries list turns up in later
                calls.
        """
        return self._walk(lambda each: each.services(0), CachedRegistry.services, wait_seconds)

    def refresh(self, force: bool = False, wait_seconds: float | None = None) -> Snapshot:
        """Refresh every registry that is due, or each with `force`, and return what is known then.

        Args:
            force: Whether to refresh what is fresh, or left alone after a failure.
            wait_seconds: How long to wait: None until all refreshes end, `total_seconds` at most; 0 not at all.
        """
        return self._walk(
            lambda each: each.refresh(force, 0), lambda each, seconds: each.refresh(False, seconds), wait_seconds
        )

    def dump(self) -> str:
        """The last good answers of all registries as JSON text for `load`."""
        with self._lock:
            nested = sorted(self._nested.items())
        return json.dumps(
            {"format": _FORMAT, "root": self._root.dump(), "nested": {url: each.dump() for url, each in nested}}
        )

    def load(self, text: str) -> bool:
        """Take over what `dump` returned; each registry's answer for itself, as `CachedRegistry.load` does.

        Returns:
            Whether the first registry's was taken over. Nested registries that it does not list are forgotten with the
            next call.

        Raises:
            ValueError: The text is not what `dump` returns.
        """
        try:
            document = json.loads(text)
            if document["format"] != _FORMAT:
                raise ValueError("the kept answers have a format of another version")
            taken = self._root.load(document["root"])
            for url, kept in itertools.islice(document["nested"].items(), self._max_registries):
                nested = self._nested_at(registry_base_url(url))
                if nested is not None:
                    nested.load(kept)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("the text is not what is kept of registries") from error
        return taken

    def close(self, wait_seconds: float = _CLOSE_SECONDS) -> None:
        """Break off what goes on and close every client; what is known stays readable.

        Args:
            wait_seconds: How long to wait at most for all of them.
        """
        with self._lock:
            self._closed = True
            everyone = [self._root, *self._nested.values()]
        ends_at = self._clock() + wait_seconds
        for each in everyone:
            each.close(0)
        for each in everyone:
            each.close(max(0.0, ends_at - self._clock()))

    def _walk(self, start: _Start, wait: _Await, wait_seconds: float | None) -> Snapshot:
        """Level by level, all registries of a level at once."""
        seconds = self._total_seconds if wait_seconds is None else min(wait_seconds, self._total_seconds)
        ends_at = self._clock() + seconds
        found: dict[str, Snapshot] = {}
        level, left_out = [self._root], 0
        for depth in range(self._depth + 1):
            for each in level:
                start(each)
            for each in level:
                found[each.url] = wait(each, max(0.0, ends_at - self._clock()))
            if depth < self._depth:
                listed = _registries_in(found[each.url] for each in level)
                unseen = [url for url in listed if url not in found]
                room = self._max_registries + 1 - len(found)
                left_out += len(unseen[room:])
                level = [nested for nested in map(self._nested_at, unseen[:room]) if nested is not None]
        self._forget_all_but(found)
        return _together(found, left_out)

    def _nested_at(self, url: str) -> CachedRegistry | None:
        """The nested registry with this base URL, made if need be; None after the end."""
        with self._lock:
            if url not in self._nested and not self._closed:
                self._nested[url] = self._root.nested(url)
            return self._nested.get(url)

    def _forget_all_but(self, urls: Container[str]) -> None:
        with self._lock:
            gone = [url for url in self._nested if url not in urls]
            forgotten = [self._nested.pop(url) for url in gone]
        for each in forgotten:
            each.close(0)


def _registries_in(snapshots: Iterable[Snapshot]) -> list[str]:
    """The base URLs of the registries listed, each once, in order."""
    services = (service for snapshot in snapshots for service in snapshot.services)
    return list(dict.fromkeys(registry_base_url(each.url) for each in filter_services(services, artifact=_ARTIFACT)))


def _together(found: Mapping[str, Snapshot], left_out: int) -> Snapshot:
    """One snapshot of several, the first registry's first."""
    (_, first), *nested = found.items()
    services: list[ExternalService] = list(first.services)
    warnings = list(first.warnings)
    for url, snapshot in nested:
        services += snapshot.services
        said = [*([f"in trouble: {snapshot.error}"] if snapshot.error else []), *snapshot.warnings]
        warnings += [f"nested registry {url}: {warning}" for warning in said]
    if left_out:
        warnings.append(f"nested registries not asked, since there are too many: {left_out}")
    return replace(
        first,
        services=tuple(services),
        warnings=limit_warnings(warnings),
        stale=first.stale or any(each.stale and each.fetched_at is not None for _, each in nested),
        pending=tuple(url for url, each in nested if each.fetched_at is None and each.error is None),
    )
