"""Records for tests, with one call."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from protes.store.protocols import TaskStore
from protes.store.records import Attempt, Lease, Phase, TaskRecord

START = datetime(2030, 1, 1, tzinfo=UTC)
URL = "https://one.example/ga4gh/tes/v1"

_numbers = itertools.count(1)


def at(seconds: float) -> datetime:
    """Return the time `seconds` after START."""
    return START + timedelta(seconds=seconds)


def a_task(task_id: str | None = None, **values: Any) -> TaskRecord:
    """Make a new task; ids ascend."""
    values = {"owner": "", "created_at": START, "document": '{"executors":[]}', "due_at": START, **values}
    return TaskRecord(id=task_id or f"task{next(_numbers):08}", **values)


def an_attempt(n: int = 1, phase: Phase = Phase.INTENDED, **values: Any) -> Attempt:
    """Make an attempt at URL."""
    values = {
        "instance_url": URL,
        "instance_id": "one",
        "dialect": "funnel",
        "intended_at": at(n),
        "deadline": at(n + 10),
        **values,
    }
    return Attempt(n=n, phase=phase, **values)


def a_lease(token: str = "token", until: float = 60.0) -> Lease:
    """Make a lease that ends `until` seconds after START."""
    return Lease("worker", token, at(until))


def forwarded(tasks: TaskStore, record: TaskRecord, phase: Phase = Phase.ACCEPTED, **values: Any) -> TaskRecord:
    """Store a task and give it an attempt, under a lease that is given back."""
    tasks.create(record)
    assert tasks.claim(record.id, a_lease(), START) is not None
    attempt = an_attempt(**values)
    tasks.save_attempt(record.id, "token", attempt, START)
    if phase is not Phase.INTENDED:
        accepted = replace(attempt, phase=phase, instance_task_id=f"remote-{record.id}")
        tasks.save_attempt(record.id, "token", accepted, START)
    tasks.release(record.id, "token", None)
    stored = tasks.get(record.id)
    assert stored is not None
    return stored
