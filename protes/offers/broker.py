"""The use cases of the Execution Broker: a request becomes an offer set, an accepted session a task (STANDARDS.md 5.2).

Exactly one task comes of an offer set, however often and by however many its sessions are accepted: the acceptance is
one compare-and-set, the task's id is chosen with the offers, creating a task is idempotent for its id, and one that its
owner has deleted is not made again.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from protes.clock import Clock
from protes.offers import ivoa, sets
from protes.offers.durations import write_instant
from protes.offers.errors import Expired, IllegalTransition, Unknown
from protes.offers.messages import LIMIT, NOT_AVAILABLE, NOT_SUPPORTED, Message, indicative, message
from protes.offers.phases import Phase, phase_of
from protes.offers.request import ExecutionRequest
from protes.offers.sets import Offered, OfferSet
from protes.planning.planner import Plan, PlannedOffer, Planner
from protes.store.protocols import Conflict, Records, TaskStore
from protes.store.records import TaskRecord, tag_entry
from protes.store.removing import Removal

_KINDS = {"resources": LIMIT, "max_cost": LIMIT, "deadline": LIMIT}
_MOST_REASONS = 100
_TRIES = 8
# A job is on its way; should it get lost, the sweep looks again after this.
_FIRST_ENQUEUE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is now.

    Attributes:
        offer_set: the set it belongs to.
        number: its number in it, from 1.
        phase: its phase.
    """

    offer_set: OfferSet
    number: int
    phase: Phase

    @property
    def id(self) -> str:
        """Its uuid."""
        return self.offer_set.session_id(self.number)

    @property
    def offered(self) -> Offered:
        """What was offered."""
        return self.offer_set.offers[self.number - 1]


class Broker:
    """See the module's text."""

    def __init__(
        self,
        records: Records,
        tasks: TaskStore,
        planner: Planner,
        clock: Clock,
        enqueue: Callable[[str], object],
        currency: str,
        valid_seconds: float,
        removal: Removal,
    ) -> None:
        """Make offers that last `valid_seconds`; `enqueue` has somebody look at a task."""
        self._records = records
        self._tasks = tasks
        self._planner = planner
        self._clock = clock
        self._enqueue = enqueue
        self._currency = currency
        self._valid = timedelta(seconds=valid_seconds)
        self._removal = removal

    def offer(self, request: ExecutionRequest, task: TaskRecord) -> OfferSet | list[Message]:
        """Make offers for a task and store them; or say why there are none, and store nothing.

        Args:
            request: what was asked for.
            task: the task, checked, with the wishes in its preference and as tags.

        Raises:
            ChainError: a step of the chain failed that may not be skipped.
            StoreError: the store cannot be written.
        """
        plan = self._planner.plan(task)
        now = self._clock.now()
        reasons = [_reason(name, reason.code, reason.text) for name, reason in plan.reasons.items()]
        offers = []
        for each in plan.offers:
            late = _too_late(each, request.latest_start, now)
            if late is None:
                offers.append(each)
            else:
                reasons.append(_reason(each.instance.id, "start", late))
        if not offers:
            return _cut(reasons) or [message("ERROR", NOT_AVAILABLE, "no instance is known")]
        made = self._offer_set(request, task, plan, offers[: request.max_offers], now)
        return sets.save(self._records, made, now)

    def offer_set(self, uuid: str, owner: str) -> tuple[OfferSet, list[Session]]:
        """Return an offer set and its sessions.

        Raises:
            Unknown: there is none of this caller's.
            Expired: its time is over and none of it was accepted.
            StoreError: the store cannot be read.
        """
        offer_set, number = self._own(uuid, owner)
        if number != 0:
            raise Unknown
        now = self._clock.now()
        if offer_set.accepted is None and offer_set.expired(now):
            raise Expired
        task = self._task(offer_set)
        numbers = range(1, len(offer_set.offers) + 1)
        return offer_set, [Session(offer_set, each, phase_of(offer_set, each, task, now)) for each in numbers]

    def session(self, uuid: str, owner: str) -> Session:
        """Return a session. Raises as `offer_set` does, but for Expired."""
        offer_set, number = self._own(uuid, owner)
        if not 1 <= number <= len(offer_set.offers):
            raise Unknown
        return Session(offer_set, number, phase_of(offer_set, number, self._task(offer_set), self._clock.now()))

    def update(self, uuid: str, owner: str, wanted: Phase) -> Session:
        """Put a session into a phase; into the one it is in already, or has passed by, is no mistake.

        Raises:
            IllegalTransition: it cannot go there, or not any more.
            ChainError: a step of the chain failed that may not be skipped.
            Unknown, StoreError: as for `session`.
        """
        move = {Phase.ACCEPTED: self._accept, Phase.REJECTED: self._reject, Phase.CANCELLED: self._cancel}.get(wanted)
        if move is None:
            raise IllegalTransition(
                f"a client cannot put a session into {wanted}; ACCEPTED, REJECTED, CANCELLED can be"
            )
        for _ in range(_TRIES):
            with suppress(Conflict):  # somebody else changed the set: look again
                move(self.session(uuid, owner))
                return self.session(uuid, owner)
        raise IllegalTransition("the session is being changed by others; try again")

    def _accept(self, session: Session) -> None:
        offer_set, number = session.offer_set, session.number
        if offer_set.accepted == number and session.phase is not Phase.EXPIRED:
            self._submit(offer_set)
            return
        if session.phase is not Phase.OFFERED:
            raise IllegalTransition(f"the session is {session.phase} and cannot be accepted")
        self._still_offered(session)
        now = self._clock.now()
        if offer_set.expired(now):
            raise IllegalTransition("the session is EXPIRED and cannot be accepted")
        self._submit(sets.save(self._records, replace(offer_set, accepted=number), now))

    def _submit(self, offer_set: OfferSet) -> None:
        """Make the task of the accepted offer, pinned to its instance; once, whoever comes first and however often."""
        if offer_set.submitted:
            return
        now = self._clock.now()
        pinned = _pinned(offer_set, offer_set.accepted or 0)
        if not self._removal.was_removed(pinned.id):
            self._tasks.create(replace(pinned, created_at=now, due_at=now, enqueued_until=now + _FIRST_ENQUEUE))
            if not self._removal.again([pinned.id]):
                self._enqueue(pinned.id)
        with suppress(Conflict):  # then another acceptance of the same session has noted it
            sets.save(self._records, replace(offer_set, submitted=True), now)

    def _still_offered(self, session: Session) -> None:
        offer_set, instance = session.offer_set, session.offered.instance
        plan = self._planner.plan(_pinned(offer_set, session.number))
        for each in plan.offers:
            if each.instance.id == instance:
                late = _too_late(each, offer_set.latest_start, self._clock.now())
                if late is not None:
                    raise IllegalTransition(f"{instance}: {late}")
                return
        reason = plan.reasons.get(instance)
        raise IllegalTransition(f"{instance}: {reason.text if reason else 'is not known any more'}")

    def _reject(self, session: Session) -> None:
        if session.phase is Phase.REJECTED:
            return
        if session.phase is not Phase.OFFERED:
            raise IllegalTransition(f"the session is {session.phase} and cannot be rejected")
        offer_set = session.offer_set
        rejected = offer_set.rejected | {session.number}
        sets.save(self._records, replace(offer_set, rejected=rejected), self._clock.now())

    def _cancel(self, session: Session) -> None:
        if session.phase is Phase.CANCELLED:
            return
        if session.phase is Phase.ACCEPTED:
            self._submit(session.offer_set)  # so that there is a task to cancel
        elif session.phase not in (Phase.WAITING, Phase.PREPARING, Phase.RUNNING, Phase.RELEASING):
            raise IllegalTransition(f"the session is {session.phase} and cannot be cancelled")
        record = self._tasks.request_cancel(session.offer_set.task.id, self._clock.now())
        if record is not None and record.due_at is not None:
            self._enqueue(record.id)

    def _own(self, uuid: str, owner: str) -> tuple[OfferSet, int]:
        found = sets.split(uuid)
        offer_set = sets.load(self._records, found[0], self._clock.now()) if found else None
        # Somebody else's is as good as none.
        if found is None or offer_set is None or offer_set.owner != owner:
            raise Unknown
        return offer_set, found[1]

    def _task(self, offer_set: OfferSet) -> TaskRecord | None:
        return None if offer_set.accepted is None else self._tasks.get(offer_set.task.id, head=True)

    def _offer_set(
        self, request: ExecutionRequest, task: TaskRecord, plan: Plan, chosen: list[PlannedOffer], now: datetime
    ) -> OfferSet:
        kept = _without_wishes(task, request)
        document = json.loads(kept.document)
        executable = dict(request.executable)
        if executable.get("task") is not None:
            del executable["task"]  # it is the document
        messages = [indicative(), *request.remarks]
        if request.earliest_start is not None and request.earliest_start > now:
            text = "tasks start as soon as an instance takes them: the begin of the window is not waited for"
            messages.append(message("WARN", NOT_SUPPORTED, text))
        offers = tuple(
            Offered(
                each.instance.id,
                each.instance.base_url or "",
                ivoa.figures(each, plan, document, task.preference, self._currency, now),
            )
            for each in chosen
        )
        return OfferSet(
            id=sets.new_set_id(),
            created_at=now,
            expires_at=now + self._valid,
            executable=executable,
            task=kept,
            latest_start=request.latest_start,
            messages=tuple(messages),
            offers=offers,
        )


