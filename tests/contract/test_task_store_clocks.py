"""TaskStore on every backend: times that only a clock can have written that was wrong."""

from datetime import timedelta

import pytest

from protes.store.protocols import LeaseLost, TaskStore
from protes.store.records import FURTHEST_AHEAD
from tests.support.task_records import START, a_lease, a_task, an_attempt, at

FAR = FURTHEST_AHEAD.total_seconds()
A_MICROSECOND = timedelta(microseconds=1)


def test_a_task_that_is_due_too_far_ahead_is_due_now(tasks: TaskStore) -> None:
    tasks.create(a_task("soon", due_at=at(FAR)))
    tasks.create(a_task("b", due_at=at(FAR) + A_MICROSECOND))
    tasks.create(a_task("a", due_at=at(3600)))
    tasks.create(a_task("now", due_at=START))
    assert list(tasks.due(START, 2, at(30))) == ["now", "b"]
    assert list(tasks.due(START, 9, at(30))) == ["a"]
    assert list(tasks.due(at(1), 9, at(30))) == []


def test_a_stamp_that_lasts_too_long_keeps_no_task_back(tasks: TaskStore) -> None:
    """A clock that was an hour ahead has enqueued the task; then it was put right, and the job was lost."""
    tasks.create(a_task("a"))
    assert list(tasks.due(at(3600), 9, at(3630))) == ["a"]
    assert list(tasks.due(at(3630) - FURTHEST_AHEAD, 9, at(60))) == []
    assert list(tasks.due(at(3630) - FURTHEST_AHEAD - A_MICROSECOND, 9, at(60))) == ["a"]


def test_a_lease_that_lasts_too_long_keeps_nobody_out(tasks: TaskStore) -> None:
    """Its holder took it by a clock that was an hour ahead, and died."""
    tasks.create(a_task("a"))
    assert tasks.claim("a", a_lease("first", 3690), at(3600)) is not None
    believed = at(3690) - FURTHEST_AHEAD
    assert list(tasks.due(believed, 9, at(3000))) == []
    assert tasks.claim("a", a_lease("second", 3690), believed) is None
    now = believed - A_MICROSECOND
    assert list(tasks.due(now, 9, at(3000))) == ["a"]
    with pytest.raises(LeaseLost):
        tasks.save_attempt("a", "first", an_attempt(), now)
    assert tasks.claim("a", a_lease("second", 90), START) is not None
    with pytest.raises(LeaseLost):
        tasks.save_attempt("a", "first", an_attempt(), START)
    assert tasks.save_attempt("a", "second", an_attempt(), START).live_attempt is not None
