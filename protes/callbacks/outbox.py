"""Webhooks that are still to be sent, and how far each task's have got: all of it in the store.

What is to be sent is one value per event, under a key that sorts by task and then by `moves`: the order in which a
task's are sent, and a name that is never used for anything else, so that removing one never removes another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.events.event import Event, from_json, of_task, to_json
from protes.store.protocols import Records, Stored
from protes.store.records import TaskRecord

PENDING_KIND, STATE_KIND = "callbacks", "callback_state"
PREFERENCE = "callback_url"
"""In a stored preference: the URL."""

_KEPT = timedelta(days=30)
_DIGITS = 6
_MOST = 64
MOST_ON_A_PAGE = 256


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that is to be sent.

    Attributes:
        key: of the stored value.
        url: where to.
        event: what.
        since: when it was put here.
    """

    key: str
    url: str
    event: Event
    since: datetime

    @property
    def event_id(self) -> str:
        """The id by which a receiver knows that it has had it; the same whenever it is sent."""
        return f"{self.event.task_id}-{self.event.moves}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task's webhooks have got.

    Attributes:
        delivered: `moves` of the last event that was taken, or dropped.
        state: what the receiver was told last, None before the first.
        tries: failures in a row.
        due_at: not to be tried before.
        lease_token: of whoever sends now, None where nobody does.
        lease_until: they have until then.
        error: why the last try failed, for people.
        failed_at: when.
        dropped: events that nobody took in time.
        gone: the receiver has said that it wants no more (410).
        version: of the stored value, 0 where there is none.
    """

    delivered: int = 0
    state: str | None = None
    tries: int = 0
    due_at: datetime | None = None
    lease_token: str | None = None
    lease_until: datetime | None = None
    error: str | None = None
    failed_at: datetime | None = None
    dropped: int = 0
    gone: bool = False
    version: int = 0


class Outbox:
    """What is to be sent. Safe under threads and processes."""

    def __init__(self, records: Records, clock: Clock, final_only: bool) -> None:
        """Keep it in `records`; with `final_only` nothing but ends is sent."""
        self._records = records
        self._clock = clock
        self._final_only = final_only

    def put(self, moved: Iterable[TaskRecord]) -> Sequence[str]:
        """Take up the news of those tasks that want webhooks; return the ids of these. Safe to repeat.

        Raises:
            StoreError: the store could not keep them.
        """
        now = self._clock.now()
        wanted = [
            record
            for record in moved
            if PREFERENCE in record.preference and (record.state.finished or not self._final_only)
        ]
        values = {
            _key(record.id, record.moves): {
                "url": record.preference[PREFERENCE],
                "event": to_json(of_task(record)),
                "since": rfc3339(now),
            }
            for record in wanted
        }
        if values:
            self._records.put_many(PENDING_KIND, values, now, expires_at=now + _KEPT)
        return [record.id for record in wanted]

    def of_task(self, task_id: str) -> Sequence[Pending]:
        """Return what is to be sent of a task, in order. Raises StoreError."""
        return [_pending(each) for each in self._scan(f"{task_id}~", "", _MOST)]

    def page(self, after: str) -> Sequence[Pending]:
        """Return what is to be sent of all tasks, after a key, a page at a time. Raises StoreError."""
        return [_pending(each) for each in self._scan("", after, MOST_ON_A_PAGE)]

    def done(self, pending: Pending) -> None:
        """Remove an event that was sent or dropped, and is noted so. Raises StoreError."""
        self._records.delete(PENDING_KIND, pending.key)

    def progress(self, task_id: str) -> Progress:
        """Return how far a task's webhooks have got. Raises StoreError."""
        stored = self._records.get(STATE_KIND, task_id, self._clock.now())
        return _progress(stored.value, stored.version) if stored is not None else Progress()

    def save(self, task_id: str, progress: Progress) -> int:
        """Store it in the place of the version that it was made of, and return the new version.

        Raises:
            Conflict: somebody else has stored theirs.
            StoreError: the store could not keep it.
        """
        now = self._clock.now()
        return self._records.put(
            STATE_KIND, task_id, _said(progress), now, expected_version=progress.version, expires_at=now + _KEPT
        )

    def _scan(self, prefix: str, after: str, limit: int) -> Sequence[Stored]:
        return self._records.scan(PENDING_KIND, prefix, self._clock.now(), after=after, limit=limit)


def _key(task_id: str, moves: int) -> str:
    return f"{task_id}~{moves:0{_DIGITS}}"


def _pending(stored: Stored) -> Pending:
    value = stored.value
    return Pending(stored.key, value["url"], from_json(value["event"]), parse_rfc3339(value["since"]))


_TIMES = ("due_at", "lease_until", "failed_at")


def _said(progress: Progress) -> dict[str, Any]:
    said: dict[str, Any] = {
        "delivered": progress.delivered,
        "state": progress.state,
        "tries": progress.tries,
        "lease_token": progress.lease_token,
        "error": progress.error,
        "dropped": progress.dropped,
        "gone": progress.gone,
    }
    times = {name: getattr(progress, name) for name in _TIMES}
    said |= {name: rfc3339(moment) for name, moment in times.items() if moment is not None}
    return {name: value for name, value in said.items() if value is not None}


def _progress(said: Mapping[str, Any], version: int) -> Progress:
    times = {name: parse_rfc3339(said[name]) for name in _TIMES if name in said}
    return Progress(**{**said, **times}, version=version)
