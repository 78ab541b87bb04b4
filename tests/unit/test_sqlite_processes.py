"""Several processes on one SQLite store, and processes that end badly."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from protes.store.factory import create_stores
from protes.store.records import TaskQuery
from tests.support.task_records import START, a_task


@contextmanager
def process(command: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start `tests.support.store_process`; afterwards it is gone."""
    arguments = [sys.executable, "-m", "tests.support.store_process", command, str(folder)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def lines(started: subprocess.Popen[str], end_of_input: str = "") -> list[str]:
    """Wait for its end and return what it said."""
    output, _ = started.communicate(end_of_input, timeout=100)
    assert started.returncode == 0
    return output.split("\n")[:-1]


def test_nothing_due_is_handed_out_twice_among_processes(tmp_path: Path) -> None:
    stores = create_stores(str(tmp_path))
    made = sorted(stores.tasks.create(a_task(due_at=START)).id for _ in range(100))
    with ExitStack() as stack:
        both = [stack.enter_context(process("due", tmp_path)) for _ in range(2)]
        for each in both:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in both:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        taken = [lines(each) for each in both]
    assert sorted(taken[0] + taken[1]) == made
    stores.close()


def test_a_new_folder_is_opened_by_many_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        all_of_them = [stack.enter_context(process("open", tmp_path / "new" / "folder")) for _ in range(4)]
        assert [lines(each) for each in all_of_them] == [["opened"]] * 4


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with ExitStack() as stack:
        both = [stack.enter_context(process("create", tmp_path)) for _ in range(2)]
        acknowledged = []
        for each in both:
            assert each.stdout is not None
            acknowledged += [each.stdout.readline().strip() for _ in range(20)]
            each.kill()
            # The last line may be cut off.
            acknowledged += each.stdout.read().split("\n")[:-1]
    stores = create_stores(str(tmp_path))
    stored = {record.id: record for record in stores.tasks.list(TaskQuery(limit=100_000))}
    assert set(acknowledged) <= set(stored)
    assert all(record.document for record in stored.values())
    stores.close()


def test_a_commit_that_finds_no_room_leaves_nothing_half_written(tmp_path: Path) -> None:
    with process("full", tmp_path) as started:
        *acknowledged, word, afterwards = lines(started)
    assert (word, afterwards) == ("unavailable", "afterwards")
    assert acknowledged
    stores = create_stores(str(tmp_path))
    stored = {record.id: record for record in stores.tasks.list(TaskQuery(limit=100_000))}
    assert set(stored) == {*acknowledged, "afterwards"}
    assert all(len(stored[task_id].document) == 20_000 for task_id in acknowledged)
    stores.close()


def test_a_store_does_not_pass_a_fork(tmp_path: Path) -> None:
    with process("fork", tmp_path) as started:
        assert lines(started) == ["the store was opened before fork; open it in each process"] * 2 + ["after"]
    stores = create_stores(str(tmp_path))
    assert [record.id for record in stores.tasks.list(TaskQuery())] == ["parents", "after"]
    stores.close()
