"""The gateway in front of a real Funnel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from protes.api.problems import Problem
from protes.tes.build import ATTEMPT_TAG
from tests.peers.cutting_proxy import CuttingProxy
from tests.peers.funnel import Funnel
from tests.support.harness import Harness
from tests.support.waiting import wait_until

pytestmark = pytest.mark.services

SLEEP = ["sleep", "60"]
ENDED = ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")


def task(*command: str, **fields: Any) -> dict[str, Any]:
    return {"name": "t", "executors": [{"image": "debian", "command": list(command)}], **fields}


@pytest.fixture
def proxy(funnel: Funnel) -> Iterator[CuttingProxy]:
    with CuttingProxy(funnel.url) as between:
        yield between


@pytest.fixture
def gateway(proxy: CuttingProxy) -> Iterator[Harness]:
    with Harness({"id": "funnel", "url": proxy.url}) as between:
        between.probe()
        yield between


def attempt(gateway: Harness, task_id: str) -> str:
    """Return the id of the task at Funnel."""
    found = gateway.record(task_id).attempts[-1].instance_task_id
    assert found is not None
    return found


def copies(gateway: Harness, funnel: Funnel, task_id: str) -> list[str]:
    """Return the ids of all tasks at Funnel with the task's marker."""
    marker = f"{task_id}-{gateway.record(task_id).attempts[-1].n}"
    page = funnel.list(tag_key=ATTEMPT_TAG, tag_value=marker, view="BASIC")
    return [each["id"] for each in page["tasks"]]


def follow(gateway: Harness, task_id: str, *states: str) -> dict[str, Any]:
    """Have the gateway look until it shows the task in one of the states."""

    def there() -> bool:
        gateway.turn(2)
        return gateway.state(task_id) in states

    wait_until(there, f"{task_id} in {states}", 30)
    return gateway.task(task_id)


def test_it_is_recognised(gateway: Harness) -> None:
    [known] = gateway.services.federation.view().instances
    assert known.dialect == "funnel"


def test_a_task_runs_and_its_output_comes_back(gateway: Harness, funnel: Funnel) -> None:
    task_id = gateway.post(task("sh", "-c", "echo out; echo err >&2"))
    gateway.turn()
    shown = follow(gateway, task_id, *ENDED)
    assert shown["state"] == "COMPLETE"
    [executor] = shown["logs"][0]["logs"]
    assert (executor["exit_code"], executor["stdout"], executor["stderr"]) == (0, "out\n", "err\n")
    assert shown["logs"][0]["metadata"]["protes.instance"] == "funnel"
    assert copies(gateway, funnel, task_id) == [attempt(gateway, task_id)]


def test_an_exit_code_comes_back(gateway: Harness) -> None:
    task_id = gateway.post(task("sh", "-c", "echo no such file >&2; exit 3"))
    gateway.turn()
    shown = follow(gateway, task_id, *ENDED)
    [executor] = shown["logs"][0]["logs"]
    assert (shown["state"], executor["exit_code"], executor["stderr"]) == ("EXECUTOR_ERROR", 3, "no such file\n")


def test_files_go_in_and_out(gateway: Harness, funnel: Funnel) -> None:
    name = uuid4().hex
    given, made = funnel.folder / f"{name}.in", funnel.folder / f"{name}.out"
    given.write_text("abc")
    document = task(
        "sh",
        "-c",
        "tr a-z A-Z < /in/word > /out/word; cat /in/note >> /out/word",
        inputs=[{"url": given.as_uri(), "path": "/in/word"}, {"content": "-note", "path": "/in/note"}],
        outputs=[{"url": made.as_uri(), "path": "/out/word"}],
    )
    task_id = gateway.post(document)
    gateway.turn()
    shown = follow(gateway, task_id, *ENDED)
    assert shown["state"] == "COMPLETE", shown
    assert Path(made).read_text() == "ABC-note"
    [output] = shown["logs"][0]["outputs"]
    assert (output["path"], output["size_bytes"]) == ("/out/word", "8")


@pytest.mark.parametrize(
    ("executor", "text"),
    [({"ignore_error": True}, "ignore_error"), ({"env": {"A": "x y"}}, "white space"), ({"workdir": "/a b"}, "white")],
    ids=["ignore_error", "env", "workdir"],
)
def test_what_it_would_not_do_rightly_is_not_sent_there(gateway: Harness, executor: dict[str, Any], text: str) -> None:
    with pytest.raises(Problem, match=f"does not support .*{text}"):
        gateway.post({"executors": [{"image": "debian", "command": ["true"], **executor}]})


def test_a_cancelled_executor_has_no_exit_code(gateway: Harness) -> None:
    task_id = gateway.post(task("sh", "-c", "echo begun; sleep 60"))
    gateway.turn()
    follow(gateway, task_id, "RUNNING")
    gateway.cancel(task_id)
    shown = follow(gateway, task_id, "CANCELED")
    assert [each["logs"] for each in shown.get("logs", [])] in ([], [[]])


def test_an_answer_that_is_lost_leaves_one_task(gateway: Harness, proxy: CuttingProxy, funnel: Funnel) -> None:
    proxy.cut("POST")
    task_id = gateway.post(task("echo", "once"))
    gateway.turn()
    assert proxy.cuts == 1
    shown = follow(gateway, task_id, *ENDED)
    assert shown["state"] == "COMPLETE"
    assert len(gateway.record(task_id).attempts) == 1
    assert copies(gateway, funnel, task_id) == [attempt(gateway, task_id)]


def test_a_search_shows_what_was_just_accepted(funnel: Funnel) -> None:
    for _ in range(5):
        marker = uuid4().hex
        task_id = funnel.create(task("true", tags={ATTEMPT_TAG: marker}))
        for view in ("MINIMAL", "BASIC"):
            page = funnel.list(tag_key=ATTEMPT_TAG, tag_value=marker, view=view)
            assert [each["id"] for each in page["tasks"]] == [task_id]


def test_twenty_tasks_are_followed_by_lists(gateway: Harness) -> None:
    made = [gateway.post(task("echo", str(number))) for number in range(20)]
    gateway.turn()

    def all_ended() -> bool:
        gateway.turn(2)
        return all(gateway.state(each) == "COMPLETE" for each in made)

    wait_until(all_ended, "all have ended", 60)
    outputs = [gateway.task(each)["logs"][0]["logs"][0]["stdout"] for each in made]
    assert outputs == [f"{number}\n" for number in range(20)]


def test_a_running_task_is_cancelled(gateway: Harness, funnel: Funnel) -> None:
    task_id = gateway.post(task(*SLEEP))
    gateway.turn()
    follow(gateway, task_id, "RUNNING")
    gateway.cancel(task_id)
    follow(gateway, task_id, "CANCELED")
    assert funnel.get(attempt(gateway, task_id), "MINIMAL")["state"] == "CANCELED"


def test_a_task_that_ended_before_its_cancellation_stays_as_it_ended(gateway: Harness, funnel: Funnel) -> None:
    task_id = gateway.post(task("true"))
    gateway.turn()
    funnel.wait(attempt(gateway, task_id), "COMPLETE")
    gateway.cancel(task_id)
    assert follow(gateway, task_id, *ENDED)["state"] == "COMPLETE"
