"""Ranker `distance`: the nearest to the data first."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from middleware.distances import kilometres, on_earth
from middleware.errors import NotApplicable
from middleware.kinds import Score
from middleware.naming import same_place
from middleware.types import Candidate, Context, Coordinates, DataObject, Estimate, Offer, TaskView

__all__ = ["create"]

_METRES = 1000
_NO_ESTIMATE = Estimate()
_NO_DATA = DataObject()

Place = tuple[Coordinates | None, str | None]
"""Coordinates of a replica, and the instance that has it beside it."""


class _Nearest(NamedTuple):
    """The nearest place of an input, for one candidate."""

    metres: int
    replica: int


def create() -> Score:
    """Make the ranker; it has no options.

    The score is the great-circle distance to the nearest replica of each input, weighted by the sizes of the inputs
    where all of them are known, else the plain mean; people see km. A replica that an instance has beside it is at
    distance 0. What is not known at one candidate is taken to be as far as at the worst one where it is; inputs that
    nothing is known of at any do not count. Ties go by URL. The nearest replicas are what is fetched, unless an earlier
    ranker made an estimate, which is kept.

    The ranker raises `NotApplicable` where no distance is known at all.
    """
    return Score(_rank)


def _rank(task: TaskView, candidates: Sequence[Candidate], context: Context) -> Sequence[Offer]:
    groups = _groups(task, context)
    found = {places: [_nearest(each, places) for each in candidates] for places in groups}
    worst = {places: max((each.metres for each in row if each), default=None) for places, row in found.items()}
    located = {places: inputs for places, inputs in groups.items() if worst[places] is not None}
    if not located:
        raise NotApplicable("no distance between an instance and an input is known")
    weights = _weights(task, context, located)
    total = sum(weights.values())
    offers: list[tuple[int, str, str, Offer]] = []
    for number, candidate in enumerate(candidates):
        score, imputed, replicas = 0, False, [-1] * len(task.inputs)
        for places, inputs in located.items():
            nearest = found[places][number]
            score += weights[places] * (nearest.metres if nearest else worst[places] or 0)
            imputed = imputed or nearest is None
            for index in inputs if nearest else ():
                replicas[index] = nearest.replica if nearest else -1
        earlier = context.offers.get(candidate.id)
        offer = Offer(
            candidate_id=candidate.id,
            score=score,
            score_unit=total * _METRES,
            estimate=earlier.estimate if earlier is not None else Estimate(replicas=tuple(replicas)),
            notes=("its distance to some inputs is not known: taken as that of the farthest",) if imputed else (),
        )
        offers.append((score, candidate.url, candidate.id, offer))
    return [offer for *_, offer in sorted(offers, key=lambda each: each[:3])]


def _groups(task: TaskView, context: Context) -> Mapping[tuple[Place, ...], list[int]]:
    """Return the inputs that are fetched by where they can be had: many usually lie together."""
    groups: dict[tuple[Place, ...], list[int]] = {}
    for index, item in enumerate(task.inputs):
        if item.content is None and item.url is not None:
            replicas = context.data.get(item.url, _NO_DATA).replicas
            groups.setdefault(tuple((each.coordinates, each.instance) for each in replicas), []).append(index)
    return groups


def _nearest(candidate: Candidate, places: tuple[Place, ...]) -> _Nearest | None:
    known: list[_Nearest] = []
    here = on_earth(candidate.coordinates)
    for index, (coordinates, instance) in enumerate(places):
        if same_place(instance, candidate.url):
            known.append(_Nearest(0, index))
        elif here is not None and (there := on_earth(coordinates)) is not None:
            known.append(_Nearest(round(kilometres(here, there) * _METRES), index))
    return min(known, default=None)


def _weights(
    task: TaskView, context: Context, located: Mapping[tuple[Place, ...], list[int]]
) -> Mapping[tuple[Place, ...], int]:
    sizes = {places: [_size(task, context, index) for index in inputs] for places, inputs in located.items()}
    known = all(size is not None for row in sizes.values() for size in row)
    bytes_of = {places: sum(size or 0 for size in row) for places, row in sizes.items()}
    if known and sum(bytes_of.values()) > 0:
        return bytes_of
    return {places: len(inputs) for places, inputs in located.items()}


def _size(task: TaskView, context: Context, index: int) -> int | None:
    item = task.inputs[index]
    if item.size_bytes is not None:
        return max(0, item.size_bytes)
    size = context.data.get(item.url or "", _NO_DATA).size_bytes
    return None if size is None else max(0, size)
