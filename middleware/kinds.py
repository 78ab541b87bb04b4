"""The kinds of middleware, and how the simple ones are lifted to the raw callable.

A factory returns one of `Filter`, `Score`, `Rewrite`, or a raw callable `(request, call_next) -> Distribution`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from middleware.errors import LawBroken
from middleware.types import (
    Candidate,
    Context,
    Distribution,
    DistributionRequest,
    Kind,
    Middleware,
    Next,
    Offer,
    Provides,
    Reason,
    TaskView,
    TraceEntry,
)

__all__ = ["AnyMiddleware", "Filter", "Judge", "Refused", "Rewrite", "Score", "kind_of", "lift"]

Judge = Callable[[Candidate], Reason | None]
"""Judges the candidates of one task."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Takes candidates out: `check` returns the reason, or None where the candidate may stay."""

    check: Callable[[TaskView, Candidate, Context], Reason | None]
    prepare: Callable[[TaskView, Context], Judge] | None = None
    """Where given, called once per task in place of `check`: works out what is the same for all candidates."""

    @classmethod
    def prepared(cls, prepare: Callable[[TaskView, Context], Judge]) -> "Filter":
        """Make a filter of a function that returns, for one task, the function that judges candidates."""
        return cls(lambda task, candidate, context: prepare(task, context)(candidate), prepare)


@dataclass(frozen=True, slots=True)
class Refused:
    """What a ranker returns in place of an offer for a candidate that none of its plans fits."""

    candidate_id: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Score:
    """Puts candidates in order: `rank` returns one offer per candidate, or that it is refused.

    Offers are ordered by `score`, smallest first; the sequence decides between equal scores and among offers without
    one, which come last. Candidates arrive in the order of earlier rankers, by URL where there was none, so that what
    is returned never depends on the order in which instances became known.
    """

    rank: Callable[[TaskView, Sequence[Candidate], Context], Sequence[Offer | Refused]]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Changes the forwarded copy of a task for the chosen candidate, just before it is sent.

    `provides` says what it can mend, which filters then do not insist on.
    """

    apply: Callable[[TaskView, Candidate, Context], TaskView]
    provides: Provides = field(default_factory=Provides)


AnyMiddleware = Filter | Score | Rewrite | Middleware


def kind_of(middleware: AnyMiddleware) -> Kind:
    """Tell the kind of a middleware."""
    if isinstance(middleware, Filter):
        return "filter"
    if isinstance(middleware, Score):
        return "score"
    return "rewrite" if isinstance(middleware, Rewrite) else "raw"


def lift(name: str, middleware: AnyMiddleware) -> Middleware:
    """Make a raw callable of any kind that takes part in choosing.

    Raises:
        TypeError: It is a rewrite, which takes no part.
    """
    if isinstance(middleware, Filter):
        return _lift_filter(name, middleware)
    if isinstance(middleware, Score):
        return _lift_score(name, middleware)
    if isinstance(middleware, Rewrite):
        raise TypeError("a rewrite takes no part in choosing")
    return middleware


def _lift_filter(name: str, middleware: Filter) -> Middleware:
    def judge_of(task: TaskView, context: Context) -> Judge:
        if middleware.prepare is not None:
            return middleware.prepare(task, context)
        return lambda candidate: middleware.check(task, candidate, context)

    def run(request: DistributionRequest, call_next: Next) -> Distribution:
        kept: list[Candidate] = []
        rejected: dict[str, Reason] = {}
        trace: list[TraceEntry] = []
        judge = judge_of(request.task, request.context)
        for candidate in request.candidates:
            reason = judge(candidate)
            if reason is None:
                kept.append(candidate)
                continue
            if not isinstance(reason, Reason):
                raise LawBroken("a filter returns a Reason or None")
            rejected[candidate.id] = reason
            trace.append(
                TraceEntry(step=name, kind="filter", outcome="rejected", text=reason.text, candidate_id=candidate.id)
            )
        kept_text = f"kept {len(kept)} of {len(request.candidates)}"
        summary = TraceEntry(step=name, kind="filter", outcome="passed", text=kept_text)
        return call_next(replace(request, candidates=tuple(kept))).after((summary, *trace), rejected)

    return run


def _lift_score(name: str, middleware: Score) -> Middleware:
    def run(request: DistributionRequest, call_next: Next) -> Distribution:
        if not request.candidates:
            return call_next(request)
        by_id = {candidate.id: candidate for candidate in request.candidates}
        verdicts = middleware.rank(request.task, request.candidates, request.context)
        offers = sorted((each for each in verdicts if isinstance(each, Offer)), key=_order)
        refused = {each.candidate_id: each.reason for each in verdicts if isinstance(each, Refused)}
        ids = {offer.candidate_id for offer in offers} | refused.keys()
        if len(verdicts) != len(ids) or ids != by_id.keys() or len(offers) + len(refused) != len(verdicts):
            raise LawBroken("a ranker returns one offer for each candidate, or a refusal, and for no other")
        ranked = replace(
            request,
            candidates=tuple(by_id[offer.candidate_id] for offer in offers),
            context=replace(request.context, offers={offer.candidate_id: offer for offer in offers}),
        )
        entries = [TraceEntry(step=name, kind="score", outcome="passed", text=f"ranked {len(offers)}")]
        entries += [
            TraceEntry(step=name, kind="score", outcome="rejected", text=reason.text, candidate_id=candidate_id)
            for candidate_id, reason in sorted(refused.items())
        ]
        return call_next(ranked).after(tuple(entries), refused)

    return run


def _order(offer: Offer) -> tuple[bool, int]:
    return (offer.score is None, offer.score or 0)
