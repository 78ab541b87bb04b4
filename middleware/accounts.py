"""A chosen plan as people and programs see it: micro-units, milliseconds, parts that add up, bases."""

from collections.abc import Mapping
from types import MappingProxyType

from middleware.candidate import Basis, weakest
from middleware.estimates import Model, Site
from middleware.figures import YEAR_SECONDS
from middleware.grid import GRAINS_PER_MICRO, NS_PER_MS, nearest, split
from middleware.plans import Chosen
from middleware.types import Estimate

__all__ = ["Accounts"]

_MOST_SECONDS = float(YEAR_SECONDS)
_NO_COSTS = (None, None, None, None, None)

Bases = tuple[Basis, Basis, Basis | None, Basis | None]
"""Of prices, speed, wait and transfers: what differs between candidates."""


class Accounts:
    """Writes down the plans of one task."""

    __slots__ = ("_bases", "_model")

    def __init__(self, model: Model) -> None:
        self._model = model
        self._bases: dict[Bases, tuple[Mapping[str, Basis], Basis | None, Basis]] = {}

    def estimate(self, site: Site, plan: Chosen) -> Estimate:
        """Write down a plan. Cost and time are rounded once; the largest part takes what rounding leaves."""
        wait, moves = site.queue, site.moves
        time, queue, stage_in, stage_out, run = split(wait or 0, plan.staged, moves.out_time, site.run, NS_PER_MS)
        cost, compute, disk, staging, transfer = self._costs(site, plan)
        mark = (site.price_basis, site.speed_basis, None if wait is None else site.queue_basis, moves.basis)
        bases, cost_basis, time_basis = self._bases.get(mark) or self._reckoned(mark)
        return Estimate(
            cost_micro=cost,
            time_ms=time,
            compute_micro=compute,
            disk_micro=disk,
            staging_micro=staging,
            transfer_micro=transfer,
            queue_ms=None if wait is None else queue,
            stage_in_ms=stage_in,
            stage_out_ms=stage_out,
            run_ms=run,
            cost_basis=cost_basis,
            time_basis=time_basis,
            imputed=site.imputed,
            bases=bases,
            queue_interval_ms=None if site.candidate.queue_interval is None else _wait(site),
            run_interval_ms=None if self._model.demand.runtime_range is None else self._run(site),
            replicas=moves.replicas(plan.key),
        )

    def _costs(self, site: Site, plan: Chosen) -> tuple[int | None, ...]:
        """Return the cost and its parts; None where unknown."""
        model, moves = self._model, site.moves
        if not model.costs_known:
            return _NO_COSTS
        held = site.held * (plan.staged + moves.out_time)
        moved = plan.moved + moves.out_cost
        cost, compute, disk, staging, transfer = split(site.compute or 0, site.disk or 0, held, moved, GRAINS_PER_MICRO)
        return (
            cost,
            None if site.compute is None else compute,
            None if site.disk is None else disk,
            staging if site.holds else None,
            transfer if model.transfers_priced else None,
        )

    def _reckoned(self, mark: Bases) -> tuple[Mapping[str, Basis], Basis | None, Basis]:
        """Return what is known of the bases, and the weakest one of cost and of time."""
        model = self._model
        prices, speed, queue, transfers = mark
        named: Mapping[str, Basis | None] = {
            "prices": prices if model.costs_known else None,
            "speed": speed,
            "queue_seconds": queue,
            "runtime_seconds": model.demand.runtime_basis,
            "resources": model.demand.resource_basis,
            "sizes": model.cargo.size_basis,
            "transfers": transfers,
        }
        known = {name: basis for name, basis in named.items() if basis is not None}
        cost = _weakest(known, ("prices", "speed", "runtime_seconds", "resources", "sizes", "transfers"))
        time = _weakest(known, ("speed", "queue_seconds", "runtime_seconds", "sizes", "transfers"))
        found = self._bases[mark] = MappingProxyType(known), cost if model.costs_known else None, time
        return found

    def _run(self, site: Site) -> tuple[int, int] | None:
        spread = self._model.demand.runtime_range
        if spread is None:
            return None
        low, high = (nearest(each * site.stretch[0], site.stretch[1] * NS_PER_MS) for each in spread)
        return low, high


def _weakest(known: Mapping[str, Basis], names: tuple[str, ...]) -> Basis:
    found: Basis = "reported"
    for name in names:
        if name in known:
            found = weakest(found, known[name])
    return found


def _wait(site: Site) -> tuple[int, int] | None:
    """Return where the wait lies, unless it is another's or what the instance reports."""
    interval = site.candidate.queue_interval
    if interval is None or site.queue is None or site.queue_basis in ("imputed", "reported"):
        return None
    low, high = interval
    return (round(low * 1000), round(high * 1000)) if 0 <= low <= high <= _MOST_SECONDS else None
