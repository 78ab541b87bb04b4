"""Choosing replicas without enumeration, against enumeration (ESTIMATES.md, "Choosing")."""

from bisect import bisect_right
from itertools import product
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from middleware.staging import Option, Stage, hull_of, stage, undominated

AMOUNT = st.integers(0, 6) | st.integers(0, 10**9)
ROW = st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=4).map(
    lambda pairs: [Option(time, cost, number) for number, (time, cost) in enumerate(pairs)]
)
ROWS = st.lists(ROW, max_size=4)
PRICES = st.integers(0, 5) | st.integers(0, 10**6)
QUICK = settings(deadline=None, max_examples=150)


def staged(rows: list[list[Option]], *, parallel: bool) -> tuple[Stage, list[list[Option]], list[Option]]:
    useful = [undominated(row) for row in rows]
    choices, fixed = [row for row in useful if len(row) > 1], [row[0] for row in useful if len(row) == 1]
    return stage(choices, fixed, parallel=parallel), choices, fixed


def every(rows: list[list[Option]], *, parallel: bool) -> set[tuple[int, int]]:
    """Return time and cost of every combination."""
    return {
        (
            max((each.time for each in chosen), default=0) if parallel else sum(each.time for each in chosen),
            sum(each.cost for each in chosen),
        )
        for chosen in product(*rows)
    }


def front(points: set[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for time, cost in sorted(points):
        if not kept or cost < kept[-1][1]:
            kept.append((time, cost))
    return kept


@QUICK
@given(ROWS, st.booleans())
def test_the_front_is_that_of_all_combinations(rows: list[list[Option]], parallel: bool) -> None:
    found, _, _ = staged(rows, parallel=parallel)
    assert [(point.time, point.cost) for point in found.front()] == front(every(rows, parallel=parallel))


@QUICK
@given(ROWS, st.booleans(), PRICES, PRICES)
def test_the_hull_has_the_best_for_every_price(
    rows: list[list[Option]], parallel: bool, per_time: int, per_cost: int
) -> None:
    found, _, _ = staged(rows, parallel=parallel)
    ours = min(per_time * found.times[at] + per_cost * found.costs[at] for at in found.hull)
    assert ours == min(per_time * time + per_cost * cost for time, cost in every(rows, parallel=parallel))
    steps = [(found.times[at], found.costs[at]) for at in found.hull]
    assert steps == sorted(set(steps))
    assert [cost for _, cost in steps] == sorted({cost for _, cost in steps}, reverse=True)


@QUICK
@given(ROWS, st.booleans())
def test_the_positions_are_those_of_the_point(rows: list[list[Option]], parallel: bool) -> None:
    found, choices, fixed = staged(rows, parallel=parallel)
    points = [(found.times[at], found.costs[at], at) for at in found.hull]
    for time, cost, key in [*points, *found.front()]:
        chosen = [row[at] for row, at in zip(choices, found.positions(key), strict=True)] + fixed
        times = [each.time for each in chosen]
        assert sum(each.cost for each in chosen) == cost
        assert (max(times, default=0) if parallel else sum(times)) == time


@QUICK
@given(st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=8))
def test_a_hull_lies_below_its_points_and_turns_at_each_corner(pairs: list[tuple[int, int]]) -> None:
    points = front(set(pairs))
    times, costs = [time for time, _ in points], [cost for _, cost in points]
    hull = hull_of(times, costs)
    assert hull[0] == 0
    assert hull[-1] == len(points) - 1
    for index, (time, cost) in enumerate(points):
        if index in hull:
            continue
        after = bisect_right(hull, index)
        left, right = hull[after - 1], hull[after]
        on_line = costs[left] * (times[right] - times[left]) + (costs[right] - costs[left]) * (time - times[left])
        assert cost * (times[right] - times[left]) >= on_line


@QUICK
@given(ROW, st.randoms(use_true_random=False))
def test_undominated_options_do_not_depend_on_their_order(row: list[Option], random: Random) -> None:
    turned = list(row)
    random.shuffle(turned)
    assert [each[:2] for each in undominated(turned)] == [each[:2] for each in undominated(row)]
