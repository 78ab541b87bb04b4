"""Settle an attempt whose outcome is unknown by searching for its marker, never by sending again (DESIGN.md 4)."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.config.settings import DispatchSettings
from protes.dispatch.outcome import Outcome
from protes.dispatch.sightings import Sightings
from protes.federation.federation import Federation
from protes.store.orphans import Orphans
from protes.store.protocols import TaskStore
from protes.store.records import UNSETTLED, Attempt, Phase, TaskRecord
from protes.tes.build import marker
from protes.tes.client import InstanceClient
from protes.tes.dialects.base import Dialect
from protes.tes.errors import DownstreamError
from protes.tes.finding import Absent, CannotTell, Found

logger = logging.getLogger(__name__)

LOOKS_NEEDED = 2


class Settler:
    """Finds out what became of a POST."""

    def __init__(
        self,
        settings: DispatchSettings,
        tasks: TaskStore,
        federation: Federation,
        orphans: Orphans,
        clock: Clock,
        sightings: Sightings | None = None,
    ) -> None:
        """Settle with the federation's clients; what is given up goes to `orphans`.

        `sightings` are shared by settlers that follow each other in one process; by default they are this one's own.
        """
        self._settings = settings
        self._tasks = tasks
        self._federation = federation
        self._orphans = orphans
        self._clock = clock
        self._sightings = sightings or Sightings(clock)

    def settle(self, record: TaskRecord, token: str, attempt: Attempt) -> tuple[Attempt, Outcome]:
        """Look once.

        Returns:
            The attempt as it stands: ACCEPTED (adopted), REJECTED (certain that there is no copy), FINISHED (given up)
            or UNKNOWN still; and when to look again.

        Raises:
            LeaseLost: somebody else works on the task.
        """
        seen_for = self._sightings.see(record.id, attempt.n)
        settled, outcome = self._settle(record, token, attempt, seen_for)
        if settled.phase not in UNSETTLED:
            self._sightings.forget(record.id, attempt.n)
        return settled, outcome

    def _settle(self, record: TaskRecord, token: str, attempt: Attempt, seen_for: float) -> tuple[Attempt, Outcome]:
        now = self._clock.now()
        client = self._federation.client_for(record.id, attempt.instance_url, attempt.dialect)
        found = self._look(client, record, attempt)
        if isinstance(found, Found):
            return self._adopt(record, token, attempt, client, found.ids)
        if isinstance(found, Absent) and self._is_past_commit(attempt, client.dialect, seen_for):
            attempt = self._after_empty_look(record, token, attempt, now)
        elif attempt.phase is not Phase.UNKNOWN:
            attempt = self._saved(record, token, replace(attempt, phase=Phase.UNKNOWN), now)
        if attempt.phase is Phase.UNKNOWN and seen_for > self._settings.settle_within_seconds:
            return self._give_up(record, token, attempt)
        if attempt.phase is Phase.REJECTED:
            return attempt, Outcome()
        return attempt, Outcome(due_at=now + timedelta(seconds=self._settings.settle_every_seconds))

    def _is_past_commit(self, attempt: Attempt, dialect: Dialect, seen_for: float) -> bool:
        """Tell whether a look could have seen even a late commit: by what we have seen, not by stored times.

        A sender that has not told that its connection is closed may be about to send for all we know, whatever its
        deadline: it keeps to that by the clock that never jumps, and so do we.
        """
        if dialect.late_commit_seconds is None:
            return False
        sending = self._settings.send_within_seconds + self._settings.create_seconds
        return seen_for >= dialect.late_commit_seconds + (0.0 if attempt.closed_at is not None else sending)

    def _look(self, client: InstanceClient, record: TaskRecord, attempt: Attempt) -> Found | Absent | CannotTell:
        try:
            found = client.find(marker(record.id, attempt.n))
        except DownstreamError as error:
            self._federation.health.failed(attempt.instance_url, error, reading=True)
            return CannotTell(error.text)
        self._federation.health.succeeded(attempt.instance_url, reading=True)
        if isinstance(found, Absent) and client.is_another(attempt.identity):
            return CannotTell("the instance knows the gateway under other credentials than when the task was sent")
        return found

    def _adopt(
        self, record: TaskRecord, token: str, attempt: Attempt, client: InstanceClient, ids: tuple[str, ...]
    ) -> tuple[Attempt, Outcome]:
        adopted = replace(attempt, phase=Phase.ACCEPTED, instance_task_id=ids[0], message=None)
        self._tasks.save_attempt(record.id, token, adopted, self._clock.now())
        for copy in ids[1:]:
            logger.warning("task %s: a second copy %s at %s is cancelled", record.id, copy, attempt.instance_id)
            try:
                client.cancel(copy)
            except DownstreamError as error:
                self._orphans.add(record.id, attempt, self._clock.now())
                logger.warning("task %s: cancelling the copy failed: %s", record.id, error.text)
        line = f"{attempt.instance_id}: the answer to the submission was lost; the task was found there by its marker"
        # A cancellation that waited for this can be pushed now.
        due_at = self._clock.now() if record.cancel_requested_at is not None else None
        return adopted, Outcome(due_at, (line,))

    def _after_empty_look(self, record: TaskRecord, token: str, attempt: Attempt, now: datetime) -> Attempt:
        """Count a look that found nothing and could have seen a late commit."""
        looks = attempt.looks + 1
        if looks < LOOKS_NEEDED:
            return self._saved(record, token, replace(attempt, phase=Phase.UNKNOWN, looks=looks), now)
        message = f"{attempt.message or attempt.instance_id + ': the submission was interrupted'}; it did not arrive"
        self._orphans.add(record.id, attempt, now)
        return self._saved(record, token, replace(attempt, phase=Phase.REJECTED, looks=looks, message=message), now)

    def _saved(self, record: TaskRecord, token: str, attempt: Attempt, now: datetime) -> Attempt:
        self._tasks.save_attempt(record.id, token, attempt, now)
        return attempt

    def _give_up(self, record: TaskRecord, token: str, attempt: Attempt) -> tuple[Attempt, Outcome]:
        """End what cannot be known; the operator may have chosen to risk a second run instead."""
        now = self._clock.now()
        self._orphans.add(record.id, attempt, self._clock.now())
        seconds = int(self._settings.settle_within_seconds)
        line = f"{attempt.instance_id}: whether it has the task could not be found out within {seconds} s"
        if self._settings.on_unknown == "resubmit":
            rejected = replace(attempt, phase=Phase.REJECTED, message=line)
            self._tasks.save_attempt(record.id, token, rejected, now)
            return rejected, Outcome(system_logs=(line + "; it is sent elsewhere (dispatch.on_unknown)",))
        # First the end, then the attempt: a crash in between must not make the task look as if it had never been sent.
        self._tasks.fail(record.id, token, (line + "; the task is not run again",), now)
        finished = replace(attempt, phase=Phase.FINISHED, message=line)
        self._federation.tokens.over(self._tasks.save_attempt(record.id, token, finished, now))
        return finished, Outcome()
