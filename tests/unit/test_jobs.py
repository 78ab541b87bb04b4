"""The periodic job's own economy."""

from collections.abc import Sequence
from datetime import timedelta

from protes.clock import ManualClock
from protes.jobs import Loads
from protes.store.memory import MemoryTaskStore
from protes.store.records import InstanceLoad


class SlowTasks(MemoryTaskStore):
    """Takes its time to group what is unfinished, and counts how often it has to."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.reads = 0
        self._clock = clock

    def loads(self) -> Sequence[InstanceLoad]:
        self.reads += 1
        self._clock.advance(self.seconds)
        return [InstanceLoad(f"read {self.reads}", 1, self._clock.now() - timedelta(seconds=1))]


def test_what_is_unfinished_is_read_for_a_twentieth_of_the_time_at_most() -> None:
    clock = ManualClock()
    tasks = SlowTasks(clock, 0.1)
    loads = Loads(tasks, clock)
    shown = []
    for _ in range(80):  # twenty seconds
        shown.append(loads.read()[0].instance_url)
        clock.advance(0.25)
    assert 9 <= tasks.reads <= 11
    assert shown[:2] == ["read 1", "read 1"]
    assert shown[-1] == f"read {tasks.reads}"


def test_what_costs_nothing_is_read_each_time_and_what_is_read_slowly_is_never_old() -> None:
    clock = ManualClock()
    tasks = SlowTasks(clock, 0.0)
    loads = Loads(tasks, clock)
    for _ in range(5):
        loads.read()
    assert tasks.reads == 5
    tasks.seconds = 3.0
    loads.read()
    clock.advance(1.9)
    loads.read()
    assert tasks.reads == 6
    clock.advance(0.2)
    loads.read()
    assert tasks.reads == 7
