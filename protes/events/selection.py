"""Which events a client wants, and which it may see."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from protes.events.event import Event
from protes.store.records import TaskRecord, tag_entry, tag_entry_key
from protes.tes.states import State, shown

Look = Callable[[str], TaskRecord | None]
"""Returns the head of a task, or None."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a client wants; all that is said must fit.

    Attributes:
        audiences: only tasks that are shown under one of these keys; None: all.
        ids: only these tasks; none means all.
        states: only tasks in these states, as the client is shown them; none means all.
        tags: each `(key, value)` must be there; value None matches any value.
        name_prefix: literal prefix of the name.
        all_states: the client is shown TES 1.1 states.
    """

    audiences: frozenset[str] | None = None
    ids: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()
    tags: tuple[tuple[str, str | None], ...] = ()
    name_prefix: str = ""
    all_states: bool = False

    def seen_state(self, event: Event) -> State | None:
        """Return the state that the client is shown; None where the task was removed."""
        if event.state is None or self.all_states:
            return event.state
        return shown(event.state, event.last_steady)

    def chosen(self, event: Event, look: Look) -> Event | None:
        """Return the event as the client is to have it, or None where it is not for it.

        Args:
            event: of the log.
            look: finds the task where its name and tags are not in the log.
        """
        if not self.may_see(event) or (self.ids and event.task_id not in self.ids):
            return None
        state = self.seen_state(event)
        if state is None:
            return event  # nothing else is known of it, and whoever had it must drop it
        if self.states and state not in self.states:
            return None
        if event.texts_left_out:
            record = look(event.task_id)
            event = replace(event, name=record.name, tags=record.tags) if record is not None else event
        if not event.name.startswith(self.name_prefix) or not all(_has_tag(event, *tag) for tag in self.tags):
            return None
        return event

    def may_see(self, event: Event) -> bool:
        """Tell whether the client may know of the task."""
        return self.audiences is None or event.audience in self.audiences


def _has_tag(event: Event, key: str, value: str | None) -> bool:
    if value is not None:
        return tag_entry(key, value) in event.tags
    return any(entry.startswith(f"{tag_entry_key(key)}=") for entry in event.tags)


def tags_of(event: Event) -> dict[str, str]:
    """Return the tags of a task as its client wrote them."""
    parts = (entry.partition("=") for entry in event.tags)
    return {key.replace("%3D", "=").replace("%25", "%"): value for key, _, value in parts}
