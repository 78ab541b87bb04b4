"""An OTLP/HTTP receiver: takes spans as a collector does, and says which came."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.scripted_server import Answer, ScriptedServer

PATH = "/v1/traces"


@dataclass(frozen=True)
class Seen:
    """A span as it arrived."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    seconds: float
    process: str
    failed: bool


class Receiver:
    """A context manager; its `endpoint` is what `tracing.endpoint` names."""

    def __init__(self) -> None:
        self.server = ScriptedServer()
        self.server.on("POST", PATH, Answer(200, b"", {"Content-Type": "application/x-protobuf"}))

    @property
    def endpoint(self) -> str:
        return self.server.url + PATH

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def bodies(self) -> list[bytes]:
        """Return what arrived, unpacked."""
        return [
            gzip.decompress(each.body) if each.headers.get("Content-Encoding") == "gzip" else each.body
            for each in self.server.requests("POST", PATH)
        ]

    def spans(self) -> list[Seen]:
        """Return all spans that arrived."""
        found: list[Seen] = []
        for body in self.bodies():
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            for resource in request.resource_spans:
                process = {each.key: each.value.string_value for each in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found += [_seen(span, process["service.instance.id"]) for span in scope.spans]
        return found


def _seen(span: Any, process: str) -> Seen:
    attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
    return Seen(span.name, *ids, attributes, seconds, process, span.status.code == 2)
