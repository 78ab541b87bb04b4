"""The job "callback" on one task: send what is to be sent of it, in order, until it is taken or too old.

Whoever sends has a lease in the store, so that two workers do not send a task's events at once. What was sent is noted
after it was taken: a worker that dies in between is followed by one that sends it again, with the same id.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protes.callbacks.outbox import Outbox, Pending, Progress
from protes.callbacks.sending import Sender, Sent
from protes.callbacks.slots import Slots
from protes.clock import Clock, lies_ahead
from protes.outbound.addresses import NotAllowed
from protes.outbound.rules import target_of
from protes.store.ids import new_token
from protes.store.protocols import Conflict

logger = logging.getLogger(__name__)

_LEASE = timedelta(seconds=45)
"""It is renewed after each event; a POST takes 30 s at most."""
_TURN_SECONDS = 40.0
"""After that another job goes on."""
_LONGEST_DUE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try.

    Attributes:
        first_seconds: first pause.
        last_seconds: longest pause.
        give_up_seconds: an event that is older is dropped.
        per_host: webhooks to one host at once.
    """

    first_seconds: float
    last_seconds: float
    give_up_seconds: float
    per_host: int


class Deliverer:
    """Delivers the webhooks of tasks. Safe to run twice at once."""

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        slots: Slots,
        patience: Patience,
        clock: Clock,
        random: Callable[[], float],
        again: Callable[[str], object],
    ) -> None:
        """Deliver what is in `outbox`; `again` submits the job on a task once more."""
        self._outbox = outbox
        self._sender = sender
        self._slots = slots
        self._patience = patience
        self._clock = clock
        self._random = random
        self._again = again

    def deliver(self, task_id: str) -> None:
        """Send what is due of a task, if nobody else does and its host has room. Raises StoreError."""
        progress, now = self._outbox.progress(task_id), self._clock.now()
        if _lies_ahead(progress.lease_until, now, _LEASE) or _lies_ahead(progress.due_at, now, _LONGEST_DUE):
            return
        pending = self._outbox.of_task(task_id)
        if not pending:
            return
        host = _host(pending[0].url)
        with self._slots.place(host, self._patience.per_host) as free:
            if not free:
                return  # it is still in the outbox
            try:
                progress = self._saved(task_id, replace(progress, lease_token=new_token(), lease_until=now + _LEASE))
                more = self._turn(task_id, progress, pending, host)
            except Conflict:
                return  # somebody else was quicker, or has taken over
        if more:
            self._again(task_id)

    def _turn(self, task_id: str, progress: Progress, pending: Sequence[Pending], host: str) -> bool:
        """Send one after the other until one is not taken; return whether there is more to do at once."""
        until = self._clock.monotonic() + _TURN_SECONDS
        for each in pending:
            if self._clock.monotonic() >= until:
                break
            if not self._is_new(progress, each):
                self._outbox.done(each)
                continue
            sent = None if progress.gone or self._is_old(each) else self._sender.send(each)
            if sent is not None:
                (self._slots.answered if sent.answered else self._slots.failed)(host)
            if sent is not None and sent.error is not None and not sent.gone:
                self._saved(task_id, self._after_failure(progress, sent))
                return False
            progress = self._saved(task_id, self._after(progress, each, sent))
            self._outbox.done(each)
        self._saved(task_id, replace(progress, lease_token=None, lease_until=None))
        return bool(self._outbox.of_task(task_id))

    def _is_new(self, progress: Progress, pending: Pending) -> bool:
        """Tell whether the receiver does not know it: it is no repeat, and not the same state in its eyes."""
        if pending.event.moves <= progress.delivered:
            return False
        return pending.event.finished or self._sender.state(pending) != progress.state

    def _is_old(self, pending: Pending) -> bool:
        return (self._clock.now() - pending.since).total_seconds() > self._patience.give_up_seconds

    def _after(self, progress: Progress, pending: Pending, sent: Sent | None) -> Progress:
        """Return the progress after an event that was taken, or that is dropped (`sent` None, or not wanted)."""
        kept = replace(progress, delivered=pending.event.moves, tries=0, due_at=None, lease_until=self._lease_end())
        if sent is not None and sent.error is None:
            return replace(kept, state=self._sender.state(pending), error=None, failed_at=None)
        logger.warning("task %s: a webhook was dropped: nobody takes it", pending.event.task_id)
        dropped = replace(kept, dropped=progress.dropped + 1)
        if sent is None:
            return dropped
        return replace(dropped, gone=True, error=sent.error, failed_at=self._clock.now())

    def _after_failure(self, progress: Progress, sent: Sent) -> Progress:
        now, tries = self._clock.now(), progress.tries + 1
        longest = min(self._patience.last_seconds, self._patience.first_seconds * 2.0 ** min(tries - 1, 30))
        seconds = max(longest * (1 + self._random()) / 2, sent.wait_seconds)
        return replace(
            progress,
            tries=tries,
            due_at=now + timedelta(seconds=seconds),
            error=sent.error,
            failed_at=now,
            lease_token=None,
            lease_until=None,
        )

    def _lease_end(self) -> datetime:
        return self._clock.now() + _LEASE

    def _saved(self, task_id: str, progress: Progress) -> Progress:
        return replace(progress, version=self._outbox.save(task_id, progress))


def _host(url: str) -> str:
    try:
        return target_of(url).origin
    except NotAllowed:
        return ""


def _lies_ahead(moment: datetime | None, now: datetime, within: timedelta) -> bool:
    return moment is not None and lies_ahead(moment, now, within)
