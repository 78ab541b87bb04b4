"""Settle an attempt whose outcome is unknown by searching for its marker, never by sending again (DESIGN.md 4)."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from protes.clock import Clock
from protes.config.settings import DispatchSettings
from protes.dispatch.outcome import Outcome
from protes.federation.federation import Federation
from protes.store.orphans import Orphans
from protes.store.protocols import TaskStore
from protes.store.records import Attempt, Phase, TaskRecord
from protes.tes.build import marker
from protes.tes.client import Absent, CannotTell, Found, InstanceClient
from protes.tes.dialects.base import Dialect
from protes.tes.errors import DownstreamError

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
    ) -> None:
        """Settle with the federation's clients; what is given up goes to `orphans`."""
        self._settings = settings
        self._tasks = tasks
        self._federation = federation
        self._orphans = orphans
        self._clock = clock

    def settle(self, record: TaskRecord, token: str, attempt: Attempt) -> tuple[Attempt, Outcome]:
        """Look once.

        Returns:
            The attempt as it stands: ACCEPTED (adopted), REJECTED (certain that there is no copy), FINISHED (given up)
            or UNKNOWN still; and when to look again.

        Raises:
            LeaseLost: somebody else works on the task.
        """
        now = self._clock.now()
        if attempt.closed_at is None and now < attempt.deadline:
            return attempt, Outcome(due_at=attempt.deadline)  # its sender may still be about to send
        client = self._federation.client(attempt.instance_url, attempt.dialect)
        found = self._look(client, record, attempt)
        if isinstance(found, Found):
            return self._adopt(record, token, attempt, client, found.ids)
        attempt = self._after_empty_look(record, token, attempt, client.dialect, found, now)
        if attempt.phase is Phase.UNKNOWN and now - attempt.intended_at > self._patience():
            return self._give_up(record, token, attempt)
        if attempt.phase is Phase.REJECTED:
            return attempt, Outcome()
        return attempt, Outcome(due_at=now + timedelta(seconds=self._settings.settle_every_seconds))

    def _patience(self) -> timedelta:
        return timedelta(seconds=self._settings.settle_within_seconds)

    def _look(self, client: InstanceClient, record: TaskRecord, attempt: Attempt) -> Found | Absent | CannotTell:
        try:
            found = client.find(marker(record.id, attempt.n))
        except DownstreamError as error:
            self._federation.health.failed(attempt.instance_url, error, reading=True)
            return CannotTell(error.text)
        self._federation.health.succeeded(attempt.instance_url, reading=True)
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

    def _after_empty_look(
        self,
        record: TaskRecord,
        token: str,
        attempt: Attempt,
        dialect: Dialect,
        found: Absent | CannotTell,
        now: datetime,
    ) -> Attempt:
        """Count a look that found nothing, but only one that could have seen a late commit."""
        looks = attempt.looks
        if isinstance(found, Absent) and dialect.late_commit_seconds is not None:
            closed_at = attempt.closed_at or attempt.deadline + timedelta(seconds=self._settings.create_seconds)
            if now >= closed_at + timedelta(seconds=dialect.late_commit_seconds):
                looks += 1
        if looks >= LOOKS_NEEDED:
            message = (
                f"{attempt.message or attempt.instance_id + ': the submission was interrupted'}; it did not arrive"
            )
            after = replace(attempt, phase=Phase.REJECTED, looks=looks, message=message)
            self._orphans.add(record.id, attempt, self._clock.now())
        else:
            after = replace(attempt, phase=Phase.UNKNOWN, looks=looks)
        if after != attempt:
            self._tasks.save_attempt(record.id, token, after, now)
        return after

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
        self._tasks.save_attempt(record.id, token, finished, now)
        return finished, Outcome()
