"""The use case behind GET of tasks: answered from the store, at once or when something has changed.

What a client would be shown is told by a validator that needs the heads of the tasks alone, so that a 304 costs one
small read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from werkzeug.datastructures import ETags

from protes import __version__
from protes.api.conditional import entity_tag
from protes.api.views import Eyes, View, render, seen_state
from protes.api.waiting import WaitingRoom
from protes.store.records import TaskRecord


@dataclass(frozen=True, slots=True)
class Page:
    """Tasks that a client asked for.

    Attributes:
        records: the tasks, whole or heads.
        more: there are more of them on the next page.
    """

    records: tuple[TaskRecord, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a client asks to see.

    Attributes:
        read: reads the tasks, only their heads if it is called with True; raises Problem where there are none to see.
        view: how much of each is shown.
        eyes: how the caller sees tasks.
        single: it is one task, by its id.
    """

    read: Callable[[bool], Page]
    view: View
    eyes: Eyes
    single: bool = False

    @property
    def heads_suffice(self) -> bool:
        """Whether the answer can be made of heads."""
        return self.view is View.MINIMAL

    def tag(self, page: Page) -> str:
        """Return the validator of the answer that shows these tasks; heads tell it as well as whole records."""
        if self.heads_suffice:
            # A version may differ from the one before in a lease alone, which nobody sees in this view.
            tasks = [f"{record.id} {seen_state(record, self.eyes)}" for record in page.records]
        else:
            tasks = [f"{record.id} {record.version}" for record in page.records]
        return entity_tag(",".join((_shown_by(self.view, self.eyes), str(page.more), *tasks)))

    def rendered(self, page: Page) -> list[dict[str, Any]]:
        """Return the tasks as the caller sees them."""
        return [render(record, self.view, self.eyes) for record in page.records]

    def states(self, page: Page) -> tuple[tuple[str, str], ...]:
        """Return what a client waits for a change of."""
        return tuple((record.id, seen_state(record, self.eyes)) for record in page.records)

    def ended(self, page: Page) -> bool:
        """Tell whether nothing will change that is worth waiting for."""
        return self.single and page.records[0].state.finished


@lru_cache(maxsize=64)
def _shown_by(view: View, eyes: Eyes) -> str:
    """Return in words all that decides how a version of a task is shown."""
    return f"{__version__} {view} {eyes}"


def await_change(reading: Reading, known: ETags, room: WaitingRoom, seconds: float) -> None:
    """Wait until the client would be shown something else.

    Args:
        reading: what it asks to see.
        known: the validators of what it has; without any, it waits until a state differs from what it is now.
        room: where to wait.
        seconds: how long at most.

    Raises:
        Problem: there is nothing to see, or not any more.
    """
    first: tuple[tuple[str, str], ...] | None = None

    def look() -> Mapping[str, int] | None:
        nonlocal first
        page = reading.read(True)
        first = reading.states(page) if first is None else first
        same = known.contains_weak(reading.tag(page)) if known else reading.states(page) == first
        if not same or reading.ended(page) or known.star_tag:
            return None
        return {record.id: record.version for record in page.records}

    room.wait(look, seconds, others=not reading.single)
