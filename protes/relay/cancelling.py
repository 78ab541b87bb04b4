"""Push a cancellation until the instance confirms it (DESIGN.md section 4, "Cancel is desired state")."""

import logging
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.config.settings import RelaySettings
from protes.federation.federation import Federation
from protes.relay.sweeping import InstanceFailing, Sweeper
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
            When to push again, None where the task has ended there.
        """
        attempt = record.live_attempt
        if attempt is None or attempt.phase is not Phase.ACCEPTED or record.cancel_requested_at is None:
            return None
        if attempt.state.finished:
            # Some servers destroy the logs of a finished task that is cancelled (DIALECTS.md 2.6): look, do not push.
            self._look(record)
        else:
            self._push(record, attempt)
        after = self._tasks.get(record.id)
        if after is None or after.live_attempt is None:
            return None
        return self._next(record.id, record.cancel_requested_at, attempt)

    def _push(self, record: TaskRecord, attempt: Attempt) -> None:
        client = self._federation.client(attempt.instance_url, attempt.dialect)
        try:
            client.cancel(attempt.instance_task_id or "")
        except TaskMissing:
            logger.info("task %s: %s does not know the task to cancel", record.id, attempt.instance_id)
        except DownstreamError as error:
            self._federation.health.failed(attempt.instance_url, error)
            logger.info("task %s: cancelling at %s failed: %s", record.id, attempt.instance_id, error.text)
            return
        self._look(record)

    def _look(self, record: TaskRecord) -> None:
        try:
            self._sweeper.look(record)
        except InstanceFailing:
            logger.debug("task %s: not confirmed yet", record.id)

    def _next(self, task_id: str, requested_at: datetime, attempt: Attempt) -> datetime:
        """Show CANCELED where it takes too long, and go on pushing, at growing pauses."""
        now = self._clock.now()
        waited = now - requested_at
        if waited > timedelta(seconds=self._settings.cancel_within_seconds):
            seconds = int(self._settings.cancel_within_seconds)
            line = f"{attempt.instance_id} has not confirmed the cancellation within {seconds} s; it is pushed on"
            self._tasks.close_cancel(task_id, line, now)
        first = timedelta(seconds=self._settings.cancel_every_seconds)
        return now + min(_LONGEST_PAUSE, max(first, waited / 4))
