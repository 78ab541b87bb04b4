"""View of the federation -> chain -> ranked offers and an explanation: for POST, dry runs and dispatch alike."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from middleware import (
    Candidate,
    Chain,
    ChainError,
    Context,
    Distribution,
    DistributionRequest,
    Offer,
    Reason,
    TaskView,
    TraceEntry,
)
from protes.clock import Clock
from protes.config.settings import Settings
from protes.federation.brought import Gathered
from protes.federation.federation import Federation
from protes.federation.known import FederationView, KnownInstance
from protes.federation.naming import is_named
from protes.learning.learning import Learning
from protes.planning import convert, explain, surroundings
from protes.planning.affinity import Affinities
from protes.planning.candidates import Candidates
from protes.planning.consent import Consents
from protes.planning.standing import standing_of
from protes.sources.sources import Sources
from protes.store.protocols import Records
from protes.store.records import TaskRecord

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
        task: the task as middleware saw it.
        context: what middleware was told besides.
        complete: every instance that the task may go to is known: what is impossible now is impossible for good.
    """

    offers: tuple[PlannedOffer, ...]
    reasons: Mapping[str, Reason]
    distribution: Distribution
    view: FederationView
    task: TaskView
    context: Context
    complete: bool

    def waiting_for(self) -> str:
        """Say in a line what stands in the way."""
        if not self.reasons and not self.offers:
            return "none is known"
        return explain.waiting(self.reasons) or "all are busy"

    def steps(self) -> tuple[TraceEntry, ...]:
        """Return what each step did as a whole."""
        return tuple(entry for entry in self.distribution.trace if entry.candidate_id is None)

    def never_more(self) -> bool:
        """Tell whether what stands in the way is there for good."""
        if self.offers or not self.reasons or not self.complete:
            return False
        return all(reason.permanent for reason in self.reasons.values())


