"""Whole numbers for money and time, so that plans are compared exactly and fast.

Time is in nanoseconds. Money is in grains, 3.6 * 10^36 to a unit of the base currency: a price per hour with up to 24
decimals, what most products of a price and an amount of cores or GB have, is then a whole number of grains per
nanosecond, and a price per GB one per byte. Amounts asked for go by billionths, prices by 10^-15; what would be finer
is dropped. What is divided, by a speed or a bandwidth, is rounded to the nanosecond and the grain, once each.
"""

from decimal import Decimal

__all__ = [
    "BYTES_PER_GB",
    "GRAINS_PER_BYTE",
    "GRAINS_PER_MICRO",
    "GRAINS_PER_PRICE",
    "GRAINS_PER_UNIT",
    "NS_PER_MS",
    "NS_PER_SECOND",
    "billionths",
    "nearest",
    "price",
    "shown",
    "split",
]

NS_PER_MS = 10**6
NS_PER_SECOND = 10**9
BYTES_PER_GB = 10**9

GRAINS_PER_UNIT = 36 * 10**35
GRAINS_PER_MICRO = GRAINS_PER_UNIT // 10**6

_PRICE = Decimal(10**15)
_BILLION = Decimal(10**9)

GRAINS_PER_PRICE = GRAINS_PER_UNIT // 10**15
"""Grains per 10^-15 of a unit. A price per hour times billionths of an amount is in grains per nanosecond as it is."""

GRAINS_PER_BYTE = GRAINS_PER_PRICE // BYTES_PER_GB
"""Grains per byte for each 10^-15 of a unit per GB."""


def price(amount: Decimal) -> int:
    """Return an amount of money in 10^-15 units."""
    return int(amount * _PRICE)


def billionths(amount: Decimal) -> int:
    """Return an amount of anything in billionths."""
    return int(amount * _BILLION)


def nearest(numerator: int, denominator: int) -> int:
    """Divide and round to the nearest integer, halves up; the denominator is positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def shown(value: int, grid: int) -> int:
    """Return a total as people see it, in units of `grid`, halves up."""
    return (value + grid // 2) // grid


def split(one: int, two: int, three: int, four: int, grid: int) -> tuple[int, int, int, int, int]:
    """Round a total once, and its parts so that they add up to it: the largest one takes what rounding leaves.

    Args:
        one: The first part, not negative; so are the others.
        two: The second part.
        three: The third part.
        four: The fourth part.
        grid: What is one after rounding.

    Returns:
        The total and its parts, none of them negative.
    """
    total = (one + two + three + four + grid // 2) // grid
    first, second, third, fourth = one // grid, two // grid, three // grid, four // grid
    left = total - first - second - third - fourth
    if left:
        if one >= two and one >= three and one >= four:
            first += left
        elif two >= three and two >= four:
            second += left
        elif three >= four:
            third += left
        else:
            fourth += left
    return total, first, second, third, fourth
