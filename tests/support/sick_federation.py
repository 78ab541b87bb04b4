"""Fifty instances of which twenty are sick in every scripted way, and a gateway in front: for a test and the bench."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from protes.api.callers import ANONYMOUS
from protes.api.submission import Submission, submit
from protes.app import Gateway, create_gateway
from protes.config.loading import load
from protes.store.factory import create_stores
from protes.store.records import Phase, TaskRecord
from tests.support.fake_tes import OPERATIONS, FakeTes
from tests.support.scripted_server import Step
from tests.support.tes_faults import FAULTS
from tests.support.waiting import wait_until

TASK: Mapping[str, Any] = {"executors": [{"image": "alpine", "command": ["true"]}]}

EVERYWHERE = ("reset", "hang_up", "stall", "garbage", "html", "wrong_json", "500", "503_html")
"""Faults of every operation of a sick instance."""

OF_CREATION = (
    "stall",
    "drip_head",
    "truncated",
    "endless",
    "not_json",
    "conflict",
    "throttled",
    "500",
    "reset_after_commit",
    "stall_after_commit",
    "500_after_commit",
)
"""Faults of POST /tasks alone: the instance looks well otherwise."""

SICK = (*(("all", name) for name in EVERYWHERE), ("gone", ""), *(("create", name) for name in OF_CREATION))
"""The twenty ways to be sick."""


@dataclass
class Federation:
    """Instances, the first of them sick, and what was scripted on them."""

    fakes: list[FakeTes] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    gone: list[FakeTes] = field(default_factory=list)

    @property
    def healthy(self) -> list[FakeTes]:
        """The instances that are well throughout."""
        return self.fakes[len(SICK) :]

    def fall_ill(self) -> None:
        """Make the first instances sick, each in its way."""
        for fake, (where, name) in zip(self.fakes, SICK, strict=False):
            if where == "gone":
                fake.refuse()
                self.gone.append(fake)
                continue
            for operation in OPERATIONS if where == "all" else ("create",):
                # Faults "after commit" are those of creation.
                self.steps.append(fake.fault(operation, FAULTS[name](), times=1_000_000))

    def heal(self) -> None:
        """Make all well again."""
        for fake in self.fakes:
            fake.heal()
        while self.gone:
            self.gone.pop().resume()
        for step in self.steps:
            with suppress(AttributeError):
                step.release()  # type: ignore[union-attr]

    def copies(self) -> Counter[str]:
        """Count the copies of each task at all instances, by id of the gateway's task."""
        found: Counter[str] = Counter()
        for fake in self.fakes:
            found.update((task.marker or "").rpartition("-")[0] for task in list(fake.tasks.values()))
        return found


@contextmanager
def federation(size: int) -> Iterator[Federation]:
    """Run so many instances, all well."""
    with ExitStack() as stack:
        made = Federation([stack.enter_context(FakeTes()) for _ in range(size)])
        for fake in made.fakes:
            fake.auto(2)
        try:
            yield made
        finally:
            made.heal()


@contextmanager
def in_front_of(made: Federation, **settings: Any) -> Iterator[Gateway]:
    """Run a gateway in front of the instances that has found all of them."""
    merged = {
        "instances": [{"id": f"i{number:02}", "url": fake.url} for number, fake in enumerate(made.fakes)],
        "dispatch": {
            "create_seconds": 5,
            "send_within_seconds": 2,
            "lease_seconds": 15,
            **settings.pop("dispatch", {}),
        },
        **settings,
    }
    gateway = create_gateway(load([], {}, merged), stores=create_stores("memory:"), environ={})
    gateway.start()
    try:
        view = gateway.services.federation.view
        wait_until(
            lambda: sum(each.status == "ok" for each in view().instances) == len(made.fakes), "all are found", 60
        )
        yield gateway
    finally:
        gateway.close()


def submit_steadily(gateway: Gateway, count: int, per_second: float) -> list[str]:
    """Submit tasks that prefer no instance, at a steady rate."""
    ids, begun = [], time.monotonic()
    never = threading.Event()
    for number in range(count):
        never.wait(max(0.0, begun + number / per_second - time.monotonic()))
        submission = Submission(document=TASK, base="/ga4gh/tes/v1", header_weight="random")
        ids.append(submit(gateway.services, ANONYMOUS, submission))
    return ids


def record(gateway: Gateway, task_id: str) -> TaskRecord:
    """Return a stored task."""
    found = gateway.stores.tasks.get(task_id)
    assert found is not None
    return found


def dispatch_seconds(gateway: Gateway, ids: list[str]) -> list[float]:
    """Return how long each task waited for its instance, of those whose attempts all had a known outcome; ascending.

    Where an instance left an outcome unknown the task cannot be sent elsewhere, however quick the gateway is.
    """
    waited = []
    for task_id in ids:
        task = record(gateway, task_id)
        known = all(each.phase in (Phase.ACCEPTED, Phase.FINISHED) or not each.looks for each in task.attempts)
        last = task.attempts[-1] if task.attempts else None
        if last is not None and last.closed_at is None and known and last.phase in (Phase.ACCEPTED, Phase.FINISHED):
            waited.append((last.intended_at - task.created_at).total_seconds())
    return sorted(waited)


def sent(gateway: Gateway, ids: list[str], least: int) -> list[float]:
    """Wait until so many tasks have been sent; return how long each of those that have been had waited, ascending."""
    wait_until(lambda: len(dispatch_seconds(gateway, ids)) >= least, "most are sent", 60)
    return dispatch_seconds(gateway, ids)
