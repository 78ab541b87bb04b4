"""Server-Sent Events: the text of a stream (WHATWG HTML, section 9.2) and how long it goes on."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from protes.clock import Clock, rfc3339
from protes.events.connection import Connection
from protes.events.event import Event
from protes.events.feed import Feed, Listener, Missed
from protes.events.selection import Look, Selection, tags_of
from protes.store.protocols import StoreError
from protes.tes.states import State

RETRY_MILLISECONDS = 3000
_HEARTBEAT_SECONDS = 15.0
_WAIT_SECONDS = 1.0
_INSTANCES_SECONDS = 2.0
_MOST_AT_ONCE = 100

States = Mapping[str, str]
"""Of instances, by their ids."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asked for.

    Attributes:
        selection: which events.
        seen: turns the state that the selection shows into what the client calls it.
        look: finds tasks.
        instances: returns the states of instances; None where they are not wanted.
        seconds: how long the stream lasts at most.
    """

    selection: Selection
    seen: Callable[[State], State]
    look: Look
    instances: Callable[[], States] | None
    seconds: float


class Stream:
    """The text of one stream, piece by piece."""

    def __init__(
        self, feed: Feed, listener: Listener, wish: Wish, connection: Connection, clock: Clock, missed: str | None
    ) -> None:
        """Tell `listener` what it wishes; `missed` says why it must list its tasks again, or is None."""
        self._feed = feed
        self._listener = listener
        self._wish = wish
        self._connection = connection
        self._clock = clock
        self._missed = missed

    def pieces(self) -> Iterator[bytes]:
        """Yield the text until the client is gone, the time is over or the feed is closed."""
        instances = self._instances()  # before `ready`: what changes from then on is told
        yield self._sent(self._beginning())
        if instances is not None:
            with suppress(Missed, StoreError):  # it comes again with its last id, and is told then
                yield from self._changes(instances)

    def _instances(self) -> States | None:
        """Return the states of instances, if they are wanted; None where the store cannot say."""
        try:
            return self._wish.instances() if self._wish.instances is not None else {}
        except StoreError:
            return None

    def _changes(self, instances: States) -> Iterator[bytes]:
        clock = self._clock
        until = clock.monotonic() + self._wish.seconds
        beat_at = clock.monotonic() + _HEARTBEAT_SECONDS
        look_at = clock.monotonic() + _INSTANCES_SECONDS
        while not (self._over() or clock.monotonic() >= until):
            news = self._feed.news(self._listener)
            texts = [text for event_id, event in news if (text := self._text(event_id, event)) is not None]
            if self._wish.instances is not None and clock.monotonic() >= look_at:
                look_at = clock.monotonic() + _INSTANCES_SECONDS
                before, instances = instances, self._wish.instances()
                texts += self._changed(before, instances)
            if clock.monotonic() >= beat_at and not texts:
                yield self._sent(self._heartbeat())
            for start in range(0, len(texts), _MOST_AT_ONCE):
                yield self._sent("".join(texts[start : start + _MOST_AT_ONCE]).encode())
            if texts or clock.monotonic() >= beat_at:
                beat_at = clock.monotonic() + _HEARTBEAT_SECONDS
            if not news:
                self._feed.wait(self._listener, _WAIT_SECONDS)

    def _heartbeat(self) -> bytes:
        """Return a comment, and an id without an event: whom nothing of much concerns need not begin far back."""
        return f": still here\nid: {self._listener.position}\n\n".encode()

    def _sent(self, piece: bytes) -> bytes:
        """Return a piece; the server writes it until it asks for the next one."""
        self._connection.sending()
        return piece

    def _over(self) -> bool:
        self._connection.sent()
        return self._feed.closed or self._listener.dismissed or self._connection.gone

    def _beginning(self) -> bytes:
        position = self._listener.position
        if self._missed is None:
            first = sse("ready", {"id": str(position)}, position)
        else:
            first = sse("reset", {"reason": self._missed}, position)
        return f"retry: {RETRY_MILLISECONDS}\n\n{first}".encode()

    def _text(self, event_id: int, event: Event) -> str | None:
        chosen = self._wish.selection.chosen(event, self._wish.look)
        if chosen is None:
            return None
        if chosen.state is None:
            return sse("deleted", {"id": chosen.task_id, "time": rfc3339(chosen.at)}, event_id)
        return sse("task", self._document(chosen), event_id)

    def _document(self, event: Event) -> dict[str, Any]:
        state = self._wish.selection.seen_state(event)
        assert state is not None  # noqa: S101 - the event has one
        return task_document(event, self._wish.seen(state))

    def _changed(self, before: States, now: States) -> Sequence[str]:
        time = rfc3339(self._clock.now())
        changed = [
            {"id": name, "state": now.get(name, "gone"), "time": time}
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]
        return [sse("instance", each) for each in changed]


def task_document(event: Event, state: State) -> dict[str, Any]:
    """Return what a client is told of a task: the data of an event, and the better part of a webhook's body."""
    texts = {"name": event.name, "tags": tags_of(event)}
    return {
        "id": event.task_id,
        "state": str(state),
        "version": event.version,
        "time": rfc3339(event.at),
        "finished": event.finished,
        **{name: value for name, value in texts.items() if value},
    }


def sse(name: str, data: Mapping[str, Any], event_id: int | None = None) -> str:
    """Write one event. JSON is ASCII without line breaks here, so that one `data:` line holds it."""
    first = f"id: {event_id}\n" if event_id is not None else ""
    return f"{first}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
