"""Metrics by prometheus-client; the only module that imports it, itself imported where metrics are on only.

prometheus-client decides when it is imported whether several processes share their figures: by the environment variable
PROMETHEUS_MULTIPROC_DIR (`protes.metrics.directory`).
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from protes.metrics.catalogue import ALL
from protes.metrics.directory import VARIABLE
from protes.metrics.port import Metric

Reading = tuple[Metric, tuple[str, ...], float]
"""A gauge as it stands, with the values of its labels."""


class PrometheusMeter:
    """A `Meter`, and the page that Prometheus reads. Safe under threads."""

    def __init__(self, read: Callable[[], Iterable[Reading]], keep: Callable[[], frozenset[str] | None]) -> None:
        """Begin to count.

        Args:
            read: reads gauges that nobody sets, when the page is asked for.
            keep: tells the values of the label `instance` that are shown, None for all: those of instances that have
                left are not, nor kept in memory.
        """
        self._directory = os.environ.get(VARIABLE)
        if self._directory and not getattr(values.ValueClass, "_multiprocess", False):
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # it was imported before the variable was set
        self._own = CollectorRegistry()
        self._metrics = {
            metric: _made(metric, None if self._directory else self._own) for metric in ALL if not metric.read
        }
        self._children: dict[tuple[Any, ...], Any] = {}
        self._keep = keep
        self._registry = CollectorRegistry()
        self._registry.register(_Kept(self._families, keep))
        self._registry.register(_Read(read))

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """See `Meter.count`."""
        self._child(metric, labels).inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """See `Meter.observe`."""
        self._child(metric, labels).observe(value)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """See `Meter.set`."""
        self._child(metric, labels).set(value)

    def page(self, accept: str) -> tuple[bytes, str]:
        """Return all figures, and their media type: what the header `Accept` asks for."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        # Kept here since the library takes a lock, and checks the labels, each time.
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            made = self._metrics[metric]
            child = self._children[key] = made.labels(*labels) if labels else made
        return child

    def _families(self) -> Iterable[Family]:
        if self._directory:
            collector: Any = MultiProcessCollector(None, self._directory)  # type: ignore[no-untyped-call]
            families: Iterable[Family] = collector.collect()
            return families
        self._drop()
        return self._own.collect()

    def _drop(self) -> None:
        """Forget the series of instances that have left; what several processes share cannot be taken back."""
        kept = self._keep()
        if kept is None:
            return
        for key in list(self._children):
            metric, labels = key
            if "instance" in metric.labels and labels[metric.labels.index("instance")] not in kept:
                self._children.pop(key, None)
                self._metrics[metric].remove(*labels)


class _Kept(Collector):
    """Figures without the series of instances that have left."""

    def __init__(self, families: Callable[[], Iterable[Family]], keep: Callable[[], frozenset[str] | None]) -> None:
        self._families = families
        self._keep = keep

    def describe(self) -> Iterable[Family]:
        """Tell of nothing: names are not checked again."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield the families."""
        kept = self._keep()
        for family in self._families():
            # What began when says nothing that the names do not, and doubles the page.
            family.samples = [
                sample
                for sample in family.samples
                if not sample.name.endswith("_created")
                and (kept is None or sample.labels.get("instance") is None or sample.labels["instance"] in kept)
            ]
            if family.samples:
                yield family


class _Read(Collector):
    """Gauges that are read when they are asked for."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Family]:
        """Tell of nothing: names are not checked again."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield a family for each metric that was read."""
        families: dict[Metric, GaugeMetricFamily] = {}
        for metric, labels, value in self._read():
            family = families.get(metric)
            if family is None:
                family = families[metric] = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            family.add_metric(labels, value)
        yield from families.values()


_MADE: Mapping[str, Callable[[Metric, CollectorRegistry | None], Any]] = {
    "counter": lambda metric, registry: Counter(metric.name, metric.help, metric.labels, registry=registry),
    "histogram": lambda metric, registry: Histogram(
        metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
    ),
    "gauge": lambda metric, registry: Gauge(
        metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode=metric.together
    ),
}


def _made(metric: Metric, registry: CollectorRegistry | None) -> Any:
    return _MADE[metric.kind](metric, registry)
