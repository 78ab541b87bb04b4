"""What a dispatch leaves behind for whoever looks at the task next."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one turn at a task.

    Attributes:
        due_at: when to look at it again; None: there is nothing to do but relay.
        system_logs: lines for the task's own logs.
    """

    due_at: datetime | None = None
    system_logs: tuple[str, ...] = ()
