"""How many requests a family of servers costs: per relayed task, and per sweep over many.

`figures_of` measures one case with a gateway of its own; what it returns depends on nothing but the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.dialects.base import DialectFake
from tests.support.dialects.driving import Case, forwarded, gateway_to, sweeps

TASKS = 12


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
