"""`affinity`: keeps the tasks of a workflow at one instance while that costs little (DESIGN.md section 6).

The instance where a workflow has been so far has its data beside it and its images pulled, which no estimate sees.
"""

from dataclasses import replace
from fractions import Fraction

from middleware.naming import same_place
from middleware.options import decimal_option
from middleware.types import Distribution, DistributionRequest, Middleware, Next, Offer, TraceEntry

__all__ = ["create"]

_STEP = "affinity"


def create(*, tolerance: object = "0.10") -> Middleware:
    """Make the middleware; it belongs after the ranker.

    The instance with the URL `Context.affinity_url` moves to the first place if it remains and its score is at most
    `tolerance` above the best, in what scores show: relative excess over the ideal with `cost_runtime`, share of load
    with `least_loaded`, km with `distance`. Where the client gave a value of time, scores are money, and `tolerance` is
    a share of what the best costs with its time valued. Where nothing was scored, all are equally good and it moves.

    Args:
        tolerance: What the move may cost at most, from 0 to 1000.

    Raises:
        OptionError: It is not a number of that range.
    """
    bound = Fraction(decimal_option("tolerance", tolerance, "0", "1000"))

    def run(request: DistributionRequest, call_next: Next) -> Distribution:
        url = request.context.affinity_url
        home = next((each for each in request.candidates if same_place(each.url, url)), None)
        if home is None:
            return call_next(request)
        offers = {each.id: request.context.offers.get(each.id) for each in request.candidates}
        best, own = offers[request.candidates[0].id], offers[home.id] or Offer(candidate_id=home.id)
        if home is request.candidates[0]:
            text = "the workflow has been here, and it is the best one"
            moved = request
        elif _near(own, best, bound, valued=request.preference.value_of_time is not None):
            text = "moved to the first place: the workflow has been here"
            note = "first because the workflow has been here"
            others = tuple(each for each in request.candidates if each is not home)
            context = replace(
                request.context,
                offers={**request.context.offers, home.id: replace(own, notes=(*own.notes, note))},
            )
            moved = replace(request, candidates=(home, *others), context=context)
        else:
            text = "the workflow has been here, but another one is better by more than the tolerance"
            moved = request
        entry = TraceEntry(step=_STEP, kind="raw", outcome="passed", text=text, candidate_id=home.id)
        return call_next(moved).after((entry,))

    return run


def _near(own: Offer, best: Offer | None, bound: Fraction, *, valued: bool) -> bool:
    least = best.shown_score if best is not None else None
    shown = own.shown_score
    if least is None or shown is None:
        return least is None and shown is None
    return shown - least <= (bound * least if valued else bound)