class Planner:
    """Makes plans; keeps their explanations."""

    def __init__(
        self,
        settings: Settings,
        chains: Mapping[str | None, Chain],
        federation: Federation,
        sources: Sources,
        learning: Learning,
        records: Records,
        clock: Clock,
    ) -> None:
        """Plan with the chain of each profile; that of None is everybody else's."""
        self._settings = settings
        self._chains = chains
        self._federation = federation
        self._sources = sources
        self._learning = learning
        self._records = records
        self._clock = clock
        self.consents = Consents(records, clock)
        self._affinities = Affinities(settings.planning, records, clock)
        self._network = surroundings.network(settings.network, settings.currency)
        self._shown = Candidates()
        self._turns = count()

    def plan(self, record: TaskRecord, *, ask: bool = True, arriving: bool = False) -> Plan:
        """Rank the instances that may run the task now.

        Args:
            record: the task.
            ask: whether data servers and instances may be asked about it, within `sources.wait_seconds`; without, what
                is known already must do.
            arriving: whether the task is being submitted, and not waiting.

        Raises:
            ChainError: a step of the chain failed that may not be skipped.
        """
        view = self._federation.view()
        task = convert.task_view(record.id, json.loads(record.document))
        consent = self.consents.of(record.owner)
        brought = self._brought(record, ask)
        standing = standing_of(record, view, brought, self._settings.profiles, consent, arriving=arriving)
        out, asked = standing.reasons, standing.asked
        context = self._context(record, task, ask)
        request = DistributionRequest(
            task=task,
            candidates=self._candidates(tuple(asked.values()), task, context, ask),
            context=context,
            attempt=record.attempts[-1].n + 1 if record.attempts else 1,
        )
        distribution = self._chain(record).distribute(request)
        offers = tuple(
            PlannedOffer(asked[offer.candidate_id], offer, rank)
            for rank, offer in enumerate(distribution.ranked, start=1)
        )
        reasons = dict(sorted({**out, **distribution.rejected}.items()))
        return Plan(offers, reasons, distribution, view, task, context, standing.complete)

    def is_allowed(self, record: TaskRecord, instance: KnownInstance) -> bool:
        """Tell whether a task's owner allows an instance at this very moment. Raises StoreError."""
        consent = self.consents.of(record.owner)
        return consent is None or consent.allows(instance)

    def may_go(self, record: TaskRecord) -> Callable[[KnownInstance], bool]:
        """Return what tells whether a task's owner, and the task's own choice, let it go to an instance now.

        Raises:
            StoreError: what the owner allows cannot be read.
        """
        consent, choice = self.consents.of(record.owner), record.preference.get("instances")

        def may(instance: KnownInstance) -> bool:
            if consent is not None and not consent.allows(instance):
                return False
            if choice is None or choice["type"] == "order":
                return True
            return is_named(instance, choice["instances"]) is (choice["type"] == "allow")

        return may

    def look_again(self) -> None:
        """Have the next plan made from the instances as they are by then."""
        self._federation.forget_view()

    def document_for(self, record: TaskRecord, plan: Plan, chosen: PlannedOffer) -> dict[str, Any]:
        """Return the task as the chain's rewrites want it forwarded to the chosen instance.

        Raises:
            ChainError: a rewrite failed that may not be skipped.
        """
        candidate = self._shown.of(chosen.instance)
        offers = {candidate.id: chosen.offer}
        context = replace(plan.context, offers=offers, access=self._sources, signers=self._sources.signers)
        rewritten = self._chain(record).rewrite(plan.task, candidate, context).task
        if rewritten == plan.task:
            return json.loads(record.document)  # type: ignore[no-any-return]
        return convert.document(rewritten)

    def placed(self, record: TaskRecord, plan: Plan, chosen: PlannedOffer) -> None:
        """Remember where a task went, for those that belong to it."""
        candidates = frozenset(each.instance.base_url or "" for each in plan.offers)
        self._affinities.remember(record, plan.task, chosen.instance.base_url or "", candidates)

    def impossible(self, record: TaskRecord) -> list[str]:
        """Say why no instance can ever run the task; nothing where one may, now or later. Nobody is asked."""
        if not self._federation.view().complete:
            return []
        try:
            plan = self.plan(record, ask=False, arriving=True)
        except ChainError:
            return []  # logged where it was raised; the task waits for the operator to mend the chain
        if not plan.never_more():
            return []
        return [f"{name}: {reason.text}" for name, reason in plan.reasons.items()]

    def metadata(self, record: TaskRecord, plan: Plan, chosen: PlannedOffer) -> dict[str, str]:
        """Return what the views add to `logs[].metadata` of a task that is sent to this instance."""
        return explain.metadata(record, plan, chosen, self._settings.currency)

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
                return self._explained(record, self.plan(record, ask=False))
        return explain.without_plan(record)

    def _explained(self, record: TaskRecord, plan: Plan) -> dict[str, Any]:
        most = self._settings.planning.show_candidates
        return explain.explanation(record, plan, self._settings.currency, most, self._clock.now())

    def _brought(self, record: TaskRecord, ask: bool) -> Gathered | None:
        """Return the instances that a task brings along, None where it brings none."""
        tes_urls = record.preference.get("tes_urls", ())
        registry_urls = record.preference.get("service_registry_urls", ())
        if not tes_urls and not registry_urls:
            return None
        return self._federation.brought(tes_urls, registry_urls, ask=ask)

    def _chain(self, record: TaskRecord) -> Chain:
        return self._chains.get(record.preference.get("profile"), self._chains[None])

    def _candidates(
        self, instances: tuple[KnownInstance, ...], task: TaskView, context: Context, ask: bool
    ) -> tuple[Candidate, ...]:
        """Show instances to middleware, with what was learned of them and what they say themselves of this task."""
        runtime = context.preference.runtime_seconds or (context.runtime.value if context.runtime else None)
        reported = self._sources.reported(instances, task, runtime, ask)
        return tuple(
            self._shown.of(
                each,
                self._learning.figures(
                    each.base_url or "",
                    each.settings.speed,
                    each.settings.queue_seconds,
                    each.in_flight,
                    each.queued,
                    task,
                ),
                reported.get(each.base_url or ""),
            )
            for each in instances
        )

    def _context(self, record: TaskRecord, task: TaskView, ask: bool) -> Context:
        settings, stored = self._settings, record.preference
        profile = settings.profiles.get(stored.get("profile", ""))
        facts = (self._sources.gather if ask else self._sources.known)(task, record.audience)
        rules = profile.data_rules if profile is not None and profile.data_rules is not None else settings.data_rules
        allowed = profile.instances if profile is not None else None
        return Context(
            seed=record.id,
            preference=convert.preference(stored),
            currency=settings.currency,
            rates=surroundings.fresh_rates(settings.rates, self._clock.now()),
            network=self._network,
            data=facts.data,
            zones=facts.zones,
            runtime=self._learning.runtime(task, record.audience),
            output_bytes=self._learning.output_bytes(task, record.audience),
            owner=record.owner,
            groups=frozenset(stored.get("groups", ())),
            token_kinds=frozenset(stored.get("token_kinds", ())),
            has_token=convert.has_token(stored, self._clock.now()),
            allowed_instances=frozenset(allowed) if allowed is not None else None,
            data_rules=surroundings.data_rules(rules),
            affinity_url=self._affinities.url_for(record, task),
            turn=next(self._turns),
        )
