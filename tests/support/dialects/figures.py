"""How many requests a family of servers costs: per relayed task, and per sweep over many.

Each function measures one case with a gateway of its own; what it returns depends on nothing but the case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from protes.store.records import Attempt, Phase
from protes.tes.states import State
from tests.support.dialects.base import DialectFake
from tests.support.dialects.driving import Case, forwarded, gateway_to, sweeps
from tests.support.harness import Harness
from tests.support.task_records import a_task

TASKS = 12
MANY = 1000


@dataclass(frozen=True)
class Figures:
    """Counts of requests; in all but the first, probes are not counted.

    Attributes:
        probing: to find and recognise the server.
        one_task: from the submission of a task, seen once while it runs, to its log.
        sweep: one look at `TASKS` tasks that run.
        ending_sweep: the same when one of them has ended, its log included.
    """

    probing: int
    one_task: int
    sweep: int
    ending_sweep: int


def about_tasks(fake: DialectFake) -> int:
    """How many requests have arrived that ask for something else than service-info."""
    return sum(not request.path.endswith("/service-info") for request in fake.server.requests())


def figures_of(case: Case) -> Figures:
    """Measure a case whose tasks run."""
    with case.fake() as fake, gateway_to(fake) as gateway:
        probing = fake.server.count()
        fake.server.forget()
        _, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        fake.finish(copy.id)
        sweeps(gateway)
        one_task = about_tasks(fake)
        copies = [forwarded(gateway, fake)[1] for _ in range(TASKS)]
        for each in copies:
            fake.start(each.id)
        sweeps(gateway)
        fake.server.forget()
        sweeps(gateway)
        sweep = about_tasks(fake)
        fake.finish(copies[0].id)
        fake.server.forget()
        sweeps(gateway)
        return Figures(probing, one_task, sweep, about_tasks(fake))


def requests_of_many(case: Case) -> int:
    """Measure one look at `MANY` tasks that run, put there without being submitted one by one."""
    with case.fake() as fake, gateway_to(fake) as gateway:
        _have_running(gateway, fake, MANY)
        fake.server.forget()
        sweeps(gateway)
        return about_tasks(fake)


def _have_running(gateway: Harness, fake: DialectFake, count: int) -> None:
    """Have tasks there that run, as an earlier gateway on the same store would have left them."""
    [known] = gateway.services.federation.view().instances
    now = gateway.clock.now()
    for number in range(count):
        record = a_task(f"many{number:06}", created_at=now, due_at=None, state=State.RUNNING)
        document = {"executors": [{"image": "a", "command": ["b"]}], "resources": {}}
        copy = fake.have({**document, "tags": {"protes_attempt": f"{record.id}-1"}})
        fake.start(copy.id)
        attempt = Attempt(
            n=1,
            instance_url=known.base_url or "",
            instance_id=known.id,
            dialect=known.dialect or "",
            phase=Phase.ACCEPTED,
            intended_at=now,
            deadline=now + timedelta(seconds=10),
            instance_task_id=copy.id,
            state=State.RUNNING,
        )
        gateway.stores.tasks.create(replace(record, attempts=(attempt,)))
