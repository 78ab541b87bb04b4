"""Whoever goes round finds all webhooks that wait, however many, and never takes long."""

from __future__ import annotations

from collections.abc import Sequence

from protes.callbacks.outbox import MOST_ON_A_PAGE, Outbox, Pending
from protes.callbacks.rounds import Rounds
from protes.clock import ManualClock
from protes.store.memory import MemoryRecords
from protes.store.records import TaskRecord
from tests.support.task_records import a_task, at

PAGES = 10


class SlowOutbox(Outbox):
    """Takes its time to read a page."""

    seconds = 0.0

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(MemoryRecords(), clock, final_only=False)
        self.clock = clock
        self.reads = 0

    def page(self, after: str) -> Sequence[Pending]:
        self.reads += 1
        self.clock.advance(self.seconds)
        return super().page(after)


def wanting(number: int) -> TaskRecord:
    return a_task(f"task-{number:05}", preference={"callback_url": "https://hooks.example.org/x"})


def test_a_round_takes_a_part_of_many_and_the_next_ones_the_others() -> None:
    clock = ManualClock(at(0))
    outbox = SlowOutbox(clock)
    tasks = [wanting(number) for number in range(MOST_ON_A_PAGE * PAGES + 1)]
    outbox.put(tasks)
    brought: list[str] = []
    rounds = Rounds(outbox, lambda _, task_id: brought.append(task_id), clock, lambda: 0.0)
    outbox.seconds = 0.1
    for first in range(0, PAGES + 1, 3):
        began, reads = clock.monotonic(), outbox.reads
        rounds.go()
        assert clock.monotonic() - began < 0.5
        assert outbox.reads - reads == min(3, PAGES + 1 - first)
        clock.advance(20)
    assert len(set(brought)) == 600 + min(200, MOST_ON_A_PAGE + 1)
    assert {each[:7] for each in brought} == {each.id[:7] for each in tasks}


def test_what_fails_is_brought_at_growing_pauses_though_rounds_are_parts() -> None:
    clock = ManualClock(at(0))
    outbox = SlowOutbox(clock)
    outbox.put([wanting(number) for number in range(MOST_ON_A_PAGE + 1)])
    brought: list[str] = []
    rounds = Rounds(outbox, lambda _, task_id: brought.append(task_id), clock, lambda: 0.0)
    outbox.seconds = 0.3  # one page a round
    last = f"task-{MOST_ON_A_PAGE:05}"
    for _ in range(20):
        rounds.go()
        clock.advance(6.0)
    # Every second round comes to it, 13 s apart: after 2, 4, 8, 16, 32 and 60 seconds at the earliest.
    assert 5 <= brought.count(last) <= 7
