"""Push a cancellation until the instance confirms it (DESIGN.md section 4, "Cancel is desired state").

The wish is the caller's, or the gateway's own where a task does not start (`Attempt.withdrawn_at`).
"""

import logging
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.config.settings import RelaySettings
from protes.federation.federation import Federation
from protes.relay.passing import InstanceFailing
from protes.relay.sweeping import Sweeper
from protes.store.protocols import TaskStore
from protes.store.records import Attempt, Phase, TaskRecord
from protes.tes.errors import DownstreamError, TaskMissing

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = timedelta(seconds=60)


class Canceller:
    """Cancels tasks at their instances."""

    def __init__(
        self, settings: RelaySettings, tasks: TaskStore, federation: Federation, sweeper: Sweeper, clock: Clock
    ) -> None:
        """Push with the federation's clients, confirm by looking."""
        self._settings = settings
        self._tasks = tasks
        self._federation = federation
        self._sweeper = sweeper
        self._clock = clock

    def push(self, record: TaskRecord) -> datetime | None:
        """Push once and look what became of it; the instance's reply decides nothing, its state does.

        Returns:
            When to push again, None where there is nothing to push: the task has ended there, or it is only the gateway
            that wished to withdraw it and it has started.
        """
        attempt = record.live_attempt
        if attempt is None or attempt.phase is not Phase.ACCEPTED:
            return None
        if record.cancel_requested_at is not None:
            return self._push_callers(record, attempt, record.cancel_requested_at)
        if attempt.withdrawn_at is not None and not record.state.finished:
            return self._push_withdrawal(record, attempt.withdrawn_at)
        return None

    def _push_callers(self, record: TaskRecord, attempt: Attempt, requested_at: datetime) -> datetime | None:
        if attempt.state.finished:
            # Some servers destroy the logs of a finished task that is cancelled (DIALECTS.md 2.6): look, do not push.
            self._look(record)
        else:
            self._push(record, attempt)
        after = self._tasks.get(record.id)
        if after is None or after.live_attempt is None:
            return None
        return self._next(record.id, requested_at, attempt)

    def _push_withdrawal(self, record: TaskRecord, wished_at: datetime) -> datetime | None:
        """Look before pushing: a task that has started meanwhile stays where it is."""
        if self._look(record):
            after = self._tasks.get(record.id)
            live = after.live_attempt if after is not None else None
            if after is None or live is None or live.started or after.cancel_requested_at is not None:
                return None
            if not live.state.finished:
                self._push(after, live)
        return self._clock.now() + self._pause(wished_at)

    def _push(self, record: TaskRecord, attempt: Attempt) -> None:
        client = self._federation.client_for(record.id, attempt.instance_url, attempt.dialect)
        try:
            client.cancel(attempt.instance_task_id or "")
        except TaskMissing:
            logger.info("task %s: %s does not know the task to cancel", record.id, attempt.instance_id)
        except DownstreamError as error:
            self._federation.health.failed(attempt.instance_url, error, reading=True)
            logger.info("task %s: cancelling at %s failed: %s", record.id, attempt.instance_id, error.text)
            return
        self._look(record)

    def _look(self, record: TaskRecord) -> bool:
        """Look at the task; return whether its instance answered."""
        try:
            self._sweeper.look(record)
        except InstanceFailing:
            logger.debug("task %s: not confirmed yet", record.id)
            return False
        return True

    def _next(self, task_id: str, requested_at: datetime, attempt: Attempt) -> datetime:
        """Show CANCELED where it takes too long, and go on pushing, at growing pauses."""
        now = self._clock.now()
        if now - requested_at > timedelta(seconds=self._settings.cancel_within_seconds):
            seconds = int(self._settings.cancel_within_seconds)
            line = f"{attempt.instance_id} has not confirmed the cancellation within {seconds} s; it is pushed on"
            self._tasks.close_cancel(task_id, line, now)
        return now + self._pause(requested_at)

    def _pause(self, since: datetime) -> timedelta:
        first = timedelta(seconds=self._settings.cancel_every_seconds)
        return min(_LONGEST_PAUSE, max(first, (self._clock.now() - since) / 4))
