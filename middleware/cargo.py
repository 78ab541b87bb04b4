"""What a task has to move, wherever it runs: its inputs by where they can be read, and its outputs."""

from typing import NamedTuple

from middleware.candidate import Basis, Coordinates, weakest
from middleware.distances import on_earth
from middleware.naming import canonical
from middleware.needs import scheme_of
from middleware.types import Context, DataObject, InputView, Replica, TaskView

__all__ = ["Cargo", "Item", "Place", "cargo_of", "folded"]

_MOST_BYTES = 10**18
_NO_DATA = DataObject()


class Place(NamedTuple):
    """Where a replica is, as far as it decides what moving it costs and takes."""

    zone: str | None
    coordinates: Coordinates | None
    instance: str | None
    available: bool
    scheme: str


class Item(NamedTuple):
    """An input that has to be moved."""

    number: int
    """Among the task's inputs."""
    size: int
    replicas: tuple[int, ...]
    """Indices of its replicas, in the order of its group's places; -1 for the input's own URL."""


class Cargo(NamedTuple):
    """All that a task moves, wherever it runs."""

    groups: tuple[tuple[tuple[Place, ...], tuple[Item, ...]], ...]
    """Inputs by where they can be read."""
    inputs: int
    """Of the task, moved or not."""
    outputs: tuple[str | None, ...]
    """Zone of each destination."""
    output_bytes: int
    size_basis: Basis | None
    """The weakest of all sizes; None where nothing is moved."""
    unknown: int
    """How many inputs are of unknown size."""
    instances: frozenset[str]
    """Those that have replicas beside them."""
    located: bool
    """Whether coordinates of any replica are known."""
    mixed: bool
    """Whether the replicas of an input are read by different schemes."""

    @property
    def weighs(self) -> bool:
        """Tell whether any bytes are known to be moved."""
        sent = bool(self.outputs) and self.output_bytes > 0
        return sent or any(item.size > 0 for _, items in self.groups for item in items)

    def within(self, zone: str | None) -> tuple[int, int]:
        """Return the bytes, and the number, of inputs that can be read in a zone."""
        name = folded(zone)
        near = [items for places, items in self.groups if name is not None and _in(places, name)]
        return sum(item.size for items in near for item in items), sum(len(items) for items in near)


def cargo_of(task: TaskView, context: Context) -> Cargo:
    """Find what a task moves. Content has no transfer, nor has a file that is there already."""
    groups: dict[tuple[Place, ...], list[Item]] = {}
    bases: list[Basis] = []
    unknown = 0
    for index, item in enumerate(task.inputs):
        if item.content is not None or item.url is None or scheme_of(item.url) == "file":
            continue
        data = context.data.get(item.url, _NO_DATA)
        size, basis = _size(item, data)
        unknown += size is None
        bases.append(basis)
        places, replicas = _places(item.url, data.replicas)
        groups.setdefault(places, []).append(Item(index, size or 0, replicas))
    outputs = tuple(folded(context.zones.get(each.url)) for each in task.outputs if scheme_of(each.url) != "file")
    sent = context.output_bytes
    if sent is not None and not 0 <= sent <= _MOST_BYTES:
        sent = None
    if outputs:
        bases.append("default" if sent is None else "learned")
    every = [place for places in groups for place in places]
    return Cargo(
        groups=tuple((places, tuple(items)) for places, items in groups.items()),
        inputs=len(task.inputs),
        outputs=outputs,
        output_bytes=sent or 0,
        size_basis=_weakest(bases),
        unknown=unknown,
        instances=frozenset(place.instance for place in every if place.instance is not None),
        located=any(place.coordinates is not None for place in every),
        mixed=any(len({place.scheme for place in places}) > 1 for places in groups),
    )


def _size(item: InputView, data: DataObject) -> tuple[int | None, Basis]:
    if item.size_bytes is not None and 0 <= item.size_bytes <= _MOST_BYTES:
        return item.size_bytes, "configured"
    if data.size_bytes is not None and 0 <= data.size_bytes <= _MOST_BYTES:
        return data.size_bytes, data.size_basis
    return None, "default"


def _places(url: str, replicas: tuple[Replica, ...]) -> tuple[tuple[Place, ...], tuple[int, ...]]:
    """Return the places of an input and which replica is at each, by the replicas' URLs."""
    if not replicas:
        return (Place(None, None, None, True, scheme_of(url)),), (-1,)
    ordered = sorted(range(len(replicas)), key=lambda index: (replicas[index].url, _identity(replicas[index]), index))
    return tuple(_place(replicas[index]) for index in ordered), tuple(ordered)


def _identity(replica: Replica) -> str:
    return repr((replica.zone, replica.coordinates, replica.instance, replica.available, replica.access_id))


def _place(replica: Replica) -> Place:
    instance = canonical(replica.instance) if replica.instance is not None else None
    return Place(
        folded(replica.zone), on_earth(replica.coordinates), instance, replica.available, scheme_of(replica.url)
    )


def folded(zone: str | None) -> str | None:
    """Return a zone as it is compared, in lower case; None where there is none."""
    return zone.strip().casefold() or None if zone is not None else None


def _weakest(bases: list[Basis]) -> Basis | None:
    if not bases:
        return None
    found = bases[0]
    for each in bases[1:]:
        found = weakest(found, each)
    return found


def _in(places: tuple[Place, ...], zone: str) -> bool:
    return any(place.zone == zone for place in places)
