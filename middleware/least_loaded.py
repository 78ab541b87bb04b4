"""Ranker `least_loaded`: where the gateway has the fewest unfinished tasks for what the instance can hold."""

from collections.abc import Sequence

from middleware.kinds import Score
from middleware.options import integer_option
from middleware.random_order import shuffle_key
from middleware.types import Candidate, Context, Estimate, Offer, TaskView

__all__ = ["create"]

_UNIT = 1_000_000
_NO_ESTIMATE = Estimate()


def create(*, assumed_max_in_flight: object = 100) -> Score:
    """Make the ranker.

    The load is `in_flight / max_in_flight`, and the score is the load, in millionths. Equal loads are shuffled by the
    seed, so that idle instances share what comes. Estimates of an earlier ranker are kept.

    Args:
        assumed_max_in_flight: `max_in_flight` of instances that declare none.

    Raises:
        OptionError: It is not a whole number from 1 to 1,000,000.
    """
    assumed = integer_option("assumed_max_in_flight", assumed_max_in_flight, 1, 1_000_000)

    def rank(_task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer]:
        shuffled = sorted(candidates, key=lambda each: shuffle_key(context.seed, each.id))
        offers = []
        for each in shuffled:
            room = assumed if each.max_in_flight is None else each.max_in_flight
            # One that may hold none is full already.
            load = _UNIT * each.in_flight // room if room > 0 else _UNIT * (1 + each.in_flight)
            earlier = context.offers.get(each.id)
            estimate = earlier.estimate if earlier is not None else _NO_ESTIMATE
            note = () if each.max_in_flight is not None else (f"max_in_flight is not declared, taken as {assumed}",)
            offers.append(
                Offer(candidate_id=each.id, score=max(0, load), score_unit=_UNIT, estimate=estimate, notes=note)
            )
        return sorted(offers, key=lambda offer: offer.score or 0)

    return Score(rank)
