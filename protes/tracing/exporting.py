"""OpenTelemetry's own parts, put together: what samples, what names the service, what sends."""

from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from protes import __version__
from protes.config.observing import TracingSettings

_SEND_SECONDS = 5
_EVERY_MILLISECONDS = 2000
_MOST_WAITING, _MOST_AT_ONCE = 4096, 512


def make_provider(settings: TracingSettings, headers: Mapping[str, str], process: str) -> TracerProvider:
    """Make what spans come from and go through; it starts a thread that sends, so call it after fork."""
    resource = Resource(
        {"service.name": settings.service_name, "service.version": __version__, "service.instance.id": process}
    )
    exporter = OTLPSpanExporter(
        endpoint=settings.endpoint, headers=dict(headers), timeout=_SEND_SECONDS, compression=Compression.Gzip
    )
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=resource,
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_attribute_length=256),
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=_MOST_WAITING,
            max_export_batch_size=_MOST_AT_ONCE,
            schedule_delay_millis=_EVERY_MILLISECONDS,
            export_timeout_millis=_SEND_SECONDS * 1000,
        )
    )
    return provider
