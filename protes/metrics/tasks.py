"""Figures of tasks: how long they took to get where, how they ended, and how right the estimates were."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from protes.clock import parse_rfc3339
from protes.learning.observing import RUN_COST, RUN_SECONDS, times
from protes.metrics.catalogue import (
    ATTEMPTS,
    COST_RATIO,
    CREATED,
    DISPATCH_SECONDS,
    FINISHED,
    NO_INSTANCE,
    RELAY_SECONDS,
    TASK_SECONDS,
    TIME_RATIO,
    WITHDRAWN,
)
from protes.metrics.names import InstanceNames
from protes.metrics.port import Meter
from protes.store.records import Attempt, Phase, TaskRecord
from protes.tes.read import read_time
from protes.tes.states import State

_LONGEST_DELAY_SECONDS = 86_400.0
"""A longer delay tells of clocks that differ rather than of a relay that is late."""


class TaskFigures:
    """A `Watcher` that counts."""

    def __init__(self, meter: Meter, names: InstanceNames) -> None:
        """Count by the names of instances."""
        self._meter = meter
        self._names = names

    def creating(self, record: TaskRecord) -> None:
        """See `Watcher.creating`."""

    def created(self, record: TaskRecord) -> None:  # noqa: ARG002 - the protocol's
        """See `Watcher.created`."""
        self._meter.count(CREATED)

    def attempted(self, record: TaskRecord, attempt: Attempt, now: datetime) -> None:
        """See `Watcher.attempted`."""
        instance = self._names.at(attempt.instance_url)
        self._meter.count(ATTEMPTS, instance, attempt.phase.value.lower())
        if attempt.phase is Phase.ACCEPTED:
            # Of one that was retried elsewhere, since it waits again.
            waited = (now - record.waiting_since).total_seconds()
            self._meter.observe(DISPATCH_SECONDS, max(0.0, waited), instance)

    def changed(self, record: TaskRecord) -> None:
        """See `Watcher.changed`."""

    def withdrawn(self, record: TaskRecord) -> None:
        """See `Watcher.withdrawn`."""
        self._meter.count(WITHDRAWN, self._names.at(record.attempts[-1].instance_url))

    def ended(self, record: TaskRecord, now: datetime) -> None:
        """See `Watcher.ended`."""
        attempt = record.shown_attempt
        placed = attempt is not None and attempt.instance_task_id is not None
        instance = self._names.at(attempt.instance_url) if attempt is not None and placed else NO_INSTANCE
        self._meter.count(FINISHED, instance, record.state.value)
        seconds = (now - record.created_at).total_seconds()
        self._meter.observe(TASK_SECONDS, max(0.0, seconds), record.state.value)
        if attempt is not None and placed and attempt.ended_at is not None:
            self._delay(attempt, instance, now)
            if record.state is State.COMPLETE:
                self._estimates(attempt, instance, attempt.ended_at)

    def _delay(self, attempt: Attempt, instance: str, now: datetime) -> None:
        ended = _end(attempt.log or {})
        if ended is None:
            return
        delay = (now - ended).total_seconds()
        if 0 <= delay <= _LONGEST_DELAY_SECONDS:
            self._meter.observe(RELAY_SECONDS, delay, instance)

    def _estimates(self, attempt: Attempt, instance: str, ended_at: datetime) -> None:
        said = attempt.metadata
        total = max(0.0, (ended_at - attempt.intended_at).total_seconds())
        estimated = _number(said.get("protes.seconds"))
        if estimated:
            self._meter.observe(TIME_RATIO, total / estimated, instance)
        cost, run_cost, run_seconds = (_number(said.get(name)) for name in ("protes.cost", RUN_COST, RUN_SECONDS))
        ran, _ = times(attempt, total)
        if cost and run_cost is not None and run_seconds and ran is not None:
            self._meter.observe(COST_RATIO, (cost - run_cost + run_cost * ran / run_seconds) / cost, instance)


def _end(log: Mapping[str, Any]) -> datetime | None:
    """Return when a task ended by the clock of its instance, None where the log does not tell."""
    executors = log.get("logs")
    last = executors[-1] if isinstance(executors, list) and executors else None
    text = read_time(log.get("end_time")) or (read_time(last.get("end_time")) if isinstance(last, Mapping) else None)
    return parse_rfc3339(text) if text is not None else None


def _number(text: str | None) -> float | None:
    """Read a figure of ours, with its currency behind it if it is money."""
    if text is None:
        return None
    try:
        return float(text.split()[0])
    except (ValueError, IndexError):
        return None
