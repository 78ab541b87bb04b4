"""An event: a task is in another state, or gone (docs/events.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from protes.clock import parse_rfc3339, rfc3339
from protes.store.records import JsonObject, TaskRecord
from protes.tes.states import State

LARGEST_TEXTS = 4 * 1024
"""Characters of a task's name and tags that are kept with its events; beyond, readers look at the task itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """What the log keeps of one change.

    Attributes:
        task_id: the task.
        at: when it came into the state; when its removal began.
        owner: of the task.
        audience: under which the task is shown (`TaskRecord.audience`).
        state: the state that the task was found in when the event was made; None: it was removed.
        last_steady: `TaskRecord.last_steady`.
        version: of the task.
        moves: `TaskRecord.moves`.
        name: of the task.
        tags: entries of the task (`records.tag_entry`).
        texts_left_out: name and tags are too large to be kept here.
    """

    task_id: str
    at: datetime
    owner: str = ""
    audience: str = ""
    state: State | None = None
    last_steady: State = State.QUEUED
    version: int = 0
    moves: int = 0
    name: str = ""
    tags: tuple[str, ...] = ()
    texts_left_out: bool = False

    @property
    def finished(self) -> bool:
        """Whether it is the task's last one, but for its removal."""
        return self.state is not None and self.state.finished


def of_task(record: TaskRecord) -> Event:
    """Return the event of a task as it is now; a head will do."""
    large = len(record.name) + sum(map(len, record.tags)) > LARGEST_TEXTS
    return Event(
        record.id,
        record.state_at or record.created_at,
        record.owner,
        record.audience,
        record.state,
        record.last_steady,
        record.version,
        record.moves,
        "" if large else record.name,
        () if large else record.tags,
        large,
    )


def to_json(event: Event) -> JsonObject:
    """Write an event; what says nothing is left out, since most of a log is events."""
    said: JsonObject = {
        "task": event.task_id,
        "at": rfc3339(event.at),
        "owner": event.owner,
        "audience": event.audience,
        "state": event.state.value if event.state is not None else None,
        "steady": event.last_steady.value,
        "version": event.version,
        "moves": event.moves,
        "name": event.name,
        "tags": list(event.tags),
        "large": event.texts_left_out,
    }
    return {name: value for name, value in said.items() if value not in (None, "", 0, [], False)}


def from_json(said: Mapping[str, Any]) -> Event:
    """Read what `to_json` wrote."""
    state = said.get("state")
    tags: Sequence[str] = said.get("tags", ())
    return Event(
        said["task"],
        parse_rfc3339(said["at"]),
        said.get("owner", ""),
        said.get("audience", ""),
        None if state is None else State(state),
        State(said.get("steady", State.QUEUED)),
        said.get("version", 0),
        said.get("moves", 0),
        said.get("name", ""),
        tuple(tags),
        said.get("large", False),
    )