def _without_wishes(task: TaskRecord, request: ExecutionRequest) -> TaskRecord:
    """Return the task as the client wrote it: what stood elsewhere in the request is no tag of the task."""
    document: dict[str, Any] = json.loads(task.document)
    tags: Mapping[str, str] = request.task.get("tags", {})
    document.pop("tags", None)
    if tags:
        document["tags"] = dict(tags)
    entries = tuple(sorted(tag_entry(key, value) for key, value in tags.items()))
    return replace(task, document=json.dumps(document, separators=(",", ":")), tags=entries)


def _pinned(offer_set: OfferSet, number: int) -> TaskRecord:
    """Return the task of a session, for its instance alone."""
    choice = {"type": "allow", "instances": [offer_set.offers[number - 1].instance]}
    return replace(offer_set.task, preference={**offer_set.task.preference, "instances": choice})


def _too_late(offered: PlannedOffer, latest: datetime | None, now: datetime) -> str | None:
    """Say that the task would start too late; where the wait is not known nothing is said."""
    queue = offered.offer.estimate.queue_ms
    if latest is None:
        return None
    starts = now + timedelta(milliseconds=queue or 0)
    if starts <= latest:
        return None
    return f"would start at {write_instant(starts)}, wanted is {write_instant(latest)} at the latest"


def _reason(instance: str, code: str, text: str) -> Message:
    kind = _KINDS.get(code, NOT_AVAILABLE)
    return message("ERROR", kind, "{backend}: {reason}", backend=instance, reason=text)


def _cut(reasons: list[Message]) -> list[Message]:
    more = len(reasons) - _MOST_REASONS
    if more <= 0:
        return reasons
    return [*reasons[:_MOST_REASONS], message("INFO", NOT_AVAILABLE, "{count} more instances say no", count=str(more))]
