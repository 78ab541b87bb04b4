"""What an owner did within the last minute."""

from protes.clock import ManualClock
from protes.quotas.windows import Creations, DryRuns
from protes.store.factory import create_stores
from protes.store.ids import TaskIds
from tests.support.task_records import a_task


def test_what_is_stored_counts_whoever_stored_it() -> None:
    tasks, clock = create_stores("memory:").tasks, ManualClock()
    for owner in ("ada", "ada", "bob", "ada"):
        tasks.create(a_task(TaskIds().new(clock.now()), owner=owner))
        clock.advance(10)
    creations = Creations(tasks, clock)
    assert (creations.count("ada", 9), creations.count("ada", 2), creations.count("eve", 9)) == (3, 2, 0)
    assert creations.seconds_until_free("ada", 3) == 20
    assert creations.seconds_until_free("ada", 2) == 30
    clock.advance(20)
    assert creations.count("ada", 9) == 2
    clock.advance(30)
    assert creations.count("ada", 9) == 0


def test_what_its_id_does_not_show_is_remembered_for_a_minute() -> None:
    tasks, clock, ids = create_stores("memory:").tasks, ManualClock(), TaskIds()
    creations = Creations(tasks, clock)
    old = ids.new(clock.now())
    clock.advance(3600)
    for task_id in (old, ids.new(clock.now())):
        tasks.create(a_task(task_id, owner="ada"))
        creations.note("ada", task_id)
    assert creations.count("ada", 9) == 2
    assert creations.seconds_until_free("ada", 2) == 60
    clock.advance(60.1)
    assert creations.count("ada", 9) == 0


def test_ids_that_are_ahead_of_the_clock_are_not_counted_for_ever() -> None:
    tasks, clock = create_stores("memory:").tasks, ManualClock()
    ahead = ManualClock()
    ahead.advance(7200)
    task_id = TaskIds().new(ahead.now())
    tasks.create(a_task(task_id, owner="ada"))
    creations = Creations(tasks, clock)
    assert creations.count("ada", 9) == 0
    creations.note("ada", task_id)
    assert creations.count("ada", 9) == 1
    clock.advance(61)
    assert creations.count("ada", 9) == 0


def test_dry_runs_leave_notes_for_a_minute() -> None:
    records, clock = create_stores("memory:").records, ManualClock()
    for owner in ("ada", "bob", "ada"):
        DryRuns(records, clock).note(owner)
        clock.advance(10)
    dry_runs = DryRuns(records, clock)
    assert (dry_runs.count("ada", 9), dry_runs.count("ada", 1), dry_runs.count("", 9)) == (2, 1, 0)
    assert dry_runs.seconds_until_free("ada", 2) == 30
    clock.advance(30)
    assert dry_runs.count("ada", 9) == 1
