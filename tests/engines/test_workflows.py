"""Every engine, unmodified, over three unequal nodes: its results, its failures, its cancellations, its preference."""

from pathlib import Path

import pytest

from tests.engines.cases import CASES, Case, started
from tests.engines.federation import Federation
from tests.engines.recorder import Recorder, recording
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def folder(over: Federation, request: pytest.FixtureRequest) -> Path:
    """A folder that engine and tasks share; it does not exist yet."""
    name: str = request.node.name
    return over.shared / name.replace("[", "-").rstrip("]")


def test_a_workflow_gives_what_it_gives_locally_at_the_cheapest_node(
    request: pytest.FixtureRequest, case: Case, over: Federation, folder: Path, tmp_path: Path
) -> None:
    with recording(over.url) as recorder:
        with (
            started(request, case, tmp_path / "local", "result", None) as local,
            started(request, case, folder, "result", recorder.url, "0") as run,
        ):
            local.succeed()
            run.succeed()
    assert case.result(folder) == (tmp_path / "local" / "result.txt").read_bytes()
    assert len(recorder.created) == case.tasks
    assert {over.state(task_id) for task_id in recorder.created} == {"COMPLETE"}
    went_by_its_weight(over, recorder, case, "0", "budget")


def test_a_failing_step_fails_the_workflow_with_its_own_words_at_the_fastest_node(
    request: pytest.FixtureRequest, case: Case, over: Federation, folder: Path
) -> None:
    with recording(over.url) as recorder:
        with started(request, case, folder, "broken", recorder.url, "1") as run:
            assert run.wait() != 0
            assert case.says in run.said
    *before, last = recorder.created
    assert [over.state(task_id) for task_id in before] == ["COMPLETE"] * len(before)
    shown = over.task(last)
    assert shown["state"] == "EXECUTOR_ERROR"
    [log] = shown["logs"]
    assert log["logs"][-1]["exit_code"] != 0
    if case.streams:
        assert "broken on purpose" in log["logs"][-1]["stderr"]
    went_by_its_weight(over, recorder, case, "1", "express")


def went_by_its_weight(over: Federation, recorder: Recorder, case: Case, weight: str, node: str) -> None:
    """Check that all requests came below the engine's root, and that the routing explains what the weight did."""
    assert {each.target.split("/tasks")[0] for each in recorder.asked} == {case.root(weight) + case.base}
    for task_id in recorder.created:
        assert over.ran_at(task_id) == node
        explained = over.routing(task_id)
        assert (explained["weight"], explained["carrier"], explained["chosen"]) == (weight, case.carrier, node)
        assert {each["instance"]: each["rank"] for each in explained["candidates"]}[node] == 1


def test_an_interrupted_run_leaves_no_task_behind(
    request: pytest.FixtureRequest, case: Case, over: Federation, folder: Path
) -> None:
    with recording(over.url) as recorder:
        with started(request, case, folder, "slow", recorder.url) as run:
            wait_until(lambda: bool(recorder.created), "the task is there", 60)
            [task_id] = recorder.created
            wait_until(lambda: over.state(task_id) == "RUNNING", "it runs", 30)
            run.interrupt()
            run.wait(60)
    if case.cancels:
        assert f"POST {case.root('0')}{case.base}/tasks/ID:cancel" in recorder.shapes
        wait_until(lambda: over.state(task_id) == "CANCELED", "it is cancelled", 30)
    else:
        assert over.state(task_id) == "RUNNING"
