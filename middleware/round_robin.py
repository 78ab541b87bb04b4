"""Ranker `round_robin`: each instance in its turn."""

from collections.abc import Sequence

from middleware.kinds import Score
from middleware.types import Candidate, Context, Estimate, Offer, TaskView

__all__ = ["create"]

_NO_ESTIMATE = Estimate()


def create() -> Score:
    """Make the ranker; it has no options.

    Candidates stand in a circle in the order of their URLs; `Context.turn` says where it starts. The score is the
    distance from there, so that a turn that fails goes to the next in line. Estimates of an earlier ranker are kept.
    """
    return Score(_rank)


def _rank(_task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer]:
    circle = sorted(candidates, key=lambda each: (each.url, each.id))
    offers = []
    for place in range(len(circle)):
        candidate = circle[(context.turn + place) % len(circle)]
        earlier = context.offers.get(candidate.id)
        estimate = earlier.estimate if earlier is not None else _NO_ESTIMATE
        offers.append(Offer(candidate_id=candidate.id, score=place, estimate=estimate))
    return offers
