"""Records as rows, and back."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints

from protes.clock import parse_rfc3339, rfc3339
from protes.store.records import NOT_STARTED, Attempt, Followed, JsonObject, Lease, Phase, TaskRecord
from protes.tes.states import State, shown

CONSTANT_COLUMNS = ("id", "owner", "audience", "created_at", "name", "tags", "preference", "via")
"""Columns of `tasks` that are written once."""

CHANGING_COLUMNS = (
    "state",
    "last_steady",
    "version",
    "cancel_requested_at",
    "due_at",
    "enqueued_until",
    "lease_holder",
    "lease_token",
    "lease_until",
    "lease_cancel_known",
    "finished_at",
    "moves",
    "news",
    "state_at",
)
"""Columns of `tasks` that a head is made of besides the constant ones."""

FOLLOWED_COLUMNS = ("live_n", "live_task_id", "live_dialect", "live_state", "live_missing")
"""Columns of `tasks` that `followed_from_row` needs besides the id, `live_since` and `due_at`."""

LIVE_COLUMNS = ("live_url", "live_phase", "live_since", "live_queued", *FOLLOWED_COLUMNS)
"""Columns of `tasks` that say what queries need of the live attempt; NULL where there is none."""

DERIVED_COLUMNS = ("shown", *LIVE_COLUMNS)
"""Columns of `tasks` that only queries read."""

Row = Sequence[Any]

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

_STATES = {state.value: state for state in State}


def to_json(value: object) -> str:
    """Write a JSON value compactly."""
    return _ENCODER.encode(value)


def to_time(moment: datetime | None) -> str | None:
    """Write a time so that it sorts as text."""
    return None if moment is None else rfc3339(moment)


def from_time(text: str | None) -> datetime | None:
    """Read what `to_time` wrote."""
    return None if text is None else parse_rfc3339(text)


def constant_values(record: TaskRecord) -> tuple[Any, ...]:
    """Return the values of CONSTANT_COLUMNS."""
    return (
        record.id,
        record.owner,
        record.audience,
        rfc3339(record.created_at),
        record.name,
        to_json(record.tags),
        to_json(dict(record.preference)),
        to_json(record.via),
    )


def changing_values(record: TaskRecord) -> tuple[Any, ...]:
    """Return the values of CHANGING_COLUMNS and DERIVED_COLUMNS."""
    lease, live = record.lease, record.live_attempt
    return (
        record.state.value,
        record.last_steady.value,
        record.version,
        to_time(record.cancel_requested_at),
        to_time(record.due_at),
        to_time(record.enqueued_until),
        lease.holder if lease else None,
        lease.token if lease else None,
        rfc3339(lease.until) if lease else None,
        lease.cancel_known if lease else None,
        to_time(record.finished_at),
        record.moves,
        record.news,
        to_time(record.state_at),
        shown(record.state, record.last_steady).value,
        *(_NO_LIVE_ATTEMPT if live is None else _live_values(live)),
    )


def _live_values(live: Attempt) -> tuple[Any, ...]:
    """Return the values of LIVE_COLUMNS."""
    return (
        live.instance_url,
        live.phase.value,
        rfc3339(live.intended_at),
        live.state in NOT_STARTED,
        live.n,
        live.instance_task_id,
        live.dialect,
        live.state.value,
        live.missing_since is not None,
    )


_NO_LIVE_ATTEMPT = (None,) * len(LIVE_COLUMNS)


def followed_from_row(row: Row) -> Followed:
    """Make it of the values of the id, `live_since`, whether there is a `due_at`, and FOLLOWED_COLUMNS."""
    task_id, since, due, n, instance_task_id, dialect, state, missing = row
    # What `rfc3339` wrote is UTC: thousands of these are read at once.
    moment = datetime.fromisoformat(since)
    return Followed(task_id, n, instance_task_id or "", dialect, _STATES[state], moment, bool(missing), bool(due))


def head_from_row(row: Row) -> TaskRecord:
    """Make a head of the values of CONSTANT_COLUMNS and CHANGING_COLUMNS."""
    return _record(row, "", (), ())


def _record(head: Row, document: str, system_logs: tuple[str, ...], attempts: tuple[Attempt, ...]) -> TaskRecord:
    task_id, owner, audience, created_at, name, tags, preference, via, *changing = head
    state, last_steady, version, cancelled_at, due_at, enqueued_until, *rest = changing
    *lease, finished_at, moves, news, state_at = rest
    return TaskRecord(
        id=task_id,
        owner=owner,
        audience=audience,
        created_at=parse_rfc3339(created_at),
        document=document,
        name=name,
        tags=tuple(json.loads(tags)),
        preference=json.loads(preference),
        via=tuple(json.loads(via)),
        state=State(state),
        last_steady=State(last_steady),
        version=version,
        cancel_requested_at=from_time(cancelled_at),
        attempts=attempts,
        system_logs=system_logs,
        due_at=from_time(due_at),
        enqueued_until=from_time(enqueued_until),
        lease=_lease(*lease),
        finished_at=from_time(finished_at),
        moves=moves or 1,
        news=news,
        state_at=from_time(state_at),
    )


def whole_from_row(row: Row) -> TaskRecord:
    """Make a record of what `head_from_row` needs and the values of document, system logs and attempts.

    The latter two are JSON texts, as `to_json` writes the one and SQLite puts together the other.
    """
    *head, document, system_logs, attempts = row
    read = sorted((attempt_from_json(data, log) for data, log in json.loads(attempts)), key=lambda attempt: attempt.n)
    return _record(head, document, tuple(json.loads(system_logs)), tuple(read))


def _lease(holder: str | None, token: str, until: str, cancel_known: int) -> Lease | None:
    return None if holder is None else Lease(holder, token, parse_rfc3339(until), bool(cancel_known))


def tag_rows(record: TaskRecord) -> list[tuple[str, str, str, str]]:
    """Return the rows of `tags`: audience, key, value, task."""
    parts = (entry.partition("=") for entry in record.tags)
    return [(record.audience, key, value, record.id) for key, _, value in parts]


def attempt_values(attempt: Attempt) -> tuple[int, str, str | None]:
    """Return the values of n, data and log of `attempts`: everything but the log, which may be large, is in data."""
    data = {name: write(getattr(attempt, name)) for name, write in _ATTEMPT_WRITERS.items()}
    return attempt.n, to_json(data), None if attempt.log is None else to_json(attempt.log)


def attempt_from_json(data: Mapping[str, Any], log: JsonObject | None) -> Attempt:
    """Read what `attempt_values` wrote; a field that an older version did not know has its default."""
    known = {name: _ATTEMPT_READERS[name](value) for name, value in data.items() if name in _ATTEMPT_READERS}
    return Attempt(**known, log=log)


def _same(value: Any) -> Any:
    return value


_Convert = Callable[[Any], Any]
_CONVERTED: dict[object, tuple[_Convert, _Convert]] = {
    datetime: (rfc3339, parse_rfc3339),
    datetime | None: (to_time, from_time),
    Mapping[str, str]: (dict, _same),
    Phase: (_same, Phase),
    State: (_same, State),
}
"""By type: what makes JSON of a value, and what makes a value of that."""

_ATTEMPT_HINTS = get_type_hints(Attempt)
_ATTEMPT_CONVERTED = {
    field.name: _CONVERTED.get(_ATTEMPT_HINTS[field.name], (_same, _same))
    for field in fields(Attempt)
    if field.name != "log"
}
_ATTEMPT_WRITERS = {name: write for name, (write, _) in _ATTEMPT_CONVERTED.items()}
_ATTEMPT_READERS = {name: read for name, (_, read) in _ATTEMPT_CONVERTED.items()}
