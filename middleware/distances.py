"""Great-circle distances: the earth as a sphere, nothing asked of anyone."""

from functools import lru_cache
from math import asin, cos, isfinite, radians, sin, sqrt

from middleware.candidate import Coordinates

__all__ = ["kilometres", "on_earth"]

_DIAMETER_KM = 2 * 6371.0088
"""Twice the mean radius of the earth (IUGG)."""

_CACHED = 16_384


def on_earth(place: Coordinates | None) -> Coordinates | None:
    """Return coordinates that can be, up to 90 degrees of latitude and 180 of longitude; None for others."""
    if place is None or not (isfinite(place[0]) and isfinite(place[1])):
        return None
    return place if abs(place[0]) <= 90 and abs(place[1]) <= 180 else None


@lru_cache(maxsize=_CACHED)
def kilometres(a: Coordinates, b: Coordinates) -> float:
    """Return the great-circle distance of two places, km (haversine); the same in both directions."""
    (first, first_east), (second, second_east) = sorted(
        ((radians(a[0]), radians(a[1])), (radians(b[0]), radians(b[1])))
    )
    chord = sin((second - first) / 2) ** 2 + cos(first) * cos(second) * sin((second_east - first_east) / 2) ** 2
    return _DIAMETER_KM * asin(min(1.0, sqrt(chord)))
