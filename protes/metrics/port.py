"""The port that metrics go through: what is measured says so here, and knows nothing of who counts."""

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]
Together = Literal["livesum", "max", "livemax"]
"""How the gauges of several processes become one: added, or the largest; `live`: those of processes that have ended
do not count."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
RATIOS = (0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric, as Prometheus knows it (https://prometheus.io/docs/practices/naming/).

    Attributes:
        name: with its unit, and `_total` at the end of a counter.
        kind: what it is.
        help: one sentence for people.
        labels: names of its labels.
        buckets: upper bounds of a histogram's buckets.
        together: how the values of several processes become one, of a gauge.
        read: it is read when somebody asks for it, and never counted.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    together: Together = "livesum"
    read: bool = False


class Meter(Protocol):
    """Takes what is measured. Cheap, never blocks for long, never fails. Safe under threads."""

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Add to a counter, or to a gauge of what is under way; `labels` are the values, in the metric's order."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Take a value of a histogram."""

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""


class NoMeter:
    """Where nobody counts."""

    def count(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Do nothing."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Do nothing."""

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Do nothing."""
