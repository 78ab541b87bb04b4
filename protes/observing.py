"""Puts metrics, traces and the context of log lines around the parts, where they are wired together.

The parts themselves know nothing of it, but for a few who call whoever listens. Where metrics and traces are off,
nothing is around anything.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from protes.clock import Clock
from protes.config.observing import MetricsSettings
from protes.config.settings import Settings
from protes.dispatch.forwarding import Forwarder
from protes.dispatch.waiting_list import TURN, task_of
from protes.federation.federation import Federation
from protes.federation.known import FederationView
from protes.logs import context
from protes.metrics import process
from protes.metrics.catalogue import (
    EJECTIONS,
    INSTANCE_ERRORS,
    JOB_FAILURES,
    JOB_SECONDS,
    JOBS_NOW,
    LEADER,
    SWEEP_SECONDS,
    SWEPT,
)
from protes.metrics.directory import VARIABLE
from protes.metrics.names import InstanceNames
from protes.metrics.port import Meter, NoMeter
from protes.metrics.state import State
from protes.metrics.stores import Watcher, measured, watched
from protes.metrics.tasks import TaskFigures
from protes.metrics.wrapping import wrapped
from protes.planning.planner import Planner
from protes.store.factory import Stores
from protes.tes.errors import DownstreamError
from protes.tes.outgoing import accompanied
from protes.tracing.making import make_tracer
from protes.tracing.port import Tracer

logger = logging.getLogger(__name__)

_SAMPLE_SECONDS = 5.0
_STOP_SECONDS = 5.0
_OF_INSTANCES = frozenset({"relay", "probe"})
_OF_TASKS: Mapping[str, Callable[[str], str]] = {"dispatch": str, TURN: task_of}
"""Jobs that bring a task on, and how to tell which from their keys."""


@dataclass(frozen=True, slots=True)
class _Figures:
    """What there is where metrics are on."""

    page: Callable[[str], tuple[bytes, str]]
    sampler: process.Sampler


class Observing:
    """Everything that observes in one process. Safe under threads."""

    def __init__(self, clock: Clock) -> None:
        """Observe nothing yet."""
        self.meter: Meter = NoMeter()
        self.tracer: Tracer | None = None
        self._clock = clock
        self._names = InstanceNames(self._view, 1)
        self._federation: Callable[[], Federation] | None = None
        self._stores: Stores | None = None
        self._figures: _Figures | None = None
        self._metrics: MetricsSettings | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, settings: Settings, stores: Stores, clock: Clock, name: str) -> "tuple[Observing, Stores]":
        """Observe as the settings say, in the process of this name; return stores to use in the place of these, too.

        Raises:
            ConfigError: traces are not possible.
        """
        made = cls(clock)
        watchers: list[Watcher] = []
        if settings.metrics.enabled:
            stores = made._measure(settings.metrics, stores)
            watchers.append(TaskFigures(made.meter, made._names))
        made.tracer = make_tracer(settings.tracing, stores.records, clock, name)
        if made.tracer is not None:
            watchers.append(made.tracer)
        return made, watched(stores, watchers)

    def _measure(self, settings: MetricsSettings, stores: Stores) -> Stores:
        from protes.metrics.prometheus import PrometheusMeter  # it is not needed where metrics are off

        self._metrics = settings
        self._names = InstanceNames(self._view, settings.most_instances)
        state = State(stores.tasks, self._names, self._clock)
        meter = PrometheusMeter(lambda: state.read(self), self._names.kept)
        self.meter, self._page = meter, meter.page
        return measured(stores, meter, self._clock)

    def follow(
        self, federation: Callable[[], Federation], runner: object, intake: process.Intake, waiting: process.Waiting
    ) -> None:
        """Read figures of what `federation` returns at that time, and of these parts."""
        self._federation = federation
        if self._metrics is not None:
            began = self._clock.now().timestamp()
            sampler = process.Sampler(self.meter, runner, intake, waiting, began)
            self._figures = _Figures(self._page, sampler)

    @property
    def page(self) -> Callable[[str], tuple[bytes, str]] | None:
        """Makes the page of figures for a header `Accept`; None where metrics are off."""
        return None if self._figures is None else self._sampled

    def start(self) -> None:
        """Begin; after fork, once. Where processes share their figures, each brings its own up to date by itself."""
        if self.tracer is not None:
            self.tracer.start()
        if self._figures is not None and os.environ.get(VARIABLE):
            self._thread = threading.Thread(target=self._sample, name="protes-figures", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Observe no more; what is left of traces is sent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
        if self.tracer is not None:
            self.tracer.close()

    @contextmanager
    def job(self, job: str, key: str) -> Iterator[None]:
        """Observe a job that runs within the block."""
        with ExitStack() as stack:
            stack.enter_context(context.about(**self._about(job, key)))
            if self.tracer is not None and job in _OF_TASKS:
                context.add(trace_id=stack.enter_context(self.tracer.turn(_OF_TASKS[job](key))).trace_id)
            began = self._clock.monotonic()
            self.meter.count(JOBS_NOW, job)
            try:
                yield
            except BaseException:
                self.meter.count(JOB_FAILURES, job)
                raise
            finally:
                self.meter.count(JOBS_NOW, job, by=-1.0)
                self.meter.observe(JOB_SECONDS, self._clock.monotonic() - began, job)

    def planner(self, planner: Planner) -> Planner:
        """Put the recording of plans around a planner."""
        tracer = self.tracer
        if tracer is None:
            return planner

        def plan(*args: Any, **options: Any) -> Any:
            with tracer.step("plan") as span:
                made = planner.plan(*args, **options)
                span.say(protes_offers=len(made.offers), protes_excluded=len(made.reasons))
                return made

        return wrapped(planner, {"plan": plan})

    def forwarder(self, forwarder: Forwarder) -> Forwarder:
        """Put the recording of attempts around a forwarder."""
        tracer = self.tracer
        if tracer is None:
            return forwarder

        def forward(record: Any, token: str, plan: Any, offer: Any) -> Any:
            with tracer.step("forward", protes_instance_id=offer.instance.id) as span:
                with accompanied(tracer.outgoing()):
                    attempt = forwarder.forward(record, token, plan, offer)
                span.say(protes_outcome="busy" if attempt is None else attempt.phase.value)
                return attempt

        return wrapped(forwarder, {"forward": forward})

    # What parts tell

    def failed(self, base_url: str, error: DownstreamError, *, reading: bool) -> None:
        """A call of an instance has failed; see `HealthObserver`."""
        call = "read" if reading else "create"
        self.meter.count(INSTANCE_ERRORS, self._names.at(base_url), call, type(error).__name__)

    def ejected(self, base_url: str, kind: str) -> None:
        """An instance is left out from now on; see `HealthObserver`."""
        self.meter.count(EJECTIONS, self._names.at(base_url), kind)

    def swept(self, base_url: str, seconds: float) -> None:
        """The tasks at an instance have been looked at, which took so long."""
        self.meter.set(SWEPT, self._clock.now().timestamp(), self._names.at(base_url))
        self.meter.observe(SWEEP_SECONDS, seconds)

    def leads(self, leads: bool) -> None:
        """This process leads, or does not."""
        self.meter.set(LEADER, float(leads))

    def registries(self) -> Mapping[str, Any]:
        """See `protes.metrics.state.Registries`."""
        return self._federation().registries() if self._federation is not None else {}

    def _view(self) -> FederationView:
        return self._federation().view() if self._federation is not None else FederationView()

    def _about(self, job: str, key: str) -> dict[str, str | None]:
        if job in _OF_TASKS:
            return {"task_id": _OF_TASKS[job](key)}
        if job in _OF_INSTANCES:
            view = self._names.view()
            known = view.at(key) or view.keyed(key)
            return {"instance_id": known.id if known is not None else None}
        return {}

    def _sampled(self, accept: str) -> tuple[bytes, str]:
        assert self._figures is not None  # noqa: S101 - or there would be no page
        self._figures.sampler.sample()
        return self._figures.page(accept)

    def _sample(self) -> None:
        assert self._figures is not None  # noqa: S101 - by `start`
        while not self._clock.wait(self._stopping, _SAMPLE_SECONDS):
            self._figures.sampler.sample()
