"""Metrics (docs/metrics.md): the port, the catalogue, what takes figures where, and Prometheus behind it all."""

from protes.metrics.port import Meter, Metric, NoMeter

__all__ = ["Meter", "Metric", "NoMeter"]
