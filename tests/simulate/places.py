"""Where instances and data of the simulation are: zones with coordinates, and what lies between them."""

import math
from functools import cache

from middleware import Coordinates

__all__ = ["EGRESS_GB", "PLACES", "kilometres", "same_continent"]

PLACES: dict[str, Coordinates] = {
    "aws:eu-central-1": (50.1, 8.7),
    "aws:eu-west-1": (53.3, -6.3),
    "aws:us-east-1": (38.9, -77.4),
    "gcp:europe-west4": (53.4, 6.8),
    "gcp:us-central1": (41.3, -95.9),
    "azure:northeurope": (53.3, -6.3),
    "azure:southeastasia": (1.3, 103.8),
    "lab:de": (52.5, 13.4),
    "lab:fi": (60.2, 24.9),
    "lab:es": (41.4, 2.2),
    "lab:au": (-37.8, 145.0),
}
"""Zone -> latitude and longitude, degrees."""

EGRESS_GB: dict[str, float] = {"aws": 0.09, "gcp": 0.11, "azure": 0.08, "lab": 0.0}
"""Price of a GB that leaves a cloud; within a zone it is nothing, within a cloud and continent 0.02."""

_EARTH_KM = 6371.0


@cache
def kilometres(first: Coordinates, second: Coordinates) -> float:
    """Return the length of the great circle between two places."""
    lat_1, lon_1, lat_2, lon_2 = (math.radians(each) for each in (*first, *second))
    half = math.sin((lat_2 - lat_1) / 2) ** 2 + math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def same_continent(first: str, second: str) -> bool:
    """Tell whether two zones are near enough for the lower price within a cloud."""
    return kilometres(PLACES[first], PLACES[second]) < 4000.0
