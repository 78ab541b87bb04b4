"""A `Tracer` by OpenTelemetry: one trace from POST /tasks to the final state, whichever processes work on the task.

The trace of a task is kept in `Records` under the task's id from before the task is stored until it has ended: where it
was sampled, so that unsampled tasks cost a read per turn and no write. Attributes are ids, states and names of ours;
never names, tags, commands, URLs, or anything else that a client or an instance wrote.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from protes import __version__
from protes.clock import Clock
from protes.config.observing import TracingSettings
from protes.store.protocols import Records, StoreError
from protes.store.records import Attempt, TaskRecord
from protes.tes.states import State
from protes.tracing.port import KIND

_KEPT = timedelta(days=30)
_MOST_REMEMBERED = 20_000
_CLOSE_MILLISECONDS = 5000
_SERVER_ERROR = 500


@dataclass(slots=True)
class _Traced:
    """A task's trace, None where it has none, and the state that was recorded last."""

    context: Context | None
    state: State = State.QUEUED


class _Span:
    """See `protes.tracing.port.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def say(self, **attributes: str | int) -> None:
        self._span.set_attributes(_named(attributes))

    def answered(self, method: str, route: str, status: int) -> None:
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= _SERVER_ERROR:
            self._span.set_status(Status(StatusCode.ERROR))

    @property
    def trace_id(self) -> str | None:
        context = self._span.get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid and context.trace_flags.sampled else None


class Recorder:
    """See `protes.tracing.port.Tracer`."""

    def __init__(self, settings: TracingSettings, provider: TracerProvider, records: Records, clock: Clock) -> None:
        """Record with the spans of `provider`; nothing global is touched."""
        self._settings = settings
        self._provider = provider
        self._tracer = provider.get_tracer("protes", __version__)
        self._records = records
        self._clock = clock
        self._format = TraceContextTextMapPropagator()
        self._lock = threading.Lock()
        self._remembered: dict[str, _Traced] = {}

    def start(self) -> None:
        """See `Tracer.start`; the thread that sends was begun with the provider."""

    def close(self) -> None:
        """See `Tracer.close`."""
        self._provider.force_flush(_CLOSE_MILLISECONDS)
        self._provider.shutdown()

    @contextmanager
    def request(self, method: str, headers: Mapping[str, Any]) -> Iterator[_Span]:
        """See `Tracer.request`."""
        parent = Context()
        if self._settings.accept and "HTTP_TRACEPARENT" in headers:
            named = {"traceparent": headers["HTTP_TRACEPARENT"], "tracestate": headers.get("HTTP_TRACESTATE", "")}
            parent = self._format.extract(named, parent)
        with self._span(f"HTTP {method}", parent, SpanKind.SERVER, {"http.request.method": method}) as span:
            yield span

    @contextmanager
    def turn(self, task_id: str) -> Iterator[_Span]:
        """See `Tracer.turn`."""
        traced = self._traced(task_id)
        if traced.context is None:
            yield _NOTHING
            return
        with self._span("dispatch", traced.context, SpanKind.INTERNAL, {"protes.task.id": task_id}) as span:
            yield span

    @contextmanager
    def step(self, name: str, **attributes: str | int) -> Iterator[_Span]:
        """See `Tracer.step`."""
        if not trace.get_current_span().is_recording():
            yield _NOTHING
            return
        kind = SpanKind.CLIENT if name == "forward" else SpanKind.INTERNAL
        with self._span(name, None, kind, _named(attributes)) as span:
            yield span

    def outgoing(self) -> Mapping[str, str]:
        """See `Tracer.outgoing`."""
        headers: dict[str, str] = {}
        if self._settings.send and trace.get_current_span().is_recording():
            self._format.inject(headers)
        return headers

    def creating(self, record: TaskRecord) -> None:
        """Keep the trace of a task, which is that of this thread's request, from before anybody can work on it."""
        if not trace.get_current_span().is_recording():
            return
        headers: dict[str, str] = {}
        self._format.inject(headers)
        now = self._clock.now()
        with suppress(StoreError):  # then it is not traced
            self._records.put(KIND, record.id, headers, now, expires_at=now + _KEPT)

    def created(self, record: TaskRecord) -> None:
        """Name the task in its request's span."""
        trace.get_current_span().set_attribute("protes.task.id", record.id)

    def attempted(self, record: TaskRecord, attempt: Attempt, now: datetime) -> None:  # noqa: ARG002 - the protocol's
        """Record what became of a POST."""
        phase = attempt.phase.value
        self._point(
            record, f"attempt {phase}", {"protes.attempt": attempt.n, "protes.instance.id": attempt.instance_id}
        )

    def changed(self, record: TaskRecord) -> None:
        """Record a change of state."""
        traced = self._traced(record.id)
        if traced.context is not None and record.state is not traced.state:
            traced.state = record.state
            attempt = record.attempts[-1] if record.attempts else None
            at = {"protes.instance.id": attempt.instance_id} if attempt is not None else {}
            self._point(record, f"state {record.state.value}", at)

    def withdrawn(self, record: TaskRecord) -> None:
        """Record that the task is to be taken back."""
        self._point(record, "withdrawn", {"protes.instance.id": record.attempts[-1].instance_id})

    def ended(self, record: TaskRecord, now: datetime) -> None:
        """Record the task as a whole, from its creation to now, and forget its trace."""
        context = self._traced(record.id).context
        if context is None:
            return
        attributes: dict[str, str | int] = {"protes.task.id": record.id, "protes.task.state": record.state.value}
        attempt = record.shown_attempt
        if attempt is not None:
            attributes |= {"protes.instance.id": attempt.instance_id, "protes.attempt": attempt.n}
        began = _nanoseconds(record.created_at)
        span = self._tracer.start_span("task", context, SpanKind.INTERNAL, attributes, start_time=began)
        if record.state in (State.SYSTEM_ERROR, State.EXECUTOR_ERROR):
            span.set_status(Status(StatusCode.ERROR))
        span.end(max(began, _nanoseconds(now)))
        with suppress(StoreError):  # then it expires
            self._records.delete(KIND, record.id)

    @contextmanager
    def _span(
        self, name: str, parent: Context | None, kind: SpanKind, attributes: Mapping[str, str | int]
    ) -> Iterator[_Span]:
        """Record while the block lasts; of an error its kind, and not its text, which may say anything."""
        span = self._tracer.start_span(name, parent, kind, attributes)
        token = attach(trace.set_span_in_context(span, parent))
        try:
            yield _Span(span)
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            detach(token)
            span.end()

    def _point(self, record: TaskRecord, name: str, attributes: Mapping[str, str | int]) -> None:
        """Record a moment of a task: within what this thread records of it, else beside its creation."""
        context = self._traced(record.id).context
        if context is None:
            return
        inside = None if trace.get_current_span().is_recording() else context
        known = {"protes.task.id": record.id, "protes.task.state": record.state.value}
        self._tracer.start_span(name, inside, SpanKind.INTERNAL, {**known, **attributes}).end()

    def _traced(self, task_id: str) -> _Traced:
        """Return the trace of a task; asks the store once per process, or so."""
        with self._lock:
            known = self._remembered.get(task_id)
        if known is not None:
            return known
        try:
            stored = self._records.get(KIND, task_id, self._clock.now())
        except StoreError:
            return _Traced(None)
        found = _Traced(None if stored is None else self._format.extract(dict(stored.value), Context()))
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered = {}
            return self._remembered.setdefault(task_id, found)


_NOTHING = _Span(trace.INVALID_SPAN)


def _named(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    """Names with dots, which Python's keywords cannot have."""
    return {name.replace("_", "."): value for name, value in attributes.items()}


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
