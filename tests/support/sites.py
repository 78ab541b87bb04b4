"""A gateway over a few instances, the cheapest of which gets the task: for tests of what happens after that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.fake_tes import END, START, FakeTask, FakeTes
from tests.support.harness import TASK, Harness, instance

FUNNEL = "org.ga4gh.funnel"
NODE = "org.ga4gh.protes.node"
UNKNOWN = "org.example.mystery"


@dataclass
class Site:
    """A gateway over some instances, the cheapest first."""

    gateway: Harness
    fakes: tuple[FakeTes, ...]

    def task(self, retries: int | None = None) -> str:
        """Submit a task that goes to the cheapest instance."""
        tags = {} if retries is None else {"protes.retries": str(retries)}
        task_id = self.gateway.post({**TASK, "tags": tags}, weight="0")
        self.gateway.turn()
        return task_id

    def posts(self) -> tuple[int, ...]:
        """How many submissions each instance has had."""
        return tuple(fake.posts for fake in self.fakes)

    def working(self) -> int:
        """How many copies have not ended, over all instances."""
        ended = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED", "PREEMPTED")
        return sum(task.state not in ended for fake in self.fakes for task in fake.tasks.values())

    def crash(self) -> None:
        """Go on with a new gateway over the same store."""
        before, self.gateway = self.gateway, self.gateway.restarted()
        before.services.federation.close()

    def turns(self, count: int = 3, seconds: float = 3) -> None:
        """Take turns; there is never more than one copy at work."""
        for _ in range(count):
            self.gateway.turn(seconds)
            assert self.working() <= 1


@contextmanager
def site(*service_ids: str, **settings: Any) -> Iterator[Site]:
    """Start instances and a gateway in front of them."""
    with ExitStack() as stack:
        fakes = tuple(stack.enter_context(FakeTes(service_id=each)) for each in service_ids)
        known = [
            instance(name, fake, prices={"cpu_core_hour": str(price)})
            for price, (name, fake) in enumerate(zip("abcdef", fakes, strict=False), start=1)
        ]
        made = Site(Harness(*known, **settings), fakes)
        made.gateway.probe()
        try:
            yield made
        finally:
            made.gateway.services.federation.close()


def only(fake: FakeTes) -> FakeTask:
    """Return the one task of an instance."""
    [task] = fake.tasks.values()
    return task


def fail(fake: FakeTes, state: str = "SYSTEM_ERROR", exit_code: int | None = None) -> None:
    """End the instance's newest task, with or without an executor that tells its exit code."""
    task = list(fake.tasks.values())[-1]
    executor = {"start_time": START, "end_time": END, "exit_code": exit_code}
    ran = [executor] if exit_code is not None else []
    task.log = {"logs": ran, "outputs": [], "system_logs": [disk_full(fake)]}
    fake.set_state(task.id, state)


def disk_full(fake: FakeTes) -> str:
    """Return what an instance says of a failure."""
    return f"the disk of {fake.url} is full"
