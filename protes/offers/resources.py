"""Compute and storage that a request asks for, as a TES task's resources (STANDARDS.md 5.2).

The broker counts memory and storage in GiB, TES in GB.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protes.offers import kinds
from protes.offers.messages import LIMIT, Message, message, unsupported
from protes.offers.reading import Node

_GIB = 2**30
_GB = 10**9
_MOST = 1_000_000
_PLACES = 6


@dataclass(frozen=True, slots=True)
class Resources:
    """What was asked for.

    Attributes:
        asked: fields of `tesResources`.
        most: by field of `tesResources`, the path of a maximum, the maximum, and its unit.
        refusals: what cannot be served.
    """

    asked: Mapping[str, float]
    most: Mapping[str, tuple[str, float, str]]
    refusals: tuple[Message, ...]

    def excess(self, needed: Mapping[str, Any]) -> list[Message]:
        """Say where a task needs more than the most that offers may have."""
        found = []
        for field, (place, most, unit) in self.most.items():
            need = needed.get(field)
            if isinstance(need, int | float) and not isinstance(need, bool) and in_unit(field, need) > most:
                template = "{field}: the task needs {need} {unit}, at most {most} are wanted"
                texts = {"field": place, "need": f"{in_unit(field, need):g}", "unit": unit, "most": f"{most:g}"}
                found.append(message("ERROR", LIMIT, template, **texts))
        return found


def in_unit(field: str, amount: float) -> float:
    """Put an amount of `tesResources` in the broker's unit: GiB for what is in GB."""
    return round(amount * _GB / _GIB, _PLACES) if field.endswith("_gb") else amount


def whole(field: str, amount: float) -> int:
    """Put an amount of `tesResources` as the broker's whole number, rounded up."""
    return math.ceil(in_unit(field, amount))


def read_resources(request: Node) -> Resources:
    """Read `compute` and `storage`; errors are noted."""
    asked: dict[str, float] = {}
    most: dict[str, tuple[str, float, str]] = {}
    refusals: list[Message] = []
    compute = request.object("compute")
    if compute is not None and _is(compute, kinds.COMPUTE, refusals):
        _range(compute, "cores", "cpu_cores", asked, most)
        _range(compute, "memory", "ram_gb", asked, most)
    disks: dict[str, float] = {}
    for item in request.objects("storage"):
        size: dict[str, float] = {}
        if _is(item, kinds.STORAGE, refusals):
            _range(item, "size", "disk_gb", size, {})
        disks["disk_gb"] = disks.get("disk_gb", 0) + size.get("disk_gb", 0)
    return Resources({**asked, **{name: size for name, size in disks.items() if size}}, most, tuple(refusals))


def _is(node: Node, kind: str, refusals: list[Message]) -> bool:
    given = node.text("kind") or node.text("type")
    if kinds.is_kind(given, kind):
        return True
    refusals.append(unsupported(node.at("kind"), f"only {kinds.name_of(kind)} is known here"))
    return False


def _range(node: Node, name: str, field: str, asked: dict[str, float], most: dict[str, tuple[str, float, str]]) -> None:
    span = node.object(name)
    if span is None:
        return
    low, high = span.number("min", 0, _MOST), span.number("max", 0, _MOST)
    if low is not None and high is not None and low > high:
        span.wrong("max", "must not be less than min")
    if low is not None:
        asked[field] = low * _GIB / _GB if field.endswith("_gb") else low
    if high is not None:
        most[field] = (span.at("max"), high, "GiB" if field.endswith("_gb") else "cores")
