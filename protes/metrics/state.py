"""Gauges that are read when they are asked for: how the federation stands, which the store says to every process."""

import platform
import threading
from collections.abc import Iterator, Mapping
from typing import Protocol

from protes import __version__
from protes.clock import Clock
from protes.federation.known import FederationView, KnownInstance
from protes.metrics.catalogue import (
    BUILD,
    HEARD,
    INSTANCE_LIMIT,
    INSTANCE_TASKS,
    OTHER,
    PANIC,
    REGISTRY_ANSWERED,
    REGISTRY_FAILING,
    REGISTRY_SERVICES,
    STATUS,
    UNFINISHED,
    UNPLACED,
    UP,
)
from protes.metrics.names import InstanceNames
from protes.metrics.port import Metric
from protes.store.protocols import StoreError
from protes.tes.redaction import redact
from service_registry_client import Snapshot

_STATUSES = ("ok", "draining", "ejected", "unreachable", "unprobed", "retired")
_COUNT_EVERY_SECONDS = 15.0
_TIMES_AS_LONG = 50
"""Counting what is unfinished takes a fiftieth of the time at most, however many tasks there are."""

Reading = tuple[Metric, tuple[str, ...], float]


class Counting(Protocol):
    """The part of a TaskStore that is counted with."""

    def count(self, *, unfinished: bool = False) -> int:
        """Return how many tasks there are; see `TaskStore.count`."""


class Registries(Protocol):
    """The part of a federation that knows registries."""

    def registries(self) -> Mapping[str, Snapshot]:
        """Return what is known of each registry, by URL; asks nobody, and waits for nothing."""


class State:
    """Reads the gauges. Safe under threads; where the store does not answer, it tells what it knows."""

    def __init__(self, tasks: Counting, names: InstanceNames, clock: Clock) -> None:
        """Read of the federation that `names` has, and of these tasks."""
        self._tasks = tasks
        self._names = names
        self._clock = clock
        self._unfinished: int | None = None
        self._count_at = float("-inf")
        self._counting = threading.Lock()

    def read(self, registries: Registries) -> Iterator[Reading]:
        """Yield them."""
        view = self._names.view()
        yield BUILD, (__version__, platform.python_version()), 1.0
        yield PANIC, (), float(view.panicking)
        yield from _instances(view, self._names)
        yield from _registries(registries.registries())
        unfinished = self._count()
        if unfinished is not None:
            placed = sum(each.in_flight for each in view.instances)
            yield UNFINISHED, (), float(unfinished)
            yield UNPLACED, (), float(max(0, unfinished - placed))

    def _count(self) -> int | None:
        """Count what is unfinished, now and then; None where that was never possible."""
        if self._clock.monotonic() >= self._count_at and self._counting.acquire(blocking=False):
            try:
                began = self._clock.monotonic()
                self._unfinished = self._tasks.count(unfinished=True)
                ended = self._clock.monotonic()
                self._count_at = ended + max(_COUNT_EVERY_SECONDS, (ended - began) * _TIMES_AS_LONG)
            except StoreError:
                self._count_at = self._clock.monotonic() + _COUNT_EVERY_SECONDS
            finally:
                self._counting.release()
        return self._unfinished


def _instances(view: FederationView, names: InstanceNames) -> Iterator[Reading]:
    queued = started = 0
    for each in view.instances:
        name = names.of(each.id)
        if name == OTHER:
            queued, started = queued + each.queued, started + each.in_flight - each.queued
        else:
            yield from _instance(each, name)
    if queued or started:
        yield INSTANCE_TASKS, (OTHER, "queued"), float(queued)
        yield INSTANCE_TASKS, (OTHER, "started"), float(started)


def _instance(instance: KnownInstance, name: str) -> Iterator[Reading]:
    status = instance.status
    yield UP, (name,), float(status in ("ok", "draining"))
    for each in _STATUSES:
        yield STATUS, (name, each), float(each == status)
    yield INSTANCE_TASKS, (name, "queued"), float(instance.queued)
    yield INSTANCE_TASKS, (name, "started"), float(instance.in_flight - instance.queued)
    if instance.max_in_flight is not None:
        yield INSTANCE_LIMIT, (name,), float(instance.max_in_flight)
    if instance.probed is not None and instance.probed.heard_at is not None:
        yield HEARD, (name,), instance.probed.heard_at.timestamp()


def _registries(snapshots: Mapping[str, Snapshot]) -> Iterator[Reading]:
    for url, snapshot in snapshots.items():
        name = redact(url)
        yield REGISTRY_FAILING, (name,), float(snapshot.error is not None)
        yield REGISTRY_SERVICES, (name,), float(len(snapshot.services))
        if snapshot.fetched_at is not None:
            yield REGISTRY_ANSWERED, (name,), snapshot.fetched_at.timestamp()
