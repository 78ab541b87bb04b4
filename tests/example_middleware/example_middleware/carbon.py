"""A ranker: zones whose electricity emits the least come first."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from middleware import Candidate, Context, NotApplicable, Offer, OptionError, Score, TaskView


def create(*, grams_per_kwh: object) -> Score:
    """Make the ranker.

    Args:
        grams_per_kwh: Map of zones to grams of CO2 per kWh, whole numbers; the score is these grams.

    Raises:
        OptionError: It is no such map.
    """
    if not isinstance(grams_per_kwh, Mapping) or not all(
        isinstance(zone, str) and isinstance(grams, int) and grams >= 0 for zone, grams in grams_per_kwh.items()
    ):
        raise OptionError("grams_per_kwh", "a map of zones to whole numbers from 0")
    table = {zone.casefold(): grams for zone, grams in grams_per_kwh.items()}

    def rank(_task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer]:
        known = {each.id: table.get(each.zone.casefold()) if each.zone else None for each in candidates}
        if all(grams is None for grams in known.values()):
            raise NotApplicable("the emissions of no candidate's zone are known")
        offers = []
        for each in sorted(candidates, key=lambda each: each.url):  # equal scores go by URL, whatever came before
            earlier = context.offers.get(each.id) or Offer(candidate_id=each.id)
            offers.append(replace(earlier, score=known[each.id], score_unit=1))  # without a score: last
        return offers

    return Score(rank)
