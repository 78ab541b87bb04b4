"""What a node remembers: on disk before it is shown, over a restart, and when the disk fails."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protes.clock import Clock, ManualClock
from protes.node.errors import Interrupted
from protes.node.records import Record
from protes.node.tasks import DirectoryInUse, Query, Tasks
from protes.tes.states import State
from tests.support.waiting import at_once

DOCUMENT = {"executors": [{"image": "i", "command": ["true"]}], "inputs": [{"path": "/i", "content": "secret"}]}


@contextmanager
def opened(directory: Path, clock: Clock | None = None) -> Iterator[Tasks]:
    tasks = Tasks(directory, clock or ManualClock())
    try:
        yield tasks
    finally:
        tasks.close()


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[Tasks]:
    with opened(tmp_path) as found:
        yield found


def new(tasks: Tasks) -> Record:
    return tasks.create(json.loads(json.dumps(DOCUMENT)), {"node": "n"}, ["note"])


def on_disk(record: Record) -> dict[str, object]:
    found: dict[str, object] = json.loads((record.folder / "task.json").read_bytes())["document"]
    return found


def test_every_state_is_on_disk(tasks: Tasks) -> None:
    record = new(tasks)
    assert on_disk(record) == record.full()
    for state in (State.INITIALIZING, State.RUNNING):
        record.enter(state)
        assert on_disk(record)["state"] == state
    with record.changing() as log:
        log["logs"].append({"stdout": "out", "stderr": "", "exit_code": 0})
    record.finish(State.COMPLETE)
    assert on_disk(record) == record.full()
    assert record.full()["logs"][0]["logs"][0]["stdout"] == "out"
    assert [each.name for each in record.folder.iterdir()] == ["task.json"]
    assert "secret" not in json.dumps(record.document)  # in memory, only what lists need


def test_an_end_is_final(tasks: Tasks) -> None:
    record = new(tasks)
    record.enter(State.INITIALIZING)
    record.finish(State.COMPLETE)
    before = record.full()
    record.cancel()
    record.stop("too late")
    record.finish(State.SYSTEM_ERROR, "too late")
    assert record.full() == before


def test_a_cancelled_task_is_interrupted_and_ends_cancelled_whatever_it_says(tasks: Tasks) -> None:
    record = new(tasks)
    record.enter(State.INITIALIZING)
    stops: list[str] = []
    with record.stopped_by(lambda: stops.append("first")):
        record.cancel()
        record.cancel()
    with record.stopped_by(lambda: stops.append("second")):
        assert stops == ["first", "second"]
    assert str(record.state) == "CANCELING"
    for call in (record.go_on, lambda: record.enter(State.RUNNING)):
        with pytest.raises(Interrupted):
            call()
    record.finish(State.COMPLETE)
    assert str(record.state) == "CANCELED"


def test_a_stopped_task_ends_in_a_system_error(tasks: Tasks) -> None:
    record = new(tasks)
    record.enter(State.INITIALIZING)
    record.stop("the node was stopped")
    with pytest.raises(Interrupted):
        record.go_on()
    record.finish(State.SYSTEM_ERROR)
    assert record.full()["logs"][0]["system_logs"] == ["note", "the node was stopped"]


def test_a_restart_knows_what_has_ended_and_ends_what_had_not(tmp_path: Path) -> None:
    with opened(tmp_path) as tasks:
        ended, active, queued = new(tasks), new(tasks), new(tasks)
        ended.enter(State.INITIALIZING)
        ended.finish(State.EXECUTOR_ERROR)
        active.enter(State.INITIALIZING)
        (active.folder / "work" / "root").mkdir(parents=True)
        half = tmp_path / "tasks" / "half"
        half.mkdir()
        (half / "task.json").write_text('{"docu')  # its creation was never answered
        before = ended.full()
    with opened(tmp_path) as tasks:
        assert [each.id for each in tasks.page(Query())[0]] == [queued.id, active.id, ended.id]
        found = tasks.get(ended.id)
        assert found is not None
        assert found.full() == before
        for each in (active, queued):
            again = tasks.get(each.id)
            assert again is not None
            assert again.state is State.SYSTEM_ERROR
            assert "the node died" in again.full()["logs"][0]["system_logs"][-1]
        assert not half.exists()
        assert not (active.folder / "work").exists()


def test_ids_ascend_also_when_the_clock_is_set_back(tmp_path: Path) -> None:
    ids = []
    for year in (2031, 2030):
        with opened(tmp_path, ManualClock(datetime(year, 1, 1, tzinfo=UTC))) as tasks:
            ids += [new(tasks).id for _ in range(3)]
    assert ids == sorted(set(ids))


def test_many_at_once(tasks: Tasks) -> None:
    made = at_once([lambda: new(tasks).id] * 16)
    assert [each.id for each in tasks.page(Query())[0]] == sorted(map(str, made), reverse=True)


def test_pages_neither_repeat_nor_miss(tasks: Tasks) -> None:
    ids = [new(tasks).id for _ in range(7)]
    seen: list[str] = []
    more = True
    while more:
        page, more = tasks.page(Query(before=seen[-1] if seen else "", limit=3))
        seen += [each.id for each in page]
        new(tasks)  # newer ones do not come in between
    assert seen == ids[::-1]


def test_a_directory_belongs_to_one_node(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(DirectoryInUse, match="another node works in"):
        Tasks(tmp_path, ManualClock())
    with opened(tmp_path):
        pass


def test_a_task_that_cannot_be_written_does_not_exist(tasks: Tasks, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "tasks")
    with pytest.raises(FileNotFoundError):
        new(tasks)
    assert tasks.page(Query()) == ([], False)


def test_an_end_that_cannot_be_written_is_the_one_that_a_restart_will_see(tasks: Tasks) -> None:
    record = new(tasks)
    record.enter(State.INITIALIZING)
    shutil.rmtree(record.folder)
    record.finish(State.COMPLETE)
    assert record.state is State.SYSTEM_ERROR
    assert "could not be written" in record.full()["logs"][0]["system_logs"][-1]


def test_a_task_is_forgotten_a_day_after_its_end_and_never_before_it_has_ended(tmp_path: Path) -> None:
    clock = ManualClock()
    with opened(tmp_path, clock) as tasks:
        active, ended = new(tasks), new(tasks)
        clock.advance(3 * 86400)
        ended.finish(State.COMPLETE)
        clock.advance(86000)
        late = new(tasks)
        assert tasks.get(ended.id) is ended
        clock.advance(500)
        newest = new(tasks)
        assert tasks.get(ended.id) is None
        assert not ended.folder.exists()
        assert [each.id for each in tasks.page(Query())[0]] == [newest.id, late.id, active.id]


def test_a_task_cancelled_between_its_turn_and_its_start_does_not_start(tasks: Tasks) -> None:
    record = new(tasks)
    record.cancel()  # as a client does just after a worker has taken the task from the queue
    with pytest.raises(Interrupted):
        record.enter(State.INITIALIZING)
    record.note("what came too late")
    record.finish(State.SYSTEM_ERROR)
    assert record.state is State.CANCELED
    assert on_disk(record) == record.full()
    assert "what came too late" not in record.full()["logs"][0]["system_logs"]
