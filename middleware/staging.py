"""Choosing a replica for each input without enumerating their combinations (ESTIMATES.md, "Choosing").

What a choice of replicas comes to is a point: how long all inputs take to come in, and what that costs. Only points
that no other one beats are of use. In parallel staging the time is the longest of the inputs', so there is one such
point per deadline at most: sweeping through the deadlines, each input takes the cheapest replica within. In sequential
staging the times add up, and what is best for some weight lies on the lower convex hull, which is the sum of the
inputs' own hulls: their edges, steepest first.

Both are exact for any weight and price of staging. No choice contains a replica that another one beats in time or cost
without being worse in the other; of replicas equal in both, the first one counts.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cmp_to_key
from itertools import pairwise
from typing import NamedTuple

__all__ = ["MOST_POINTS", "Option", "Parallel", "Point", "Sequential", "Stage", "hull_of", "stage", "undominated"]

MOST_POINTS = 1000
"""Sequential staging under caps keeps so many points; exact up to there, thinned out beyond."""


class Option(NamedTuple):
    """One way to bring an input in."""

    time: int
    cost: int
    replica: int
    """Index of the replica; -1 where there is none to choose."""


class Point(NamedTuple):
    """What a choice of replicas comes to."""

    time: int
    cost: int
    key: int
    """Names the choice, for `positions`."""


def undominated(options: Sequence[Option]) -> list[Option]:
    """Return the options that no other one beats, fastest and so dearest first."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda each: each[:2]):
        if not kept or option.cost < kept[-1].cost:
            kept.append(option)
    return kept


def hull_of(times: Sequence[int], costs: Sequence[int]) -> list[int]:
    """Return the indices of the lower convex hull's corners; times ascend and costs descend, both strictly."""
    hull: list[int] = []
    for index, (time, cost) in enumerate(zip(times, costs, strict=True)):
        while len(hull) > 1:
            before, last = hull[-2], hull[-1]
            if (costs[last] - costs[before]) * (time - times[before]) < (cost - costs[before]) * (
                times[last] - times[before]
            ):
                break
            hull.pop()
        hull.append(index)
    return hull


class Parallel:
    """Inputs that come in all at once: all points, by time."""

    __slots__ = ("_rows", "costs", "hull", "times")

    def __init__(self, rows: Sequence[Sequence[Option]], longest: int, cost: int) -> None:
        """Sweep through the deadlines.

        Args:
            rows: For each input with a choice, its undominated options.
            longest: The longest time of the inputs without a choice.
            cost: What these cost.
        """
        self._rows = [([each.time for each in row], row) for row in rows]
        first = max((row[0].time for row in rows), default=longest)
        first = max(first, longest)
        steps: list[tuple[int, int]] = []
        for times, row in self._rows:
            place = bisect_right(times, first) - 1
            cost += row[place].cost
            steps += [(row[later].time, row[later - 1].cost - row[later].cost) for later in range(place + 1, len(row))]
        self.times, self.costs = [first], [cost]
        for time, less in sorted(steps):
            cost -= less
            if time == self.times[-1]:
                self.costs[-1] = cost
            else:
                self.times.append(time)
                self.costs.append(cost)
        self.hull: Sequence[int] = hull_of(self.times, self.costs)

    def front(self) -> Iterator[Point]:
        """Yield all points that no other one beats, fastest first."""
        return map(Point._make, zip(self.times, self.costs, range(len(self.times)), strict=True))

    def positions(self, key: int) -> tuple[int, ...]:
        """Return which option each row takes at a point."""
        deadline = self.times[key]
        return tuple(bisect_right(times, deadline) - 1 for times, _ in self._rows)


