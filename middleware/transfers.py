"""What moving a task's data costs and takes at each candidate (ESTIMATES.md, "One plan").

Candidates for which all of that is the same share one `Moves`: a thousand candidates are usually in a few zones.
"""

from collections.abc import Sequence
from typing import NamedTuple

from middleware.candidate import Basis, Candidate, Coordinates, Staging
from middleware.cargo import Cargo, Item, Place, folded
from middleware.distances import kilometres, on_earth
from middleware.grid import GRAINS_PER_BYTE, nearest
from middleware.naming import canonical
from middleware.staging import Option, Stage, stage, undominated
from middleware.tariffs import Link, Pace, Tariffs

__all__ = ["Hold", "Moves"]

_DRS = "drs"


class Moves:
    """What moving the task's data comes to, for candidates that are alike in that."""

    __slots__ = ("_fixed", "_inputs", "_known", "_rows", "basis", "bytes_in", "out_cost", "out_time", "stage")

    def __init__(
        self, cargo: Cargo, rows: list[tuple[Item, list[Option]]], fixed: list[tuple[Item, Option]], parallel: bool
    ) -> None:
        self._rows = [(item.number, [each.replica for each in row]) for item, row in rows]
        self._fixed = [(item.number, option.replica) for item, option in fixed]
        self._inputs = cargo.inputs
        self._known: dict[int, tuple[int, ...]] = {}
        self.stage: Stage = stage([row for _, row in rows], [option for _, option in fixed], parallel=parallel)
        self.bytes_in = 0
        """What has to come in through the candidate's ingress."""
        self.out_time = self.out_cost = 0
        self.basis: Basis | None = None
        """Of prices and bandwidths; None where nothing is moved."""

    @property
    def costs(self) -> bool:
        """Tell whether moving costs anything."""
        return self.stage.costs[0] > 0 or self.out_cost > 0

    def replicas(self, key: int) -> tuple[int, ...]:
        """Return the replica of each input of the task at a point of the stage."""
        found = self._known.get(key)
        if found is None:
            chosen = [-1] * self._inputs
            for index, replica in self._fixed:
                chosen[index] = replica
            for (index, replicas), position in zip(self._rows, self.stage.positions(key), strict=True):
                chosen[index] = replicas[position]
            found = self._known[key] = tuple(chosen)
        return found


class _Target(NamedTuple):
    """What of a candidate decides what moving data to and from it comes to."""

    zone: str | None
    staging: Staging
    ingress: int
    transfer: int | None
    coordinates: Coordinates | None
    beside: str | None
    schemes: frozenset[str] | None


