"""The event log: batches of events under ascending numbers, in `Records` (docs/events.md).

A batch is one value, written under the number after the last one and only if nothing is there: so numbers have no gaps,
and are in the order in which they were written, however many processes write. Whoever has read batch n and then finds
n + 1 has missed nothing. That needs neither transactions nor counters nor clocks of the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from protes.clock import Clock, parse_rfc3339, rfc3339
from protes.events.event import Event, from_json, to_json
from protes.store.protocols import Conflict, Records, Stored

KIND, TAIL_KIND = "events", "events_tail"
MOST_IN_BATCH = 250

_STEP = 1000
"""Ids of events are this many times the number of their batch, and their place in it, from 1."""
_DIGITS = 12
_TAIL_KEY = "tail"
_MARGIN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that were written together, oldest first."""

    number: int
    events: Sequence[Event]

    @property
    def end(self) -> int:
        """The id that whoever has read all of it goes on from."""
        return (self.number + 1) * _STEP

    def after(self, event_id: int) -> Sequence[tuple[int, Event]]:
        """Return its events with an id above `event_id`, with their ids."""
        first = self.number * _STEP + 1
        return [(first + place, event) for place, event in enumerate(self.events) if first + place > event_id]


def batch_after(event_id: int) -> int:
    """Return the number of the first batch that may have events with a higher id."""
    return (event_id + 1) // _STEP


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next batch goes: its number, and the version of the note about the last one."""

    number: int
    noted: int


class EventLog:
    """The log, as one process sees it. Safe under threads and processes."""

    def __init__(self, records: Records, clock: Clock) -> None:
        """Keep it in `records`."""
        self._records = records
        self._clock = clock

    def next_place(self) -> Place:
        """Return where the next batch goes; ask before reading what is to be in it.

        Raises:
            StoreError: the store could not answer.
        """
        number, noted = self._tail()
        return Place(number + 1, noted)

    def append(self, place: Place, events: Sequence[Event], keep_seconds: float) -> bool:
        """Write a batch; return whether it was, or False where somebody else was quicker.

        Args:
            place: of `next_place`.
            events: `MOST_IN_BATCH` at most.
            keep_seconds: for how long.

        Raises:
            StoreError: it is not known to be written.
        """
        now = self._clock.now()
        try:
            # Noted before: a number is not used again after its batch has expired.
            self._records.put(
                TAIL_KIND,
                _TAIL_KEY,
                {"batch": place.number, "until": rfc3339(now + timedelta(seconds=keep_seconds))},
                now,
                expected_version=place.noted,
            )
            self._records.put(
                KIND,
                _key(place.number),
                {"events": [to_json(each) for each in events]},
                now,
                expected_version=0,
                expires_at=now + timedelta(seconds=keep_seconds) + _MARGIN,
            )
        except Conflict:
            return False
        return True

    def last(self) -> int:
        """Return the number of the last batch, 0 where there was none yet. Raises StoreError."""
        return self._tail()[0]

    def first_kept(self) -> int | None:
        """Return the number of the oldest batch that is kept, or None. Raises StoreError."""
        found = self._records.scan(KIND, "", self._clock.now(), limit=1)
        return int(found[0].key) if found else None

    def after(self, number: int, limit: int = 16) -> Sequence[Batch]:
        """Return the batches after the one of this number, in order and without a gap. Raises StoreError."""
        found = self._records.scan(KIND, "", self._clock.now(), after=_key(number), limit=limit)
        return [_batch(each) for each in found]

    def _tail(self) -> tuple[int, int]:
        """Return the number of the last batch, and the version of the note about it."""
        now = self._clock.now()
        note = self._records.get(TAIL_KIND, _TAIL_KEY, now)
        if note is None:
            return 0, 0
        noted = int(note.value["batch"])
        # It is noted before it is written, and may not have been written at all.
        if self._records.get(KIND, _key(noted), now) is not None:
            return noted, note.version
        expired = parse_rfc3339(note.value["until"]) <= now
        return (noted if expired else noted - 1), note.version


def _key(number: int) -> str:
    return f"{number:0{_DIGITS}}"


def _batch(stored: Stored) -> Batch:
    return Batch(int(stored.key), [from_json(each) for each in stored.value["events"]])