class Sequential:
    """Inputs that come in one after another: the corners of the hull, by time."""

    __slots__ = ("_combined", "_edges", "_fixed", "_front", "_rows", "costs", "hull", "times")

    def __init__(self, rows: Sequence[Sequence[Option]], time: int, cost: int) -> None:
        """Add up the hulls of the inputs.

        Args:
            rows: For each input with a choice, its undominated options.
            time: What the inputs without a choice take.
            cost: What these cost.
        """
        self._rows, self._fixed = rows, (time, cost)
        self._front: list[Point] | None = None
        self._combined: list[tuple[int, ...]] = []
        edges = [edge for number, row in enumerate(rows) for edge in _edges(number, row)]
        # Steepest first; each row's own edges come in their order, since its hull is convex.
        edges.sort(key=_STEEPNESS)
        self.times = [time + sum(row[0].time for row in rows)]
        self.costs = [cost + sum(row[0].cost for row in rows)]
        self._edges: list[list[_Edge]] = []
        for edge in edges:
            last = self._edges[-1][0] if self._edges else None
            if last is not None and last.cost * edge.time == edge.cost * last.time:
                self._edges[-1].append(edge)
                self.times[-1] += edge.time
                self.costs[-1] += edge.cost
            else:
                self._edges.append([edge])
                self.times.append(self.times[-1] + edge.time)
                self.costs.append(self.costs[-1] + edge.cost)
        self.hull: Sequence[int] = range(len(self.times))

    def front(self) -> Iterator[Point]:
        """Yield the points that no other one beats, fastest first; beyond `MOST_POINTS` not all of them."""
        if self._front is None:
            sums = _combined(self._rows, self._fixed)
            self._combined = [each.places for each in sums]
            keys = range(len(self.times), len(self.times) + len(sums))
            self._front = [Point(each.time, each.cost, key) for each, key in zip(sums, keys, strict=True)]
        return iter(self._front)

    def positions(self, key: int) -> tuple[int, ...]:
        """Return which option each row takes at a point."""
        if key >= len(self.times):
            return self._combined[key - len(self.times)]
        places = [0] * len(self._rows)
        for edge in (each for edges in self._edges[:key] for each in edges):
            places[edge.row] = edge.place
        return tuple(places)


Stage = Parallel | Sequential


def stage(rows: Sequence[Sequence[Option]], fixed: Sequence[Option], *, parallel: bool) -> Stage:
    """Find the useful points of inputs with a choice (`rows`, undominated options each) and of those without."""
    cost = sum(each.cost for each in fixed)
    if parallel:
        return Parallel(rows, max((each.time for each in fixed), default=0), cost)
    return Sequential(rows, sum(each.time for each in fixed), cost)


class _Edge(NamedTuple):
    """A step of one input to the next corner of its hull: more time, less cost."""

    time: int
    cost: int
    row: int
    place: int


def _edges(number: int, row: Sequence[Option]) -> Iterator[_Edge]:
    corners = hull_of([each.time for each in row], [each.cost for each in row])
    for before, after in pairwise(corners):
        yield _Edge(row[after].time - row[before].time, row[after].cost - row[before].cost, number, after)


def _steeper(one: _Edge, other: _Edge) -> int:
    return one.cost * other.time - other.cost * one.time


_STEEPNESS = cmp_to_key(_steeper)


class _Sum(NamedTuple):
    """Some inputs' options put together."""

    time: int
    cost: int
    places: tuple[int, ...]


def _combined(rows: Sequence[Sequence[Option]], fixed: tuple[int, int]) -> list[_Sum]:
    """Return all sums of one option per input that no other one beats, thinned where they are too many."""
    sums = [_Sum(*fixed, ())]
    for row in rows:
        longer = sorted(
            _Sum(each.time + option.time, each.cost + option.cost, (*each.places, place))
            for each in sums
            for place, option in enumerate(row)
        )
        sums = []
        for one in longer:
            if not sums or one.cost < sums[-1].cost:
                sums.append(one)
        if len(sums) > MOST_POINTS:
            last = len(sums) - 1
            sums = [sums[number * last // (MOST_POINTS - 1)] for number in range(MOST_POINTS)]
    return sums
