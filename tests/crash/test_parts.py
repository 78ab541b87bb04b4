"""The suite itself, without a gateway: its instance keeps its word, and its checks see what they should."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from protes.store.records import Lease, Phase, TaskRecord
from protes.tes.states import State
from tests.crash.checks import Copy, Evidence, explained, violations
from tests.crash.client import TES, Wish, wishes
from tests.crash.instance_tasks import tasks_in
from tests.crash.journal import Journal, read_journal
from tests.crash.programs import Program, free_port
from tests.crash.schedule import schedule
from tests.crash.system import LONG, SHORT
from tests.support.task_records import START, a_task, an_attempt
from tests.support.waiting import wait_until

URL = "https://one.example/ga4gh/tes/v1"


def test_a_schedule_is_the_same_for_the_same_seed_and_has_every_fault() -> None:
    kinds = ["a", "b", "c"]
    events = schedule(7, kinds, 30, times=4)
    assert events == schedule(7, kinds, 30, times=4)
    assert events != schedule(8, kinds, 30, times=4)
    assert sorted(event.kind for event in events) == sorted(kinds * 4)
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert all(0 < event.at < 30 for event in events)
    assert len({tuple(event.kind for event in schedule(seed, kinds, 30)) for seed in range(60)}) == 6


def test_the_long_form_has_as_many_tasks_on_a_slow_database() -> None:
    assert LONG.tasks == LONG.for_ferretdb().tasks == 2000
    assert SHORT.for_ferretdb().tasks < SHORT.tasks


def test_some_of_the_tasks_fail_and_some_are_cancelled() -> None:
    made = wishes(1, 400)
    assert made == wishes(1, 400)
    assert 0 < sum(wish.cancelled for wish in made) < 100
    assert 0 < sum(wish.exit_code != 0 for wish in made) < 100


def test_a_line_that_a_crash_cut_short_is_no_line(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.append("create", "a")
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"event": "cre')
    assert [line["id"] for line in read_journal(tmp_path / "journal")] == ["a"]
    with closing(Journal(tmp_path / "journal")) as journal:
        journal.append("create", "b")
    assert [line["id"] for line in read_journal(tmp_path / "journal")] == ["a", "b"]


@pytest.fixture(name="instance")
def _instance(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start an instance in a process of its own."""
    started: list[Program] = []

    def start(*more: str) -> Program:
        arguments = ["--folder", str(tmp_path / "one"), "--name", "one", "--port", str(free_port()), *more]
        started.append(Program("one", ["tests.crash.instance", *arguments], tmp_path))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()


def _post(url: str, wish: Wish, marker: str) -> str:
    document = {**wish.document, "tags": {"protes_attempt": marker}}
    return str(requests.post(f"{url}{TES}/tasks", json=document, timeout=10).json()["id"])


def _get(url: str, path: str, **query: str) -> Any:
    return requests.get(f"{url}{TES}{path}", params=query, timeout=10).json()


def test_an_instance_goes_on_after_kill_9_with_all_that_it_has_accepted(
    instance: Callable[..., Program], tmp_path: Path
) -> None:
    program = instance()
    short, long = Wish(0, 0.1, 3, cancelled=False), Wish(1, 60, 0, cancelled=True)
    ids = [_post(program.url, wish, f"task-{wish.number}-1") for wish in (short, long)]
    program.kill()
    program.start()
    wait_until(lambda: bool(_get(program.url, f"/tasks/{ids[0]}")["state"] == "EXECUTOR_ERROR"), "it ends")
    wait_until(lambda: bool(_get(program.url, f"/tasks/{ids[1]}")["state"] == "RUNNING"), "it runs")
    requests.post(f"{program.url}{TES}/tasks/{ids[1]}:cancel", timeout=10)
    executor = _get(program.url, f"/tasks/{ids[0]}", view="FULL")["logs"][0]["logs"][0]
    assert (executor["exit_code"], executor["stdout"]) == (3, short.text)
    found = _get(program.url, "/tasks", tag_key="protes_attempt", tag_value="task-1-1", view="BASIC")["tasks"]
    assert [(each["id"], each["state"]) for each in found] == [(ids[1], "CANCELED")]
    page = _get(program.url, "/tasks", page_size="1")
    assert page["tasks"][0]["id"] == ids[1]
    assert _get(program.url, "/tasks", page_size="1", page_token=page["next_page_token"])["tasks"][0]["id"] == ids[0]
    assert [task.state for task in tasks_in(tmp_path / "one")] == ["EXECUTOR_ERROR", "CANCELED"]


