"""What the outside is shown of a task: the views of TES 1.1.0, in the shape every client in the wild can read.

Nothing but the specification's fields, no nulls, nothing the client did not send except `id`, `state`,
`creation_time`, `logs`, and `type` of inputs and outputs (DESIGN.md section 4; ENGINES.md sections 7 and 8).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from protes.api.path import path_metadata
from protes.clock import rfc3339
from protes.store.records import Attempt, TaskRecord
from protes.tes.documents import integer_cores
from protes.tes.states import State, shown

_SECRET_METADATA = ("protes.instance_url", "protes.instance_task_id")


class View(StrEnum):
    """The `view` parameter of TES 1.1.0."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class Eyes:
    """How a caller sees tasks.

    Attributes:
        all_states: show TES 1.1 states instead of those every engine knows.
        queued_as: what QUEUED is shown as: Pulsar's polling client takes it for a failure.
        whole_cores: show `cpu_cores` as an integer, rounded up (the compatibility dialect).
        instances: show URL and task id of the instance.
        all_attempts: show every attempt in `logs`.
    """

    all_states: bool = False
    queued_as: State = State.QUEUED
    whole_cores: bool = False
    instances: bool = True
    all_attempts: bool = False


def render(record: TaskRecord, view: View, eyes: Eyes) -> dict[str, Any]:
    """Make the `tesTask` a caller is shown."""
    minimal = {"id": record.id, "state": str(seen_state(record, eyes))}
    if view is View.MINIMAL:
        return minimal
    document: dict[str, Any] = {**json.loads(record.document), **minimal, "creation_time": rfc3339(record.created_at)}
    if eyes.whole_cores and "cpu_cores" in document.get("resources", {}):
        document["resources"]["cpu_cores"] = integer_cores(document["resources"]["cpu_cores"])
    logs = _logs(record, eyes)
    if logs:
        document["logs"] = logs
    return _without_full_fields(document) if view is View.BASIC else document


def seen_state(record: TaskRecord, eyes: Eyes) -> State:
    """Return the state a caller is shown."""
    state = record.state if eyes.all_states else shown(record.state, record.last_steady)
    return eyes.queued_as if state is State.QUEUED else state


def _logs(record: TaskRecord, eyes: Eyes) -> list[dict[str, Any]]:
    """The deciding attempt alone, with the gateway's own lines; engines read the first or the last entry."""
    shown = record.shown_attempt
    attempts = record.attempts if eyes.all_attempts else () if shown is None else (shown,)
    if not attempts:
        return [{"logs": [], "outputs": [], "system_logs": list(record.system_logs)}] if record.system_logs else []
    entries = [_log_of(attempt, eyes) for attempt in attempts]
    if record.system_logs:
        last = entries[-1]
        last["system_logs"] = [*record.system_logs, *last.get("system_logs", ())]
    return entries


def _log_of(attempt: Attempt, eyes: Eyes) -> dict[str, Any]:
    entry: dict[str, Any] = {"logs": [], "outputs": [], **(attempt.log or {})}
    metadata: Mapping[str, str] = {
        **entry.get("metadata", {}),
        **attempt.metadata,
        **path_metadata(attempt, eyes.instances),
    }
    if not eyes.instances:
        metadata = {key: value for key, value in metadata.items() if key not in _SECRET_METADATA}
    elif attempt.instance_task_id is not None:
        metadata = {**metadata, "protes.instance_task_id": attempt.instance_task_id}
    if metadata:
        entry["metadata"] = dict(metadata)
    return entry


def _without_full_fields(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what TES 1.1.0 excludes from BASIC."""
    if "inputs" in document:
        document["inputs"] = [_less(item, "content") for item in document["inputs"]]
    if "logs" in document:
        document["logs"] = [
            {**_less(entry, "system_logs"), "logs": [_less(log, "stdout", "stderr") for log in entry["logs"]]}
            for entry in document["logs"]
        ]
    return document


def _less(document: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in fields}
