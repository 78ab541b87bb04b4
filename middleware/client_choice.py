"""`client_choice`: what the client says itself about instances, and which ones the task's profile allows.

The preference `instances` (tag `protes.instances`, DESIGN.md section 6) is one of: `order`, these first and in this
order, whatever the rankers say, the others after them; `allow`, only these; `forbid`, none of these.
"""

from collections.abc import Callable
from dataclasses import replace

from middleware.naming import named
from middleware.types import (
    Candidate,
    Context,
    Distribution,
    DistributionRequest,
    InstanceChoice,
    Middleware,
    Next,
    Offer,
    Reason,
    TraceEntry,
)

__all__ = ["create"]

_STEP = "client_choice"


def create() -> Middleware:
    """Make the middleware; it has no options.

    Instances are called by id or base URL, in any spelling. Rejections are permanent: neither the document nor the
    profile it came by changes. It belongs in front of the rankers: an order is made on the way out.
    """
    return _run


def _run(request: DistributionRequest, call_next: Next) -> Distribution:
    choice = request.preference.instances
    if choice is None and request.context.allowed_instances is None:
        return call_next(request)
    judge = _judge(request.context)
    rejected = {each.id: reason for each in request.candidates if (reason := judge(each)) is not None}
    trace = tuple(
        TraceEntry(step=_STEP, kind="raw", outcome="rejected", text=reason.text, candidate_id=name)
        for name, reason in rejected.items()
    )
    kept = tuple(each for each in request.candidates if each.id not in rejected)
    result = call_next(replace(request, candidates=kept))
    if choice is not None and choice.type == "order":
        result = replace(result, ranked=_ordered(result.ranked, request.candidates, choice))
    return result.after(trace, rejected)


def _judge(context: Context) -> Callable[[Candidate], Reason | None]:
    profile = named(context.allowed_instances) if context.allowed_instances is not None else None
    choice = context.preference.instances
    chosen = named(choice.instances) if choice is not None and choice.type in ("allow", "forbid") else None
    wanted = choice is not None and choice.type == "allow"
    text = "is not among the instances that the task allows" if wanted else "is forbidden by the task"

    def judge(candidate: Candidate) -> Reason | None:
        if profile is not None and not profile(candidate):
            return Reason(code="profile", text="is not among the instances of the task's profile", permanent=True)
        if chosen is not None and chosen(candidate) is not wanted:
            return Reason(code=_STEP, text=text, permanent=True)
        return None

    return judge


def _ordered(ranked: tuple[Offer, ...], candidates: tuple[Candidate, ...], choice: InstanceChoice) -> tuple[Offer, ...]:
    """Put the named ones in front, each at its first mention; the others keep their order."""
    by_id = {each.id: each for each in candidates}
    left, first = list(ranked), list[Offer]()
    for is_named in map(named, ([name] for name in choice.instances)):
        for offer in [each for each in left if each.candidate_id in by_id and is_named(by_id[each.candidate_id])]:
            left.remove(offer)
            note = f"number {len(first) + 1} in the task's own order"
            first.append(replace(offer, notes=(*offer.notes, note)))
    return (*first, *left)
