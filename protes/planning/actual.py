"""Estimated against actual, once a task has ended: what the explanation of a choice ends with."""

from collections.abc import Mapping
from typing import Any

from protes.learning.observing import observations
from protes.store.records import TaskRecord


def outcome(record: TaskRecord, explained: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the `Actual` of `openapi/protes.yaml`; None before the end, and for a task that no instance ran."""
    seen = list(observations(record))
    attempt = record.shown_attempt
    if not seen or attempt is None:
        return None
    last = seen[-1]
    if last.id != f"{record.id}-{attempt.n}":
        return None  # the attempt that decided never reached an instance
    total = (last.at - attempt.intended_at).total_seconds()
    actual = {"queue": last.queue_seconds, "run": last.run_seconds, "total": total}
    estimated = next((_times(each) for each in explained["candidates"] if each["instance"] == attempt.instance_id), {})
    shown = {"estimated": estimated, "actual": actual}
    known = {
        name: {part: round(value, 3) for part, value in times.items() if value is not None}
        for name, times in shown.items()
    }
    return {"instance": attempt.instance_id, **{name: times for name, times in known.items() if times}}


def _times(candidate: Mapping[str, Any]) -> dict[str, float | None]:
    parts = candidate.get("times", {})
    return {"queue": parts.get("queue"), "run": parts.get("run"), "total": candidate.get("seconds")}