class Hold:
    """The moves of one task for all its candidates."""

    def __init__(self, cargo: Cargo, tariffs: Tariffs) -> None:
        self._cargo = cargo
        self._tariffs = tariffs
        self._moves: dict[_Target, Moves] = {}
        self._still = None if cargo.groups or cargo.outputs else Moves(cargo, [], [], True)

    def moves(self, candidate: Candidate, ingress: int, reported: int | None) -> Moves:
        """Return what moving the data to and from a candidate comes to.

        Args:
            candidate: The candidate.
            ingress: What it charges for data that comes in, in 10^-15 units per GB.
            reported: The price that it reports per GB and 1000 km, likewise; None where it does not.
        """
        if self._still is not None:
            return self._still
        cargo = self._cargo
        beside = canonical(candidate.url) if cargo.instances else None
        far = self._far(reported)
        target = _Target(
            candidate.zone,
            candidate.staging,
            ingress,
            reported if far else None,
            candidate.coordinates if far else None,
            beside if beside in cargo.instances else None,
            candidate.limits.input_schemes if cargo.mixed else None,
        )
        found = self._moves.get(target)
        if found is None:
            exact = target._replace(zone=folded(target.zone), coordinates=on_earth(target.coordinates))
            found = self._moves[target] = self._made(exact)
        return found

    def _far(self, reported: int | None) -> bool:
        """Tell whether distances matter."""
        return self._cargo.located and (reported is not None or self._tariffs.per_1000km is not None)

    def _made(self, target: _Target) -> Moves:
        rows: list[tuple[Item, list[Option]]] = []
        fixed: list[tuple[Item, Option]] = []
        bytes_in, known, reported = 0, True, target.transfer is not None
        for places, items in self._cargo.groups:
            links = [self._link(place, target) for place in places]
            useful = _useful(links, places, target.schemes)
            beside = any(place.instance is not None and place.instance == target.beside for place in places)
            known = known and all(place.zone is not None for place in places)
            reported = reported and all(place.coordinates is not None for place in places)
            ways = [(at, links[at].byte, links[at].request, *links[at].pace, links[at].latency) for at in useful]
            for item in items:
                size, replicas = item.size, item.replicas
                options = [
                    Option(latency + nearest(size * per, of), request + byte * size, replicas[at])
                    for at, byte, request, per, of, latency in ways
                ]
                bytes_in += 0 if beside else size
                row = options if len(options) == 1 else undominated(options)
                if len(row) == 1:
                    fixed.append((item, row[0]))
                else:
                    rows.append((item, row))
        moves = Moves(self._cargo, rows, fixed, target.staging == "parallel")
        moves.bytes_in = bytes_in
        moves.out_time, moves.out_cost = self._out(target)
        known = known and target.zone is not None and None not in self._cargo.outputs
        moves.basis = "reported" if reported and self._cargo.groups else "configured" if known else "default"
        return moves

    def _link(self, place: Place, target: _Target) -> Link:
        tariffs = self._tariffs
        thaw = 0 if place.available else tariffs.thaw
        if place.instance is not None and place.instance == target.beside:
            return Link(0, 0, tariffs.local, tariffs.latency + thaw, placed=True)
        link = tariffs.between(place.zone, target.zone)
        if not thaw and not target.ingress and target.coordinates is None:
            return link
        byte, speed = link.byte, link.pace
        if place.coordinates is not None and target.coordinates is not None:
            metres = round(kilometres(place.coordinates, target.coordinates) * 1000)
            if target.transfer is not None:
                byte = nearest(target.transfer * metres * GRAINS_PER_BYTE, 1_000_000)
            if tariffs.per_1000km is not None and not link.placed:
                speed = _over(tariffs.per_1000km, metres, tariffs.local)
        byte += target.ingress * GRAINS_PER_BYTE
        return Link(byte, link.request, speed, link.latency + thaw, link.placed)

    def _out(self, target: _Target) -> tuple[int, int]:
        """Return time and cost of the outputs; each is taken to be an equal share of all bytes."""
        times, cost = [], 0
        count = len(self._cargo.outputs)
        for zone in self._cargo.outputs:
            link = self._tariffs.between(target.zone, zone)
            times.append(
                link.latency + nearest(self._cargo.output_bytes * link.pace.numerator, link.pace.denominator * count)
            )
            cost += link.request + nearest(self._cargo.output_bytes * link.byte, count)
        longest = max(times, default=0) if target.staging == "parallel" else sum(times)
        return longest, cost


def _over(per_1000km: Pace, metres: int, local: Pace) -> Pace:
    """Return the pace over a distance; never faster than within a zone."""
    far = Pace(per_1000km.numerator * metres, per_1000km.denominator * 1_000_000)
    return far if far.numerator * local.denominator > local.numerator * far.denominator else local


def _useful(links: list[Link], places: tuple[Place, ...], schemes: frozenset[str] | None) -> list[int]:
    """Return the places that are of use for inputs of any size: what the candidate can read, and no other one beats.

    Of places that are alike the first one counts.
    """
    taken: Sequence[int] = range(len(links))
    if schemes is not None:
        taken = [at for at in taken if places[at].scheme in schemes or places[at].scheme == _DRS] or taken
    if len(taken) == 1:
        return list(taken)
    useful: list[int] = []
    for at in taken:
        one = links[at]
        for other in taken:
            if other != at and _no_worse(links[other], one) and (other < at or not _no_worse(one, links[other])):
                break
        else:
            useful.append(at)
    return useful


def _no_worse(one: Link, other: Link) -> bool:
    return (
        one.byte <= other.byte
        and one.request <= other.request
        and one.latency <= other.latency
        and one.pace.numerator * other.pace.denominator <= other.pace.numerator * one.pace.denominator
    )