def test_an_instance_that_is_stopped_answers_when_it_wakes_up(instance: Callable[..., Program]) -> None:
    program = instance()
    program.signal(signal.SIGSTOP)
    with pytest.raises(requests.Timeout):
        requests.get(f"{program.url}{TES}/service-info", timeout=0.3)
    program.signal(signal.SIGCONT)
    assert _get(program.url, "/service-info")["id"] == "org.ga4gh.protes.node"


def test_a_reset_comes_before_after_or_instead_of_the_commit(instance: Callable[..., Program], tmp_path: Path) -> None:
    program = instance("--reset-share", "1", "--seed", "3", "--dialect", "funnel")
    for number in range(12):
        with pytest.raises(requests.ConnectionError):
            _post(program.url, Wish(number, 0, 0, cancelled=False), f"task-{number}-1")
    at_once = len(tasks_in(tmp_path / "one"))
    assert 0 < at_once < 12
    wait_until(lambda: at_once < len(tasks_in(tmp_path / "one")) < 12, "some come late")


def _evidence(
    *, cancelled: bool = False, copies: int = 1, state: str = "COMPLETE", record: TaskRecord | None = None, **shown: Any
) -> Evidence:
    wish = Wish(0, 1.0, 0, cancelled=cancelled, id="task")
    log = {"logs": [{"start_time": "a", "end_time": "b", "exit_code": 0, "stdout": wish.text, "stderr": ""}]}
    made = tuple(Copy(URL, f"one-{number}", f"task-{number}", state, log, 1) for number in range(1, copies + 1))
    attempt = an_attempt(phase=Phase.FINISHED, instance_task_id="one-1", instance_url=URL)
    stored = record or a_task("task", due_at=None, state=State.COMPLETE, attempts=(attempt,))
    return Evidence([wish], {"task": {"id": "task", "state": state, "logs": [log], **shown}}, {"task": stored}, made)


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert violations(_evidence()) == []
    assert violations(_evidence(cancelled=True, state="CANCELED")) == []
    assert violations(_evidence(cancelled=True, state="CANCELED", copies=0)) == []


LEASE = Lease("somebody", "token", START + timedelta(seconds=60))
DONE = _evidence().records["task"]


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (_evidence(copies=0), "ran nowhere"),
        (_evidence(copies=2), "ran 2 times"),
        (_evidence(state="SYSTEM_ERROR"), "should be COMPLETE"),
        (_evidence(state="CANCELED"), "should be COMPLETE"),
        (_evidence(cancelled=True, state="CANCELED", copies=2), "ran 2 times"),
        (_evidence(logs=[{"logs": []}]), "another log"),
        (_evidence(record=replace(DONE, lease=LEASE)), "lease of somebody"),
        (_evidence(record=replace(DONE, due_at=START)), "is due"),
        (_evidence(record=replace(DONE, state=State.RUNNING)), "RUNNING still"),
        (_evidence(record=replace(DONE, attempts=(an_attempt(phase=Phase.UNKNOWN),))), "left UNKNOWN"),
        (_evidence(record=replace(DONE, attempts=())), "no attempt knows"),
        (replace(_evidence(), shown={}), "not shown"),
        (replace(_evidence(), records={}), "not stored"),
        (replace(_evidence(), records={"task": DONE, "second": replace(DONE, id="second")}), "a second task"),
        (replace(_evidence(), wishes=[Wish(0, 1, 0, cancelled=False)]), "never accepted"),
        (replace(_evidence(), copies=[replace(_evidence().copies[0], starts=2)]), "started 2 times"),
        (replace(_evidence(), copies=[replace(_evidence().copies[0], marker="lost-1")]), "no such task is stored"),
    ],
)
def test_what_is_wrong_is_seen_and_explained(evidence: Evidence, text: str) -> None:
    wrong = violations(evidence)
    assert any(text in explained(evidence, each) for each in wrong), wrong
