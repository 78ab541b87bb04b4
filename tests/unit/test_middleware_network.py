"""The network's rules: which one counts, defaults, distances, money, and absurd figures."""

from decimal import Decimal
from decimal import localcontext as decimal_context
from fractions import Fraction

import pytest

from middleware import Network, Route
from middleware.distances import kilometres, on_earth
from middleware.figures import EXACT
from middleware.grid import GRAINS_PER_BYTE, GRAINS_PER_UNIT
from middleware.tariffs import Link, Tariffs, tariffs_of

GB = 10**9


def link(source: str | None, target: str | None, *routes: Route, **fields: object) -> Link:
    with decimal_context(EXACT):
        return Tariffs(Network(routes=routes, **fields), None).between(source, target)  # type: ignore[arg-type]


def egress(found: Link) -> Fraction:
    return Fraction(found.byte * GB, GRAINS_PER_UNIT)


def speed(found: Link) -> Fraction:
    return Fraction(found.pace.denominator * GB, found.pace.numerator)


def priced(source: str, target: str, price: str) -> Route:
    return Route(source=source, target=target, egress_gb=Decimal(price))


@pytest.mark.parametrize(
    ("source", "target", "price"),
    [("a:1", "b:1", "0.09"), ("a:1", "a:1", "0"), (None, "a:1", "0.12"), ("a:1", None, "0.12"), (None, None, "0.12")],
)
def test_without_rules(source: str | None, target: str | None, price: str) -> None:
    found = link(source, target)
    assert egress(found) == Fraction(price)
    assert speed(found) == (500 * 10**6 if source == target == "a:1" else 50 * 10**6)


@pytest.mark.parametrize(
    ("rules", "price"),
    [
        ([priced("*", "*", "1"), priced("a:*", "*", "2")], "2"),
        ([priced("a:*", "*", "2"), priced("a:1", "*", "3")], "3"),
        ([priced("a:*", "b:*", "2"), priced("a:1", "*", "3")], "2"),
        ([priced("a:1", "*", "3"), priced("*", "b:1", "4")], "4"),
        ([priced("*", "b:1", "4"), priced("a:1", "b:1", "5")], "5"),
        ([priced("a:1", "b:1", "5"), priced("A:1", "B:1", "6")], "5"),
        ([priced("A:1", "B:*", "7")], "7"),
        ([priced("ab:*", "*", "8")], "0.09"),
        ([priced("*", "=", "9")], "0.09"),
        ([Route(source="a:1", target="b:1", request=Decimal(1)), priced("*", "*", "1.5")], "1.5"),
    ],
)
def test_the_most_specific_rule_counts_for_each_field(rules: list[Route], price: str) -> None:
    assert egress(link("a:1", "b:1", *rules)) == Fraction(price)


@pytest.mark.parametrize(
    ("rules", "price"),
    [
        ([priced("a:1", "*", "3"), priced("*", "*", "1"), priced("a:*", "a:*", "2")], "0"),
        ([priced("*", "=", "4")], "4"),
        ([priced("*", "a:1", "5")], "5"),
        ([priced("a:1", "a:1", "6"), priced("a:1", "=", "7")], "6"),
    ],
)
def test_data_that_stays_is_charged_by_a_rule_that_means_it(rules: list[Route], price: str) -> None:
    assert egress(link("a:1", "a:1", *rules)) == Fraction(price)


def test_requests_and_latency_of_data_that_stays_are_those_of_any_rule() -> None:
    found = link("a:1", "a:1", Route(source="a:*", request=Decimal("0.5"), latency_seconds=2.0, bytes_per_second=1.0))
    assert Fraction(found.request, GRAINS_PER_UNIT) == Fraction(1, 2)
    assert found.latency == 2 * GB
    assert speed(found) == 500 * 10**6


@pytest.mark.parametrize("absurd", [float("nan"), float("inf"), -1.0, 0.0])
def test_absurd_figures_are_as_if_not_there(absurd: float) -> None:
    rules = [Route(source="a:1", bytes_per_second=absurd, egress_gb=Decimal(str(absurd)) if absurd else None)]
    found = link("a:1", "b:1", *rules, bytes_per_second=absurd, latency_seconds=absurd)
    assert (egress(found), speed(found), found.latency) == (Fraction("0.09"), Fraction(50 * 10**6), 0)


def test_a_rate_makes_prices_of_the_base_currency() -> None:
    with decimal_context(EXACT):
        network = Network(currency="USD", routes=(priced("*", "*", "0.10"),))
        dollars, unpriced = tariffs_of(network, Decimal("0.9")), tariffs_of(network, Decimal(0))
        assert egress(dollars.between("a:1", "b:1")) == Fraction("0.09")
        assert tariffs_of(network, Decimal("0.9")) is dollars
    assert not unpriced.priced


def test_pairs_are_worked_out_once() -> None:
    with decimal_context(EXACT):
        tariffs = Tariffs(Network(), None)
        assert tariffs.between("a:1", "b:1") is tariffs.between("a:1", "b:1")


def test_a_price_per_gb_is_whole_grains_per_byte() -> None:
    assert egress(Link(GRAINS_PER_BYTE * 10**15, 0, link(None, None).pace, 0, placed=False)) == 1


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ((47.37, 8.54), (47.37, 8.54), 0),
        ((0.0, 0.0), (0.0, 180.0), 20015),
        ((90.0, 0.0), (-90.0, 50.0), 20015),
        ((0.0, 179.0), (0.0, -179.0), 222),
        ((47.37, 8.54), (40.71, -74.0), 6324),
    ],
)
def test_distances(one: tuple[float, float], other: tuple[float, float], distance: int) -> None:
    assert round(kilometres(one, other)) == distance
    assert kilometres(one, other) == kilometres(other, one)


@pytest.mark.parametrize("place", [None, (91.0, 0.0), (0.0, -180.5), (float("nan"), 0.0), (0.0, float("inf"))])
def test_places_that_cannot_be(place: tuple[float, float] | None) -> None:
    assert on_earth(place) is None
