"""Every family of TES servers behind the gateway: found, recognised, given tasks, and read (DIALECTS.md 1 and 2).

The fakes do what the paper's tables say; nothing is said to the gateway about what they are.
"""

from collections.abc import Callable
from typing import Any

import pytest

from protes.store.records import Phase
from protes.tes.dialects.table import DIALECTS
from tests.support.dialects.base import DialectFake
from tests.support.dialects.driving import (
    ALL_CASES,
    CASES_THAT_RUN,
    FAMILIES_THAT_RUN,
    Case,
    differences,
    forwarded,
    gateway_to,
    last_attempt,
    plain,
    sweeps,
)
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.ours import Node
from tests.support.harness import TASK

every_case = pytest.mark.parametrize("case", ALL_CASES, ids=str)
every_case_that_runs = pytest.mark.parametrize("case", CASES_THAT_RUN, ids=str)
every_family_that_runs = pytest.mark.parametrize("case", FAMILIES_THAT_RUN, ids=str)


def test_there_is_a_fake_for_every_dialect() -> None:
    assert set(FAMILIES) == set(DIALECTS)


@every_case
def test_it_is_recognised_from_its_origin_and_a_plain_task_arrives_unaltered(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        [known] = gateway.services.federation.view().instances
        assert known.probed is not None
        assert known.probed.ok, known.probed.error
        assert known.dialect == case.family
        assert known.base_url in {fake.url + base for base in fake.BASES}
        assert fake.count("create") == 0
        sent = plain(fake)
        task_id, copy = forwarded(gateway, fake, sent)
        assert differences(sent, copy.document) == []
        assert last_attempt(gateway, task_id).phase is Phase.ACCEPTED
        assert gateway.state(task_id) == "QUEUED"
        assert gateway.task(task_id)["executors"] == sent["executors"]
        assert fake.count("create") == 1


@every_case_that_runs
def test_its_states_and_ends_come_over_with_their_logs(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        (well, good), (ill, bad), (lost, dead) = (forwarded(gateway, fake) for _ in range(3))
        for state in ("QUEUED", "INITIALIZING"):
            fake.set_state(good.id, state)
            sweeps(gateway)
            assert gateway.state(well) == state
        for copy in (good, bad, dead):
            fake.start(copy.id)
        sweeps(gateway, 2)
        if fake.SHOWS_RUNNING and case.trap != "flaps":
            assert gateway.state(well) == "RUNNING"
        assert [each["logs"] for each in gateway.task(well).get("logs", ()) if each["logs"]] == []  # no exit code yet
        fake.finish(good.id, stdout="7 in.txt\n", stderr="done\n")
        fake.finish(bad.id, 3, stdout="7 in.txt\n", stderr="done\n")
        fake.fail(dead.id)
        sweeps(gateway, 2)
        for task_id, exit_code in ((well, 0), (ill, 3)):
            assert gateway.state(task_id) == fake.end_state(exit_code)
            [entry] = gateway.task(task_id)["logs"]
            [executor] = entry["logs"]
            assert executor["exit_code"] == exit_code
            assert executor.get("stdout") == fake.told("7 in.txt\n")
            assert executor.get("stderr") == fake.told("done\n", "stderr")
            assert executor["start_time"] < executor["end_time"]
            assert executor["end_time"].endswith("Z")
            assert gateway.record(task_id).due_at is None
        assert gateway.state(lost) == "SYSTEM_ERROR"
        assert fake.count("create") == 3


@every_family_that_runs
def test_it_goes_backwards_without_harm(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        for state in ("INITIALIZING", "QUEUED", "UNKNOWN", "NEW", "INITIALIZING"):
            fake.set_state(copy.id, state)
            sweeps(gateway)
            assert gateway.state(task_id) == (state if state in ("QUEUED", "INITIALIZING") else "QUEUED")
        fake.finish(copy.id)
        sweeps(gateway, 2)
        fake.set_state(copy.id, "RUNNING")
        sweeps(gateway, 2)
        assert gateway.state(task_id) == "COMPLETE"
        assert fake.count("create") == 1


@every_family_that_runs
def test_a_task_whose_machine_is_taken_away_ends_or_goes_on_as_it_does_there(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        fake.preempt(copy.id)
        sweeps(gateway, 2)
        if copy.state in ("SYSTEM_ERROR", "PREEMPTED"):
            assert gateway.state(task_id) == "SYSTEM_ERROR"
        else:
            assert gateway.state(task_id) in ("QUEUED", "INITIALIZING", "RUNNING")
            fake.finish(copy.id)
            sweeps(gateway, 2)
            assert gateway.state(task_id) == "COMPLETE"


@pytest.mark.parametrize("family", ["funnel", "funnel-0.11", "funnel-0.10"])
def test_an_error_that_funnel_takes_back_is_not_the_end(family: str) -> None:
    with FAMILIES[family]() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        fake.set_state(copy.id, "EXECUTOR_ERROR")
        sweeps(gateway)
        assert gateway.state(task_id) == "RUNNING"
        fake.set_state(copy.id, "QUEUED")
        sweeps(gateway)
        fake.finish(copy.id)
        sweeps(gateway, 2)
        assert gateway.state(task_id) == "COMPLETE"


@every_family_that_runs
def test_a_task_it_forgets_is_lost_after_patience(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        sweeps(gateway)
        fake.forget(copy.id)
        sweeps(gateway)
        assert gateway.state(task_id) == "QUEUED"
        sweeps(gateway, 3)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "it is lost there" in gateway.notes(task_id)
        assert fake.count("create") == 1


@pytest.mark.parametrize("case", [*FAMILIES_THAT_RUN, Case("tesp", "forgets_work")], ids=str)
def test_a_restart_of_the_server_changes_no_state(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.set_state(copy.id, "INITIALIZING")
        sweeps(gateway)
        fake.refuse()
        sweeps(gateway, 4)
        assert gateway.state(task_id) == "INITIALIZING"
        fake.resume()
        fake.finish(copy.id, stdout="ok")
        sweeps(gateway, 5)
        if case.trap == "forgets_work":  # only a cancellation ends that
            assert gateway.state(task_id) == "INITIALIZING"
            gateway.cancel(task_id)
            sweeps(gateway, 2)
            assert gateway.state(task_id) == "CANCELED"
        else:
            assert gateway.state(task_id) == "COMPLETE"


def test_mock_tes_takes_tasks_and_says_no_more_of_them() -> None:
    with FAMILIES["mock-tes"]() as fake, gateway_to(fake) as gateway:
        task_id, _ = forwarded(gateway, fake)
        assert last_attempt(gateway, task_id).instance_task_id == "task_id"
        sweeps(gateway, 5)
        assert gateway.state(task_id) == "QUEUED"
        gateway.cancel(task_id)
        sweeps(gateway, 5)
        assert gateway.state(task_id) == "CANCELED"


_WEB = "https://data.example.org/all"


def _executor(**fields: Any) -> dict[str, Any]:
    return {**TASK, "resources": {}, "executors": [{"image": "alpine", "command": ["true"], **fields}]}


DELICATE: dict[str, Callable[[DialectFake], dict[str, Any]]] = {
    "two executors": lambda _: {**TASK, "executors": [*TASK["executors"], *TASK["executors"]]},
    "a URL as argument": lambda _: _executor(command=["fetch", "https://example.org/a//b"]),
    "a relative path as argument": lambda _: _executor(command=["./run", "data/"]),
    "an empty argument": lambda _: _executor(command=["printf", ""]),
    "a script with paths": lambda _: _executor(command=["sh", "-c", "./run > /tmp//x"]),
    "stdout": lambda fake: _executor(stdout=f"{fake.DATA}/log"),
    "stdin": lambda fake: _executor(stdin=f"{fake.DATA}/in.txt"),
    "stderr": lambda fake: _executor(stderr=f"{fake.DATA}/err"),
    "workdir": lambda fake: _executor(workdir=fake.DATA),
    "ignore_error": lambda _: _executor(ignore_error=True),
    "volumes": lambda fake: {**TASK, "volumes": [f"{fake.DATA}/volume"]},
    "memory that is not whole": lambda _: {**TASK, "resources": {"ram_gb": 0.5}},
    "cores that are not whole": lambda _: {**TASK, "resources": {"cpu_cores": 2.7}},
    "preemptible": lambda _: {**TASK, "resources": {"preemptible": True}},
    "not preemptible": lambda _: {**TASK, "resources": {"preemptible": False}},
    "an empty file": lambda fake: {**TASK, "inputs": [{"content": "", "path": f"{fake.DATA}/e", "type": "FILE"}]},
    "a streamable input": lambda fake: {
        **TASK,
        "inputs": [{"url": fake.INPUT, "path": f"{fake.DATA}/in.txt", "streamable": True}],
    },
    "wildcards": lambda fake: {
        **TASK,
        "outputs": [{"url": _WEB, "path": f"{fake.DATA}/*.txt", "path_prefix": fake.DATA, "type": "FILE"}],
    },
    "strict backend parameters": lambda _: {
        **TASK,
        "resources": {"backend_parameters": {"queue": "long"}, "backend_parameters_strict": True},
    },
    "zones": lambda _: {**TASK, "resources": {"zones": ["eu"]}},
}


@every_family_that_runs
def test_what_it_would_change_or_drop_is_not_given_to_it(case: Case) -> None:
    """Each task goes where it is kept as it is; at most one server is asked that refuses it."""
    harmed: dict[str, list[str]] = {}
    with case.fake() as fake, Node() as node, gateway_to(fake, node) as gateway:
        for what, make in DELICATE.items():
            sent = make(fake)
            task_id = gateway.post(sent, weight="0")
            gateway.turns(2, 1)
            markers = [f"{task_id}-{attempt}" for attempt in (1, 2)]
            found = [(each, copy) for each in (fake, node) for marker in markers for copy in each.copies(marker)]
            [(taker, copy)] = found
            if lines := differences(sent, copy.document):
                harmed[what] = lines
            if what == "two executors" and not taker.SEVERAL_EXECUTORS:
                harmed[what] = ["only one is run"]
    assert harmed == {}
