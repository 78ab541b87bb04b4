"""Take a task back from an instance that does not start it (`dispatch.requeue_stuck_seconds`; DESIGN.md section 4).

The wish is stored first; cancelling, and watching what becomes of it, is the relay's. The task goes on only when the
instance has shown that its copy is canceled.
"""

import logging
from datetime import timedelta

from middleware import ChainError
from protes.clock import Clock
from protes.config.settings import DispatchSettings
from protes.dispatch.outcome import Outcome
from protes.planning.planner import Planner
from protes.planning.stuck import is_stuck
from protes.store.protocols import TaskStore
from protes.store.records import Attempt, TaskRecord
from protes.tes.dialects.table import dialect_named

logger = logging.getLogger(__name__)


class Withdrawals:
    """Decides whether a task that waits at an instance should leave it."""

    def __init__(self, settings: DispatchSettings, tasks: TaskStore, planner: Planner, clock: Clock) -> None:
        """Ask the planner for somewhere else to go."""
        self._settings = settings
        self._tasks = tasks
        self._planner = planner
        self._clock = clock

    def consider(self, record: TaskRecord, token: str, attempt: Attempt) -> Outcome:
        """Store the wish to withdraw the task if it is stuck, and another instance offers to run it now.

        Args:
            record: the task.
            token: of its lease.
            attempt: its live attempt, which is ACCEPTED.

        Returns:
            When to look again: at once where it is withdrawn, so that the cancellation is pushed.

        Raises:
            LeaseLost: somebody else works on the task.
        """
        now = self._clock.now()
        after = self._settings.requeue_stuck_seconds
        if not is_stuck(record, now, after, dialect_named(attempt.dialect)):
            return Outcome()
        if not self._has_alternative(record, attempt):
            pause = max(self._settings.last_retry_seconds, (after or 0.0) / 2)
            return Outcome(now + timedelta(seconds=pause))
        waited = int((now - attempt.intended_at).total_seconds())
        line = f"attempt {attempt.n}: {attempt.instance_id} has not started the task within {waited} s: it is withdrawn"
        if self._tasks.withdraw(record.id, token, attempt.n, line, now) is None:
            return Outcome()
        logger.info("task %s: %s", record.id, line)
        return Outcome(now)

    def _has_alternative(self, record: TaskRecord, attempt: Attempt) -> bool:
        try:
            plan = self._planner.plan(record)
        except ChainError:
            return False  # logged where it was raised
        return any(offer.instance.base_url != attempt.instance_url for offer in plan.offers)
