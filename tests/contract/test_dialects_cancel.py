"""Cancellation in every phase, for every family: what counts is what the server shows afterwards (DIALECTS.md 2.6)."""

import pytest

from tests.support.dialects.driving import (
    CASES_THAT_RUN,
    FAMILIES_THAT_RUN,
    Case,
    forwarded,
    gateway_to,
    sweeps,
)
from tests.support.dialects.families import FAMILIES
from tests.support.dialects.ours import Node
from tests.support.dialects.tesazure import Tesazure

every_case_that_runs = pytest.mark.parametrize("case", CASES_THAT_RUN, ids=str)


@every_case_that_runs
def test_a_task_that_waits_or_runs_is_canceled_there_and_here(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        (waits, waiting), (runs, running) = (forwarded(gateway, fake) for _ in range(2))
        sweeps(gateway)
        fake.start(running.id)
        sweeps(gateway)
        for task_id in (waits, runs):
            gateway.cancel(task_id)
        gateway.turns(4, 10)
        assert [gateway.state(each) for each in (waits, runs)] == ["CANCELED", "CANCELED"]
        assert [each.state for each in (waiting, running)] == ["CANCELED", "CANCELED"]
        pushed = fake.count("cancel")
        gateway.cancel(runs)
        sweeps(gateway, 3)
        assert fake.count("cancel") == pushed
        assert [gateway.record(each).due_at for each in (waits, runs)] == [None, None]
        assert not any("has not confirmed" in gateway.notes(each) for each in (waits, runs))


@every_case_that_runs
def test_what_has_just_finished_keeps_its_end_and_its_log(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        fake.finish(copy.id, stdout="7 in.txt\n")
        gateway.cancel(task_id)
        gateway.turns(3, 10)
        sweeps(gateway, 2)
        assert gateway.state(task_id) == "COMPLETE"
        [entry] = gateway.task(task_id)["logs"]
        assert entry["logs"][0]["exit_code"] == 0
        assert entry["logs"][0].get("stdout") == fake.told("7 in.txt\n")


TRAPS_OF_CANCELLATION = [
    Case("funnel", "cancel_fails"),
    Case("ga4gh-tes", "beta"),
    Case("ga4gh-tes", "cancel_races"),
    Case("tesazure", "gone_at_once"),
]


@pytest.mark.parametrize("case", [*FAMILIES_THAT_RUN, *TRAPS_OF_CANCELLATION], ids=str)
def test_a_cancellation_that_meets_trouble_is_pushed_until_it_arrives(case: Case) -> None:
    with case.fake() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.start(copy.id)
        sweeps(gateway)
        for fault in ("reset", "500", "conflict"):
            fake.fault("cancel", fault)
        gateway.cancel(task_id)
        gateway.turns(10, 10)
        assert gateway.state(task_id) == "CANCELED"
        assert copy.state == "CANCELED"


@pytest.mark.parametrize("family", ["mock-tes", "tesazure"])
def test_a_task_not_yet_forwarded_never_reaches_it(family: str) -> None:
    with FAMILIES[family]() as fake, gateway_to(fake) as gateway:
        task_id = gateway.post()
        gateway.cancel(task_id)
        gateway.turns(3, 30)
        assert gateway.state(task_id) == "CANCELED"
        assert fake.count("create") == 0


@pytest.mark.parametrize(
    "case",
    [*FAMILIES_THAT_RUN, Case("funnel-0.10", "no_tag_filter"), Case("ga4gh-tes", "before_5_4")],
    ids=str,
)
def test_a_lost_submission_is_found_first_and_then_canceled(case: Case) -> None:
    with case.fake() as fake, Node() as other, gateway_to(fake, other) as gateway:
        fake.crowd(3, "RUNNING")
        fake.fault("create", "reset_after_commit")
        task_id = gateway.post(weight="0")
        gateway.turn()
        gateway.cancel(task_id)
        sweeps(gateway, 6)
        assert gateway.state(task_id) == "CANCELED"
        [copy] = fake.copies(f"{task_id}-1")
        assert copy.state == "CANCELED"
        assert other.count("create") == 0
        assert [task.cancels for task in fake.tasks.values() if task.marker is None] == [0, 0, 0]


def test_a_finished_task_whose_job_tesazure_has_deleted_is_lost_not_canceled() -> None:
    with Tesazure() as fake, gateway_to(fake) as gateway:
        task_id, copy = forwarded(gateway, fake)
        fake.finish(copy.id)
        fake.reap(copy.id)
        sweeps(gateway, 5)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert fake.count("create") == 1
