"""Real processes under load, and what befalls them: nothing is lost, nothing runs twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from tests.crash.checks import explained, violations
from tests.crash.client import Engine, wishes
from tests.crash.faults import play
from tests.crash.schedule import schedule
from tests.crash.system import Pace, System

pytestmark = [pytest.mark.crash, pytest.mark.timeout(9000)]

_MOST_EXPLAINED = 5
_MOST_FILES = 150
"""Of one process: some 40 are usual; one left open with each task, or each failure, would be hundreds."""

Build = Callable[..., System]


@pytest.mark.parametrize(
    ("topology", "kinds"),
    [
        ("embedded", ["kill an API worker", "kill the API"]),
        ("scaled", ["kill an API worker", "kill the API", "kill a worker"]),
    ],
)
def test_processes_are_killed(build: Build, pace: Pace, seed: int, topology: str, kinds: Sequence[str]) -> None:
    _survives(build(topology), pace, seed, kinds)


@pytest.mark.parametrize("topology", ["embedded", "scaled"])
def test_instances_are_killed_and_stopped(build: Build, pace: Pace, seed: int, topology: str) -> None:
    _survives(build(topology), pace, seed, ["kill an instance", "freeze an instance"])


@pytest.mark.parametrize(("topology", "kind"), [("embedded", "freeze an API worker"), ("scaled", "freeze a worker")])
def test_a_holder_of_leases_wakes_up_after_they_have_expired(
    build: Build, pace: Pace, seed: int, topology: str, kind: str
) -> None:
    _survives(build(topology), pace, seed, [kind])


def test_the_broker_is_killed(build: Build, pace: Pace, seed: int) -> None:
    _survives(build("scaled"), pace, seed, ["kill the broker"])


def test_the_database_is_killed(build: Build, pace: Pace, seed: int) -> None:
    _survives(build("mongodb"), pace.for_ferretdb(), seed, ["kill the database", "kill a worker"])


def test_the_disk_is_full(build: Build, pace: Pace, seed: int) -> None:
    _survives(build("embedded", full_disk=True), pace, seed, ["fill the disk", "kill an API worker"])


@pytest.mark.parametrize(("topology", "kill"), [("embedded", "kill the API"), ("scaled", "kill a worker")])
def test_clocks_jump(build: Build, pace: Pace, seed: int, topology: str, kill: str) -> None:
    kinds = ["clock an hour ahead", "clock an hour behind", "clock right", kill]
    _survives(build(topology, clocks=True), pace, seed, kinds)


def _survives(system: System, pace: Pace, seed: int, kinds: Sequence[str]) -> None:
    """Put the system under load, let faults befall it, and look whether all is as it should be."""
    print(f"\n--crash-seed {seed}", flush=True)
    tasks = wishes(seed, pace.tasks)
    engine = Engine(system.url, "under-faults", tasks, pace.load_seconds, pace.patience_seconds)
    begun = time.monotonic()
    engine.start()
    try:
        play(system, pace, schedule(seed, kinds, pace.load_seconds, pace.times), lambda: time.monotonic() - begun)
        engine.join()
    finally:
        engine.stop()
    print(f"{time.monotonic() - begun:7.2f} s  all submitted", flush=True)
    for clock in system.clocks:
        clock.jump(0)  # somebody sets them right in the end
    assert engine.problems == [], _tails(system)
    system.wait_for_quiet(pace.patience_seconds)
    print(f"{time.monotonic() - begun:7.2f} s  quiet, open files {system.open_files()}", flush=True)
    most = max(max(counts) for counts in system.open_files().values())
    assert most < _MOST_FILES, f"connections leak: {system.open_files()}"
    evidence = system.evidence(tasks)
    wrong = violations(evidence)
    report = "\n".join(explained(evidence, each) for each in wrong[:_MOST_EXPLAINED])
    assert not wrong, f"{len(wrong)} violations, --crash-seed {seed}\n{report}\n{_tails(system)}"


def _tails(system: System) -> str:
    return "\n".join(f"--- the end of the log of {program.name}\n{program.tail()}" for program in system.programs)
