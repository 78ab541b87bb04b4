"""View of the federation -> chain -> ranked offers and an explanation: for POST, dry runs and dispatch alike."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from middleware import Candidate, Chain, ChainError, Context, Distribution, DistributionRequest, Offer, Reason
from protes.clock import Clock
from protes.federation.federation import Federation
from protes.federation.known import FederationView, KnownInstance
from protes.planning import convert, explain
from protes.store.protocols import Records
from protes.store.records import TaskRecord
from protes.tes.dialects.table import dialect_named

ROUTING_KIND = "routing"


@dataclass(frozen=True, slots=True)
class PlannedOffer:
    """An instance that would run the task.

    Attributes:
        instance: the instance.
        offer: its offer, as ranked by the chain.
        rank: its place, from 1.
    """

    instance: KnownInstance
    offer: Offer
    rank: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the chain says of a task now.

    Attributes:
        offers: best first.
        reasons: why each other instance is out, by instance id.
        distribution: the chain's own answer, with its trace.
        view: the federation it was made from.
    """

    offers: tuple[PlannedOffer, ...]
    reasons: Mapping[str, Reason]
    distribution: Distribution
    view: FederationView

    def waiting_for(self) -> str:
        """Say in a line what stands in the way."""
        if not self.view.instances:
            return "none is known"
        return "; ".join(f"{name}: {reason.text}" for name, reason in self.reasons.items()) or "all are busy"


class Planner:
    """Makes plans; keeps their explanations."""

    def __init__(self, chain: Chain, federation: Federation, records: Records, clock: Clock, currency: str) -> None:
        """Plan with `chain`, reckoning in `currency`."""
        self._chain = chain
        self._federation = federation
        self._records = records
        self._clock = clock
        self._currency = currency

    def plan(self, record: TaskRecord) -> Plan:
        """Rank the instances that may run the task now; no I/O.

        Raises:
            ChainError: a step of the chain failed that may not be skipped.
        """
        view = self._federation.view()
        out = self._not_asked(record, view)
        asked = {each.id: each for each in view.instances if each.id not in out}
        request = DistributionRequest(
            task=convert.task_view(record.id, json.loads(record.document)),
            candidates=tuple(_candidate(each) for each in asked.values()),
            context=self._context(record),
            attempt=record.attempts[-1].n + 1 if record.attempts else 1,
        )
        distribution = self._chain.distribute(request)
        offers = tuple(
            PlannedOffer(asked[offer.candidate_id], offer, rank)
            for rank, offer in enumerate(distribution.ranked, start=1)
        )
        reasons = dict(sorted({**out, **distribution.rejected}.items()))
        return Plan(offers, reasons, distribution, view)

    def document_for(self, record: TaskRecord, offer: PlannedOffer) -> dict[str, Any]:
        """Return the task as the chain's rewrites want it forwarded to the chosen instance.

        Raises:
            ChainError: a rewrite failed that may not be skipped.
        """
        document: dict[str, Any] = json.loads(record.document)
        view = convert.task_view(record.id, document)
        rewritten = self._chain.rewrite(view, _candidate(offer.instance), self._context(record)).task
        return document if rewritten == view else convert.document(rewritten)

    def impossible(self, record: TaskRecord) -> list[str]:
        """Say why no instance can ever run the task; nothing where one may, now or later."""
        view = self._federation.view()
        if not view.instances or not view.complete:
            return []
        try:
            plan = self.plan(record)
        except ChainError:
            return []  # logged where it was raised; the task waits for the operator to mend the chain
        if not self.never_more(plan):
            return []
        return [f"{name}: {reason.text}" for name, reason in plan.reasons.items()]

    def never_more(self, plan: Plan) -> bool:
        """Tell whether what stands in the way is there for good."""
        if plan.offers or not plan.reasons or not plan.view.complete:
            return False
        return all(reason.permanent for reason in plan.reasons.values())

    def metadata(self, record: TaskRecord, planned: PlannedOffer) -> dict[str, str]:
        """Return what the views add to `logs[].metadata` of a task that is sent to this instance."""
        return explain.metadata(record, planned.instance, planned.offer, self._currency)

    def keep(self, record: TaskRecord, plan: Plan) -> None:
        """Store the explanation of a choice."""
        self._records.put(ROUTING_KIND, record.id, self._explained(record, plan), self._clock.now())

    def explanation(self, record: TaskRecord) -> Mapping[str, Any]:
        """Return the stored explanation of a task; before its first choice, how things stand for it now."""
        stored = self._records.get(ROUTING_KIND, record.id, self._clock.now())
        if stored is not None:
            return stored.value
        if not record.state.finished:
            with suppress(ChainError):  # logged where it was raised
                return self._explained(record, self.plan(record))
        return explain.explanation(record, (), {}, (), self._currency)

    def _explained(self, record: TaskRecord, plan: Plan) -> dict[str, Any]:
        return explain.explanation(record, plan.offers, plan.reasons, plan.distribution.trace, self._currency)

    def _context(self, record: TaskRecord) -> Context:
        preference = convert.preference(record.preference)
        return Context(seed=record.id, preference=preference, currency=self._currency)

    def _not_asked(self, record: TaskRecord, view: FederationView) -> dict[str, Reason]:
        """Instances that are no candidates: not found yet, or they refused this very task before."""
        refused = {attempt.instance_url: attempt.message or "" for attempt in record.attempts if attempt.refused}
        reasons: dict[str, Reason] = {}
        for each in view.instances:
            if each.base_url is None:
                why = f"is unreachable: {each.probed.error}" if each.probed else "has not been probed yet"
                reasons[each.id] = Reason(code=each.status, text=why, permanent=False)
            elif each.base_url in refused:
                text = f"refused the task: {refused[each.base_url]}"
                reasons[each.id] = Reason(code="refused", text=text, permanent=True)
        return reasons


def _candidate(instance: KnownInstance) -> Candidate:
    return convert.candidate(instance, dialect_named(instance.dialect or "unknown"))
