"""One turn at one task: settle what is unknown, else choose and forward (DESIGN.md section 4)."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from middleware import ChainError
from protes.clock import Clock
from protes.config.settings import DispatchSettings
from protes.dispatch.backoff import next_try
from protes.dispatch.forwarding import Forwarder, NotAllowed
from protes.dispatch.outcome import Outcome
from protes.dispatch.queueing import Place, Queueing
from protes.dispatch.settling import Settler
from protes.dispatch.waiting_list import LOOK_SECONDS, WaitingList
from protes.dispatch.withdrawing import Withdrawals
from protes.planning.consent import reason as not_allowed
from protes.planning.planner import Plan, Planner
from protes.planning.tried import TRIED, forgiving
from protes.store.changes import CancelRequested
from protes.store.protocols import TaskStore
from protes.store.records import UNSETTLED, Attempt, Phase, TaskRecord

logger = logging.getLogger(__name__)

_BUSY_PAUSE = timedelta(seconds=0.3)
_LONGEST_TURN_SECONDS = 30.0


class Dispatcher:
    """Brings tasks to instances."""

    def __init__(
        self,
        settings: DispatchSettings,
        tasks: TaskStore,
        planner: Planner,
        forwarder: Forwarder,
        settler: Settler,
        clock: Clock,
        ended: Callable[[TaskRecord], None] = lambda _: None,
        line: WaitingList | None = None,
    ) -> None:
        """Dispatch with these parts; `ended` is told of tasks that end here, and those that find no room get in line.

        Without a line they come back again and again.
        """
        self._settings = settings
        self._tasks = tasks
        self._planner = planner
        self._forwarder = forwarder
        self._settler = settler
        self._withdrawals = Withdrawals(settings, tasks, planner, clock)
        self._clock = clock
        self._ended = ended
        self._line = Queueing(line, forwarder)

    def advance(self, record: TaskRecord, token: str, turn: str | None = None) -> Outcome:
        """Do what the task needs now, under the lease with `token`.

        Args:
            record: the task.
            token: of its lease.
            turn: key of its note in the line, where it was given a place.

        Raises:
            LeaseLost: somebody else works on it.
        """
        with self._line.attended(record, turn) as place:
            return self._advance(record, token, place)

    def _advance(self, record: TaskRecord, token: str, place: Place) -> Outcome:
        lines: tuple[str, ...] = ()
        live = record.live_attempt
        if live is not None and live.phase in UNSETTLED:
            settled, outcome = self._settler.settle(record, token, live)
            if settled.phase is not Phase.REJECTED:
                return outcome
            lines = outcome.system_logs
            record = self._tasks.get(record.id) or record
        elif live is not None:
            return self._withdrawals.consider(record, token, live)
        if record.state.finished or record.cancel_requested_at is not None:
            return Outcome(system_logs=lines)
        try:
            outcome = self._place(record, token, place)
        except ChainError as error:
            outcome = Outcome(self._later(record), (str(error),))
        return Outcome(outcome.due_at, lines + outcome.system_logs)

    def _place(self, record: TaskRecord, token: str, place: Place) -> Outcome:
        plan = self._plan(record)
        if place.missed(plan):
            # Whoever gave the turn knew of a place that this process has not seen yet.
            self._planner.look_again()
            plan = self._plan(record)
        if plan.offers:
            self._planner.keep(record, plan)
        lines: list[str] = []
        busy = False
        until = self._clock.monotonic() + _LONGEST_TURN_SECONDS
        for offer in plan.offers:
            if self._clock.monotonic() > until:
                return Outcome(self._clock.now(), tuple(lines))
            if not place.may_try(offer):
                continue
            if lines:
                # The lease must outlast this submission too.
                lasting = timedelta(seconds=self._settings.lease_seconds)
                self._tasks.extend(record.id, token, self._clock.now() + lasting)
            place.take()
            try:
                attempt = self._forwarder.forward(record, token, plan, offer)
            except CancelRequested:
                return Outcome(system_logs=tuple(lines))
            except NotAllowed:
                lines.append(f"{offer.instance.id} {not_allowed(arriving=False).text}")
                continue
            except ChainError as error:
                # What cannot be made fit for this instance may be so for the next one.
                lines.append(f"{offer.instance.id}: {error}")
                continue
            if attempt is None:
                busy = not place.found_full(plan, offer) or busy
                continue
            if attempt.phase is Phase.ACCEPTED:
                self._planner.placed(record, plan, offer)
                return Outcome(system_logs=tuple(lines))
            lines.append(_rejection(attempt))
            if attempt.phase is Phase.UNKNOWN:
                pause = timedelta(seconds=self._settings.settle_every_seconds)
                return Outcome(self._clock.now() + pause, tuple(lines))
            record = self._tasks.get(record.id) or record
        return self._unplaced(record, token, plan, lines, busy, place)

    def _plan(self, record: TaskRecord) -> Plan:
        """Plan; where nobody else takes a task that was withdrawn, the instances it was withdrawn from may again."""
        plan = self._planner.plan(record)
        withdrawn = any(reason.code == TRIED and not reason.permanent for reason in plan.reasons.values())
        return self._planner.plan(forgiving(record)) if withdrawn and not plan.offers else plan

    def _unplaced(
        self, record: TaskRecord, token: str, plan: Plan, lines: list[str], busy: bool, place: Place
    ) -> Outcome:
        """Try again later, or end what can never run or has waited too long."""
        now = self._clock.now()
        if lines:
            plan = self._plan(record)  # without those that have refused it meanwhile
        if plan.never_more():
            return self._end(record, token, f"{_nobody(record)}: {plan.waiting_for()}")
        waited = now - record.waiting_since
        if waited > timedelta(seconds=self._settings.give_up_after_seconds):
            reasons = "; ".join((*lines, plan.waiting_for()))
            text = f"no instance took the task within {int(waited.total_seconds())} s: {reasons}"
            return self._end(record, token, text)
        only_full = place.get_in_line(plan)
        if busy:
            return Outcome(now + _BUSY_PAUSE, tuple(lines))
        if only_full and not lines:
            pause = min(LOOK_SECONDS, max(1.0, self._settings.give_up_after_seconds - waited.total_seconds()))
            return Outcome(now + timedelta(seconds=pause), (place.words(plan),))
        if not lines:
            lines = [f"waiting for an instance: {plan.waiting_for()}"]
        # Due at once where there is no instance at all, so that nothing is put off when the first one is found.
        return Outcome(self._later(record) if plan.view.ready else now, tuple(lines))

    def _end(self, record: TaskRecord, token: str, line: str) -> Outcome:
        """End a task that no instance has, and what was kept for it."""
        self._ended(self._tasks.fail(record.id, token, [line], self._clock.now()))
        return Outcome()

    def _later(self, record: TaskRecord) -> datetime:
        first, last = self._settings.first_retry_seconds, self._settings.last_retry_seconds
        return next_try(record.waiting_since, self._clock.now(), first, last)


def _nobody(record: TaskRecord) -> str:
    failed = next((each for each in reversed(record.attempts) if each.retried), None)
    if failed is None:
        return "no instance can run this task"
    return f"no other instance can run this task, which ended in {failed.state} in attempt {failed.n}"


def _rejection(attempt: Attempt) -> str:
    what = "its outcome is unknown" if attempt.phase is Phase.UNKNOWN else "the task is not there"
    return f"attempt {attempt.n}: {attempt.message}; {what}"
