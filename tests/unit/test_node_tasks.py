"""What a node remembers: on disk, over a restart, and for how long."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from protes.clock import Clock, ManualClock
from protes.node import tasks as tasks_module
from protes.node.execution import kill_group
from protes.node.process_groups import identify, still_there
from protes.node.tasks import RESTARTED, DirectoryInUse, Filter, TaskRegistry, UnknownTask
from protes.tes.states import State
from tests.support.waiting import at_once

LOG: dict[str, Any] = {"logs": [{"exit_code": 0, "stdout": "out"}], "outputs": []}


@contextmanager
def registry(directory: Path, clock: Clock | None = None) -> Iterator[TaskRegistry]:
    directory.mkdir(exist_ok=True)
    opened = TaskRegistry(directory, clock or ManualClock(), kill_group)
    try:
        yield opened
    finally:
        opened.close()


def stored(directory: Path, task_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "tasks" / task_id / "task.json").read_bytes())
    return document


def test_a_task_is_on_disk_from_its_creation_to_its_end(tmp_path: Path) -> None:
    with registry(tmp_path) as known:
        task = known.create({"name": "a"})
        assert stored(tmp_path, task.id)["state"] == "QUEUED"
        known.work_folder(task).mkdir()
        (known.work_folder(task) / "file").touch()
        known.finish(task, State.COMPLETE, LOG)
        assert stored(tmp_path, task.id)["state"] == "COMPLETE"
        assert os.listdir(tmp_path / "tasks" / task.id) == ["task.json"]


def test_a_work_folder_without_permissions_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    with registry(tmp_path / "node") as known:
        task = known.create({})
        closed = known.work_folder(task) / "a" / "b"
        closed.mkdir(parents=True)
        (closed / "link").symlink_to(tmp_path / "precious")
        closed.chmod(0)
        closed.parent.chmod(0o500)
        known.finish(task, State.COMPLETE, LOG)
        assert not known.work_folder(task).exists()
    assert (tmp_path / "precious" / "file").exists()


def test_finished_tasks_are_known_after_a_restart(tmp_path: Path) -> None:
    with registry(tmp_path) as known:
        task = known.create({"name": "a", "tags": {"k": "v"}}, ["a warning"])
        known.finish(task, State.EXECUTOR_ERROR, LOG)
    with registry(tmp_path) as known:
        again = known.get(task.id)
        assert (again.state, again.name, again.tags) == (State.EXECUTOR_ERROR, "a", {"k": "v"})
        assert again.creation_time == task.creation_time
        assert known.contents(again).log == {**LOG, "system_logs": ["a warning"]}


def test_large_contents_are_read_from_disk(tmp_path: Path) -> None:
    log = {"logs": [{"exit_code": 0, "stdout": "x" * 100_000}], "outputs": []}
    with registry(tmp_path) as known:
        task = known.create({"name": "large"})
        known.finish(task, State.COMPLETE, log)
        assert task.contents is None
        assert known.contents(task).log == log
    with registry(tmp_path) as known:
        again = known.get(task.id)
        assert again.contents is None
        assert known.contents(again).document == {"name": "large"}
        assert known.page(Filter(name_prefix="lar"), 10)[0] == [again]


def test_unfinished_tasks_are_system_errors_after_a_restart(tmp_path: Path) -> None:
    with registry(tmp_path) as known:
        queued, running = known.create({}), known.create({})
        known.move(running, State.RUNNING)
        known.work_folder(running).mkdir()
    with registry(tmp_path) as known:
        for task in (queued, running):
            again = known.get(task.id)
            assert again.state is State.SYSTEM_ERROR
            log = known.contents(again).log
            assert log is not None
            assert log["system_logs"] == [RESTARTED]
            assert os.listdir(tmp_path / "tasks" / task.id) == ["task.json"]
    assert stored(tmp_path, running.id)["state"] == "SYSTEM_ERROR"


@contextmanager
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_processes_that_a_killed_node_left_are_ended_at_the_next_start(tmp_path: Path) -> None:
    with sleeper() as process:
        with registry(tmp_path) as known:
            task = known.create({})
            known.started(task, process.pid)
        with registry(tmp_path):
            assert process.wait(5) == -signal.SIGKILL


def test_a_process_with_a_reused_id_is_never_killed(tmp_path: Path) -> None:
    with sleeper() as process:
        with registry(tmp_path) as known:
            task = known.create({})
            known.started(task, process.pid)
        path = tmp_path / "tasks" / task.id / "task.json"
        document = json.loads(path.read_bytes())
        document["groups"][0]["start_ticks"] -= 1
        path.write_text(json.dumps(document))
        with registry(tmp_path) as known:
            assert known.get(task.id).state is State.SYSTEM_ERROR
        assert process.poll() is None


def test_a_group_is_told_from_others_with_its_number() -> None:
    with sleeper() as process:
        group = identify(process.pid)
        assert group is not None
        assert still_there(group)
        assert not still_there(replace(group, start_ticks=group.start_ticks + 1))
        assert not still_there(replace(group, boot_id="another boot"))
    assert identify(process.pid) is None


def test_a_directory_has_one_node_at_a_time(tmp_path: Path) -> None:
    with registry(tmp_path), pytest.raises(DirectoryInUse, match="another node works in"), registry(tmp_path):
        pass
    with registry(tmp_path):
        pass


def test_the_rest_of_a_creation_and_a_broken_file_harm_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with registry(tmp_path) as known:
        tasks = [known.create({}) for _ in range(3)]
    (tmp_path / "tasks" / tasks[0].id / "task.json").rename(tmp_path / "tasks" / tasks[0].id / "task.json.new")
    (tmp_path / "tasks" / tasks[1].id / "task.json").write_text("[]")
    (tmp_path / "tasks" / "something").mkdir()
    with registry(tmp_path) as known:
        assert [task.id for task in known.page(Filter(), 10)[0]] == [tasks[2].id]
    assert not (tmp_path / "tasks" / tasks[0].id).exists()
    assert tasks[1].id in caplog.text


def test_ids_sort_by_creation_whatever_the_clock_does(tmp_path: Path) -> None:
    clock = ManualClock()
    with registry(tmp_path, clock) as known:
        clock.advance(100)
        ids = [known.create({}).id for _ in range(3)]
    with registry(tmp_path, ManualClock()) as known:
        ids += [known.create({}).id for _ in range(3)]
        assert [task.id for task in known.page(Filter(), 10)[0]] == sorted(ids, reverse=True)
    assert ids == sorted(ids)


def test_tasks_created_at_once_are_all_kept_in_order(tmp_path: Path) -> None:
    with registry(tmp_path) as known:
        created = at_once([lambda: known.create({}).id for _ in range(16)])
        assert [task.id for task in known.page(Filter(), 100)[0]] == sorted(map(str, created), reverse=True)


def test_old_ends_are_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    with registry(tmp_path, clock) as known:
        old, active = known.create({}), known.create({})
        known.finish(old, State.COMPLETE, LOG)
        clock.advance(timedelta(hours=24).total_seconds() + 1)
        fresh = known.create({})
        assert known.get(old.id) is old  # lazily
        known.finish(fresh, State.COMPLETE, LOG)
        with pytest.raises(UnknownTask):
            known.get(old.id)
        assert [task.id for task in known.page(Filter(), 10)[0]] == [fresh.id, active.id]
        assert not (tmp_path / "tasks" / old.id).exists()


def test_only_so_many_ends_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_module, "_MOST_KEPT", 2)
    with registry(tmp_path) as known:
        tasks = [known.create({}) for _ in range(4)]
        for task in (tasks[3], *tasks[:3]):
            known.finish(task, State.COMPLETE, LOG)
        assert known.page(Filter(), 10)[0] == [tasks[2], tasks[1]]


def test_lists_by_name_state_and_tags(tmp_path: Path) -> None:
    with registry(tmp_path) as known:
        first = known.create({"name": "ab", "tags": {"k": "v"}})
        second = known.create({"name": "a.", "tags": {"k": "", "l": "w"}})
        known.finish(first, State.COMPLETE, LOG)

        def found(**wanted: Any) -> list[str]:
            return [task.id for task in known.page(Filter(**wanted), 10)[0]]

        assert found() == [second.id, first.id]
        assert found(name_prefix="a.") == [second.id]
        assert found(state=State.QUEUED) == [second.id]
        assert found(state=State.COMPLETE) == [first.id]
        assert found(state=State.RUNNING) == []
        assert found(tags={"k": "v"}) == [first.id]
        assert found(tags={"k": None}) == [second.id, first.id]
        assert found(tags={"k": None, "l": "w"}) == [second.id]
        assert found(tags={"m": None}) == []


def test_pages_hold_every_task_once(tmp_path: Path) -> None:
    with registry(tmp_path) as known:
        tasks = [known.create({"name": "even" if number % 2 == 0 else "odd"}) for number in range(7)]
        for size in range(1, 6):
            seen: list[str] = []
            before = None
            while True:
                page, before = known.page(Filter(name_prefix="even", state=State.QUEUED), size, before)
                seen += [task.id for task in page]
                assert page
                if before is None:
                    break
            assert seen == [task.id for task in tasks[::-2]]
