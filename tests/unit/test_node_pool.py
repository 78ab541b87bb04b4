"""The order and the number of tasks that run, and how they end; what runs is scripted, threads are real."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protes.clock import SystemClock
from protes.node.pool import STOPPED, Pool
from protes.node.task_files import Task
from protes.node.tasks import TaskRegistry
from protes.tes.states import State
from tests.support.waiting import at_once, wait_until


@dataclass
class Outcome:
    state: State
    log: dict[str, Any] = field(default_factory=lambda: {"logs": [], "outputs": []})


class Scripted:
    """Runs until a test lets it end."""

    def __init__(self) -> None:
        self.outcome = Outcome(State.COMPLETE)
        self.error: Exception | None = None
        self.go = threading.Event()
        self.cancels = 0

    def run(self) -> Outcome:
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        return self.outcome

    def cancel(self) -> None:
        self.cancels += 1
        self.outcome = Outcome(State.CANCELED)

    def end(self) -> None:
        self.go.set()


class Bench:
    """A pool with scripted work."""

    def __init__(self, directory: Path, slots: int) -> None:
        directory.mkdir(exist_ok=True)
        self.registry = TaskRegistry(directory, SystemClock(), lambda group: None)
        self.works: dict[str, Scripted] = {}
        self.order: list[str] = []
        self.pool = Pool(slots, self.registry, self._prepare)

    def _prepare(self, task: Task) -> Scripted:
        self.works[task.id] = Scripted()
        self.order.append(task.id)
        return self.works[task.id]

    def submit(self, cores: float = 1) -> Task:
        task = self.registry.create({"executors": [], "resources": {"cpu_cores": cores}})
        self.pool.submit(task)
        return task

    def started(self, *tasks: Task) -> None:
        wait_until(lambda: all(task.id in self.works for task in tasks), "tasks started")

    def end(self, task: Task) -> None:
        self.works[task.id].end()
        wait_until(lambda: task.state.finished, "a task ended")

    def close(self) -> None:
        for work in self.works.values():
            work.end()
        self.pool.close()
        self.registry.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[int], Bench]]:
    benches: list[Bench] = []

    def make_bench(slots: int) -> Bench:
        benches.append(Bench(tmp_path / "node", slots))
        return benches[-1]

    yield make_bench
    for bench in benches:
        bench.close()


def test_tasks_run_in_order_as_many_as_there_are_slots(make: Callable[[int], Bench]) -> None:
    bench = make(2)
    tasks = [bench.submit() for _ in range(4)]
    bench.started(*tasks[:2])
    assert [task.state for task in tasks] == ["INITIALIZING", "INITIALIZING", "QUEUED", "QUEUED"]
    bench.end(tasks[0])
    bench.started(tasks[2])
    assert tasks[3].state is State.QUEUED
    bench.end(tasks[1])
    bench.started(tasks[3])
    assert bench.order == [task.id for task in tasks]


def test_a_large_task_is_not_overtaken(make: Callable[[int], Bench]) -> None:
    bench = make(2)
    small, large, late = bench.submit(0.5), bench.submit(1.5), bench.submit()
    bench.started(small)
    assert bench.order == [small.id]  # a slot is free, and stays so until the large one fits
    bench.end(small)
    bench.started(large)
    assert late.state is State.QUEUED
    bench.end(large)
    bench.started(late)


def test_canceling_the_waiting_head_lets_the_next_in(make: Callable[[int], Bench]) -> None:
    bench = make(2)
    small, large, late = bench.submit(), bench.submit(2), bench.submit()
    bench.started(small)
    bench.pool.cancel(large)
    assert large.state is State.CANCELED
    bench.started(late)
    assert large.id not in bench.works


def test_an_active_task_is_canceling_until_it_has_ended(make: Callable[[int], Bench]) -> None:
    bench = make(1)
    task = bench.submit()
    bench.started(task)
    bench.pool.cancel(task)
    bench.pool.cancel(task)
    bench.registry.move(task, State.RUNNING)  # said too late by what runs
    assert task.state is State.CANCELING
    bench.end(task)
    assert task.state is State.CANCELED


def test_a_cancel_that_comes_too_late_changes_nothing(make: Callable[[int], Bench]) -> None:
    bench = make(1)
    task = bench.submit()
    bench.started(task)
    bench.end(task)
    bench.pool.cancel(task)
    assert task.state is State.COMPLETE


def test_a_task_canceled_before_it_reaches_the_pool_never_runs(make: Callable[[int], Bench]) -> None:
    bench = make(1)
    task = bench.registry.create({"executors": []})
    bench.pool.cancel(task)
    bench.pool.submit(task)
    assert task.state is State.CANCELED
    bench.started(bench.submit())
    assert task.id not in bench.works


def test_a_fault_of_ours_ends_the_task_and_frees_the_slot(
    make: Callable[[int], Bench], caplog: pytest.LogCaptureFixture
) -> None:
    bench = make(1)
    task = bench.submit()
    bench.started(task)
    bench.works[task.id].error = RuntimeError("broken")
    bench.end(task)
    assert task.state is State.SYSTEM_ERROR
    assert "broken" in caplog.text
    bench.started(bench.submit())


def test_what_runs_when_the_pool_closes_is_a_system_error(make: Callable[[int], Bench]) -> None:
    bench = make(1)
    task, waiting = bench.submit(), bench.submit()
    bench.started(task)
    at_once([bench.pool.close, bench.works[task.id].end])
    # Whichever came first: killed by the stop, or ended by itself just before.
    assert task.state in (State.SYSTEM_ERROR, State.COMPLETE)
    if task.state is State.SYSTEM_ERROR:
        log = bench.registry.contents(task).log
        assert log is not None
        assert STOPPED in log["system_logs"]
    assert waiting.id not in bench.works


def test_threads_that_cancel_and_submit_leave_no_slot_behind(make: Callable[[int], Bench]) -> None:
    bench = make(3)
    tasks = [bench.submit(1 + number % 3) for number in range(30)]

    def let_go() -> None:
        def all_ended() -> bool:
            for work in list(bench.works.values()):
                work.end()
            return all(task.state.finished for task in tasks)

        wait_until(all_ended, "all ended")

    outcomes = at_once([let_go, *(lambda task=task: bench.pool.cancel(task) for task in tasks[::2])])
    assert outcomes == [None] * len(outcomes)
    bench.started(bench.submit(3))
