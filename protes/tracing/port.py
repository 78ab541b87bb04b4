"""What the gateway says to whoever records traces."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from protes.store.records import Attempt, TaskRecord

KIND = "trace"
"""Where `Records` has the trace of a task, by the task's id, until the task has ended."""


class Span(Protocol):
    """Something that takes time."""

    def say(self, **attributes: str | int) -> None:
        """Note what became of it; `_` in a name stands for `.`."""

    def answered(self, method: str, route: str, status: int) -> None:
        """Note what became of a request."""

    @property
    def trace_id(self) -> str | None:
        """The id of its trace, None where it is not recorded."""


class Tracer(Protocol):
    """Records traces; a `Watcher` of tasks, too. Quick, never fails. Safe under threads."""

    def request(self, method: str, headers: Mapping[str, Any]) -> AbstractContextManager[Span]:
        """Record a request; `headers` is its WSGI environment, where a trace of the client's may be named."""

    def turn(self, task_id: str) -> AbstractContextManager[Span]:
        """Record a turn at a task, in the trace that began with its creation; what it calls is recorded within."""

    def step(self, name: str, **attributes: str | int) -> AbstractContextManager[Span]:
        """Record a step of what this thread records already; nothing where it records nothing."""

    def outgoing(self) -> Mapping[str, str]:
        """Return the headers by which an instance can go on with this thread's trace; none where it must not."""

    def start(self) -> None:
        """Begin to send; after fork."""

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""

    def creating(self, record: TaskRecord) -> None:
        """See `Watcher`."""

    def created(self, record: TaskRecord) -> None:
        """See `Watcher`."""

    def attempted(self, record: TaskRecord, attempt: Attempt, now: datetime) -> None:
        """See `Watcher`."""

    def changed(self, record: TaskRecord) -> None:
        """See `Watcher`."""

    def withdrawn(self, record: TaskRecord) -> None:
        """See `Watcher`."""

    def ended(self, record: TaskRecord, now: datetime) -> None:
        """See `Watcher`."""
