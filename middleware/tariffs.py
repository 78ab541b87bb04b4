"""The network's rules read for one pair of zones: what moving data between them costs and takes.

Of the rules that fit, for each field the most specific one that says something counts. How specific a rule is: a zone
counts 4, `=` 3, `cloud:*` 2 and `*` 0, source and target added; then the more specific target, then the first one.
Between equal zones, egress and bandwidth are only taken from rules whose target is that zone or `=`: who writes what a
cloud charges for data that leaves, or how fast it is, does not mean data that stays. An unknown zone fits `*` alone.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeVar

from middleware.figures import EXACT, converted, sane
from middleware.grid import GRAINS_PER_BYTE, GRAINS_PER_PRICE, NS_PER_SECOND, nearest
from middleware.network import Network, Route

__all__ = ["Link", "Pace", "Tariffs", "tariffs_of"]

_ZONE, _SAME, _CLOUD, _ANY = 4, 3, 2, 0
Value = TypeVar("Value")

_MOST_BYTES_PER_SECOND = Decimal(10**15)
_LEAST_BYTES_PER_SECOND = Decimal("0.001")
_MOST_SECONDS = Decimal(31_536_000)
_MOST_PAIRS = 65_536
_FALLBACK = Network()


class Pace(NamedTuple):
    """Nanoseconds per byte, exactly `numerator / denominator`."""

    numerator: int
    denominator: int

    def nanoseconds(self, size: int) -> int:
        """Return how long so many bytes take, to the nearest nanosecond."""
        return nearest(size * self.numerator, self.denominator)


class Link(NamedTuple):
    """What a transfer from one zone to another costs and takes."""

    byte: int
    """Grains per byte."""
    request: int
    """Grains per object."""
    pace: Pace
    latency: int
    """Time until the first byte, ns."""
    placed: bool
    """Whether a rule or the equality of zones says the bandwidth, so that a distance does not."""


class Tariffs:
    """All pairs of zones of a network, each worked out once."""

    def __init__(self, network: Network, rate: Decimal | None) -> None:
        """Read the network's rules; `rate` is None for the base currency itself and 0 where there is none."""
        self._routes = [_Rule(each) for each in network.routes]
        self._rate = rate
        self._links: dict[tuple[str | None, str | None], Link] = {}
        self._default = self._money(network.egress_gb), self._money(network.unknown_egress_gb)
        self._latency = nanoseconds(network.latency_seconds) or 0
        self._pace = pace(network.bytes_per_second) or _known_pace(_FALLBACK.bytes_per_second)
        self.local = pace(network.local_bytes_per_second) or _known_pace(_FALLBACK.local_bytes_per_second)
        """The pace within a zone and beside an instance."""
        self.latency = self._latency
        """Time until the first byte where no rule says one, ns."""
        self.thaw = nanoseconds(network.thaw_seconds) or 0
        """Time that what lies in cold storage takes besides, ns."""
        self.per_1000km = pace(network.bytes_per_second_per_1000km)
        """The pace over 1000 km, of which distances give others; None where they do not."""
        self.priced = rate is None or rate > 0
        """False where the network's currency has no rate: what moving data costs is then missing."""

    def between(self, source: str | None, target: str | None) -> Link:
        """Return the figures for data that moves between two zones, in lower case; None is unknown."""
        link = self._links.get((source, target))
        if link is None:
            if len(self._links) >= _MOST_PAIRS:
                self._links.clear()
            link = self._links[source, target] = self._link(source, target)
        return link

    def _link(self, source: str | None, target: str | None) -> Link:
        same, known = source is not None and source == target, source is not None and target is not None
        fitting = [rule for _, rule in sorted(self._ranked(source, target), key=lambda each: each[0])]
        strict = [rule for rule in fitting if not same or rule.target in ("=", target)]
        general, unknown = self._default
        egress = _first(strict, lambda rule: self._money(rule.route.egress_gb))
        if egress is None:
            egress = 0 if same else general if known else unknown
        placed = _first(strict, lambda rule: pace(rule.route.bytes_per_second))
        latency = _first(fitting, lambda rule: nanoseconds(rule.route.latency_seconds))
        return Link(
            byte=(egress or 0) * GRAINS_PER_BYTE,
            request=(_first(fitting, lambda rule: self._money(rule.route.request)) or 0) * GRAINS_PER_PRICE,
            pace=placed or (self.local if same else self._pace),
            latency=self._latency if latency is None else latency,
            placed=same or placed is not None,
        )

    def _ranked(self, source: str | None, target: str | None) -> list[tuple[tuple[int, int, int], "_Rule"]]:
        ranked = []
        for number, rule in enumerate(self._routes):
            first, second = _fit(rule.source, source), _fit(rule.target, target)
            if rule.target == "=":
                second = _SAME if source is not None and source == target else None
            if first is not None and second is not None:
                ranked.append(((-first - second, -second, number), rule))
        return ranked

    def _money(self, amount: Decimal | None) -> int | None:
        return converted(amount, self._rate)


class _Rule:
    """A route with its patterns in lower case."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.source = route.source.strip().casefold()
        self.target = route.target.strip().casefold()


_kept = lru_cache(maxsize=32)(Tariffs)


def tariffs_of(network: Network, rate: Decimal | None) -> Tariffs:
    """Return the tariffs of a network; kept for the next task."""
    try:
        return _kept(network, rate)
    except TypeError:  # a signalling NaN among the prices has no hash
        return Tariffs(network, rate)


@lru_cache(maxsize=4096)
def pace(bytes_per_second: float | None) -> Pace | None:
    """Read a bandwidth; None where it is missing or no believable one."""
    number = sane(bytes_per_second, _MOST_BYTES_PER_SECOND)
    if number is None or number < _LEAST_BYTES_PER_SECOND:
        return None
    numerator, denominator = number.as_integer_ratio()
    return Pace(NS_PER_SECOND * denominator, numerator)


def nanoseconds(seconds: float | None) -> int | None:
    """Read a time, in ns; None where it is missing or no believable one."""
    number = sane(seconds, _MOST_SECONDS)
    return None if number is None else int(EXACT.multiply(number, Decimal(NS_PER_SECOND)))


def _known_pace(bytes_per_second: float) -> Pace:
    return Pace(NS_PER_SECOND, int(bytes_per_second))


def _fit(pattern: str, zone: str | None) -> int | None:
    """Return how specifically a pattern fits a zone, None where it does not."""
    if pattern == "*":
        return _ANY
    if zone is None:
        return None
    if pattern == zone:
        return _ZONE
    return _CLOUD if pattern.endswith(":*") and zone.startswith(pattern[:-1]) else None


def _first(rules: list[_Rule], read: Callable[[_Rule], Value | None]) -> Value | None:
    return next((value for rule in rules if (value := read(rule)) is not None), None)
