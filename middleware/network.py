"""What moving data costs and takes between zones: the operator's tables as one value (ESTIMATES.md, "One plan").

Zones are `cloud:region` or country codes, compared without regard to case. Between equal zones nothing is charged
unless a rule says so; an unknown zone gets the pessimistic figures.
"""

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Network", "Route"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A rule for data that moves from one zone to another; the most specific one that fits wins.

    Patterns are a zone, `cloud:*`, `*` or, in `target` only, `=` for the same zone as the source.
    """

    source: str = "*"
    target: str = "*"
    egress_gb: Decimal | None = None
    """Price of a GB (10^9 bytes) that leaves the source for the target; None leaves it to a more general rule."""
    request: Decimal | None = None
    """Price of fetching one object, likewise."""
    bytes_per_second: float | None = None
    """Bandwidth of one transfer, likewise."""
    latency_seconds: float | None = None
    """Time until the first byte, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All of it."""

    currency: str = "EUR"
    """ISO 4217 code of the prices here."""
    routes: tuple[Route, ...] = ()
    egress_gb: Decimal = Decimal("0.09")
    """Per GB between different zones that no route covers."""
    unknown_egress_gb: Decimal = Decimal("0.12")
    """Per GB from or to an unknown zone: pessimistic."""
    bytes_per_second: float = 50e6
    """Bandwidth where no route says one."""
    local_bytes_per_second: float = 500e6
    """Bandwidth within a zone, and beside an instance, where no route says one."""
    latency_seconds: float = 0.0
    """Time until the first byte where no route says one."""
    thaw_seconds: float = 14_400.0
    """Added to the latency of what lies in cold storage."""
    bytes_per_second_per_1000km: float | None = None
    """Where given, and both coordinates are known but no route is: bandwidth is this divided by the distance."""
