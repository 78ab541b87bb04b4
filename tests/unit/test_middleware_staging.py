"""Staging: the ends, and what happens when there are very many plans."""

import pytest

from middleware.staging import MOST_POINTS, Option, Sequential, stage, undominated


def test_nothing_to_move_takes_and_costs_nothing() -> None:
    for parallel in (True, False):
        found = stage([], [], parallel=parallel)
        assert (found.times, found.costs) == ([0], [0])
        assert found.positions(0) == ()


def test_of_equal_options_the_first_counts() -> None:
    assert undominated([Option(5, 5, 3), Option(5, 5, 1), Option(6, 5, 0)]) == [Option(5, 5, 3)]


def test_parallel_staging_waits_for_the_slowest_and_saves_on_the_others() -> None:
    small, large = [Option(1, 9, 0), Option(4, 2, 1)], [Option(5, 7, 0)]
    found = stage([small], large, parallel=True)
    assert (found.times, found.costs) == ([5], [9])
    assert found.positions(0) == (1,)


def test_sequential_staging_saves_where_it_costs_least_time() -> None:
    rows = [[Option(1, 10, 0), Option(2, 8, 1)], [Option(1, 10, 0), Option(2, 1, 1)]]
    found = stage(rows, [], parallel=False)
    assert list(zip(found.times, found.costs, strict=True)) == [(2, 20), (3, 11), (4, 9)]
    assert [found.positions(key) for key in range(3)] == [(0, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize("rows", [12, 20])
def test_very_many_plans_under_caps_are_thinned_but_keep_both_ends(rows: int) -> None:
    many = [[Option(1, 3**number, 0), Option(1 + 2**number, 0, 1)] for number in range(rows)]
    points = list(Sequential(many, 0, 0).front())
    assert len(points) <= MOST_POINTS
    assert points[0][:2] == (rows, sum(3**number for number in range(rows)))
    assert points[-1][:2] == (rows + sum(2**number for number in range(rows)), 0)
    assert len({point.key for point in points}) == len(points)
