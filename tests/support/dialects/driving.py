"""Drives a gateway with fakes of TES families behind it; what it finds out about them it finds out itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protes.store.records import Attempt
from tests.support.dialects.base import DialectFake
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.held import HeldTask
from tests.support.harness import TASK, Harness

LONG = 61.0
"""Seconds after which every instance is due again, however seldom its dialect lets it be asked."""

_LISTED_FROM = 5
_QUIET: Mapping[str, Any] = {"http_sizes": False, "drs": False}
_PRICES = ("0.01", "9")


@dataclass(frozen=True)
class Case:
    """A family with at most one of its traps."""

    family: str
    trap: str | None = None

    def fake(self) -> DialectFake:
        """Make a server."""
        return FAMILIES[self.family](*([self.trap] if self.trap else []))

    def __str__(self) -> str:
        return f"{self.family}-with-{self.trap}" if self.trap else self.family


ALL_CASES: Sequence[Case] = [
    Case(name, trap) for name, family in FAMILIES.items() for trap in (None, *sorted(family.TRAPS))
]
CASES_THAT_RUN: Sequence[Case] = [case for case in ALL_CASES if FAMILIES[case.family].RUNS]
FAMILIES_THAT_RUN: Sequence[Case] = [case for case in CASES_THAT_RUN if case.trap is None]


def gateway_to(*fakes: DialectFake, **settings: Any) -> Harness:
    """Make a gateway to instances `a`, `b`, ..., the first the cheapest; their dialects are not told."""
    instances = [
        {"id": name, "url": fake.url, "prices": {"cpu_core_hour": price}, "dialect": fake.NAME if fake.PINNED else None}
        for name, price, fake in zip("ab", _PRICES, fakes, strict=False)
    ]
    settings = {"relay": {"list_from": _LISTED_FROM}, "sources": _QUIET, **settings}
    gateway = Harness(*instances, **settings)
    gateway.probe()
    return gateway


def plain(fake: DialectFake | type[DialectFake]) -> dict[str, Any]:
    """A task as a client would send it, without anything that a family is known to be at odds with."""
    return {
        "name": "plain",
        "description": "counts words",
        "inputs": [
            {"url": fake.INPUT, "path": f"{fake.DATA}/in.txt", "type": "FILE"},
            {"content": "verbose\n", "path": f"{fake.DATA}/options.txt", "type": "FILE"},
        ],
        "outputs": [{"url": fake.OUTPUT, "path": f"{fake.DATA}/out.txt", "type": "FILE"}],
        "resources": {"cpu_cores": 2, "ram_gb": 4},
        "executors": [
            {
                "image": "alpine:3",
                "command": ["sh", "-c", f"wc -w {fake.DATA}/in.txt"],
                "env": {"A": "x y" if fake.BLANKS else "x-y", "B": "http://example.org//b"},
            }
        ],
        "tags": {"mine": "kept"},
    }


def forwarded(gateway: Harness, fake: DialectFake, document: Mapping[str, Any] = TASK) -> tuple[str, HeldTask]:
    """Submit a task, have it forwarded, and return its id and its copy at the instance."""
    task_id = gateway.post(document, weight="0")
    gateway.turn()
    [copy] = fake.copies(f"{task_id}-1")
    return task_id, copy


def last_attempt(gateway: Harness, task_id: str) -> Attempt:
    """The attempt that decides."""
    return gateway.record(task_id).attempts[-1]


def sweeps(gateway: Harness, count: int = 1) -> None:
    """Let every instance be looked at so often."""
    gateway.turns(count, LONG)


def differences(sent: Any, kept: Any, where: str = "") -> list[str]:
    """What a server has not kept of what was sent to it: parts that matter to what a task does."""
    if isinstance(sent, Mapping):
        inner = kept if isinstance(kept, Mapping) else {}
        return [line for name, value in sent.items() for line in differences(value, inner.get(name), f"{where}.{name}")]
    if isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        return [
            line
            for place, pair in enumerate(zip(sent, kept, strict=True))
            for line in differences(*pair, f"{where}[{place}]")
        ]
    if where.endswith((".streamable", ".zones")) or (where == ".name" and str(kept).endswith(str(sent))):
        return []  # hints, and a name that carries the marker in front
    if where.endswith((".cpu_cores", ".ram_gb", ".disk_gb")):
        return [] if (kept or 0) >= sent else [f"{where}: {sent} became {kept}"]
    return [] if sent == kept or not (sent or kept) else [f"{where}: {sent!r} became {kept!r}"]
