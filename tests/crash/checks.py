"""What must hold after any faults: pure, so that it can be shown to see what it should.

Every accepted id exists; each task ran on exactly one instance exactly once; its final state and log are the
instance's; what was cancelled is CANCELED or had ended before; nothing is left half done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from protes.store.records import UNSETTLED, Phase, TaskRecord
from tests.crash.client import Wish

_TOLD_OF_EXECUTORS = ("start_time", "end_time", "exit_code", "stdout")


@dataclass(frozen=True, slots=True)
class Copy:
    """A task as an instance has it, by its journal.

    Attributes:
        instance_url: base URL of the instance.
        id: the task's id there.
        marker: the tag `protes_attempt`.
        state: its state.
        log: its `tesTaskLog`.
        starts: how often it was started.
    """

    instance_url: str
    id: str
    marker: str
    state: str
    log: Mapping[str, Any]
    starts: int

    @property
    def task_id(self) -> str:
        """The gateway's id of the task."""
        return self.marker.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found when all was quiet.

    Attributes:
        wishes: what the client wanted, with the ids it was given.
        shown: what the gateway shows in FULL view, by id.
        records: what is stored, by id.
        copies: what the instances have.
    """

    wishes: Sequence[Wish]
    shown: Mapping[str, Mapping[str, Any]]
    records: Mapping[str, TaskRecord]
    copies: Sequence[Copy]

    def copies_of(self, task_id: str) -> Sequence[Copy]:
        """Return the copies of a task."""
        return [copy for copy in self.copies if copy.task_id == task_id]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that should not be: of a task, or ("") of all."""

    task_id: str
    text: str


def violations(evidence: Evidence) -> Sequence[Violation]:
    """Return all that is wrong."""
    return [*_of_all(evidence), *(each for wish in evidence.wishes if wish.id for each in _of_task(evidence, wish))]


def _of_all(evidence: Evidence) -> Iterator[Violation]:
    ids = [wish.id for wish in evidence.wishes if wish.id]
    for wish in evidence.wishes:
        if not wish.id:
            yield Violation("", f"task {wish.number} was never accepted")
    if len(set(ids)) != len(ids):
        yield Violation("", "two tasks of the client have the same id")
    for task_id in evidence.records.keys() - set(ids):
        yield Violation(task_id, "is stored, though its one wish has another id: a repeat became a second task")
    for copy in evidence.copies:
        if copy.task_id not in evidence.records:
            yield Violation(copy.task_id, f"runs at {copy.instance_url} as {copy.id}, but no such task is stored")


def _of_task(evidence: Evidence, wish: Wish) -> Iterator[Violation]:
    shown, record = evidence.shown.get(wish.id), evidence.records.get(wish.id)
    if shown is None or record is None:
        yield Violation(wish.id, f"was accepted and is not {'shown' if record is not None else 'stored'}")
        return
    problems = [*_of_record(record), *_of_course(wish, shown, record, evidence.copies_of(wish.id))]
    yield from (Violation(wish.id, text) for text in problems)


def _of_record(record: TaskRecord) -> Iterator[str]:
    """Nothing is left half done."""
    if not record.state.finished:
        yield f"is {record.state} still"
    if record.lease is not None:
        yield f"has a lease of {record.lease.holder} until {record.lease.until}"
    if record.due_at is not None:
        yield f"is due at {record.due_at}"
    for attempt in record.attempts:
        if attempt.phase in UNSETTLED or attempt.phase is Phase.ACCEPTED:
            yield f"attempt {attempt.n} is left {attempt.phase}"


def _of_course(wish: Wish, shown: Mapping[str, Any], record: TaskRecord, copies: Sequence[Copy]) -> Iterator[str]:
    state = shown["state"]
    if not copies:
        if not (wish.cancelled and state == "CANCELED"):
            yield f"is {state} and ran nowhere"
        return
    if len(copies) > 1:
        yield f"ran {len(copies)} times"
        return
    copy = copies[0]
    if copy.starts > 1:
        yield f"was started {copy.starts} times"
    if not any((each.instance_url, each.instance_task_id) == (copy.instance_url, copy.id) for each in record.attempts):
        yield f"no attempt knows of its copy {copy.id}"
    expected = "EXECUTOR_ERROR" if wish.exit_code else "COMPLETE"
    if wish.cancelled and state == "CANCELED":
        if copy.state not in ("CANCELED", expected):
            yield f"is CANCELED, and {copy.state} at its instance"
        return
    if not state == copy.state == expected:
        yield f"is {state}, and {copy.state} at its instance; it should be {expected}"
        return
    if _told(shown["logs"][0]) != _told(copy.log):
        yield f"has another log than its instance: {_told(shown['logs'][0])} instead of {_told(copy.log)}"
    if copy.log["logs"][0]["stdout"] != wish.text:
        yield "wrote what another task was to write"


def _told(log: Mapping[str, Any]) -> Sequence[Sequence[object]]:
    return [[each.get(name) for name in _TOLD_OF_EXECUTORS] for each in log["logs"]]


def explained(evidence: Evidence, violation: Violation) -> str:
    """Say all there is to know of a task that something is wrong with."""
    record = evidence.records.get(violation.task_id)
    wish = next((each for each in evidence.wishes if each.id == violation.task_id), None)
    parts = {
        "wish": asdict(wish) if wish is not None else None,
        "record": asdict(record) if record is not None else None,
        "shown": evidence.shown.get(violation.task_id),
        "copies": [asdict(copy) for copy in evidence.copies_of(violation.task_id)],
    }
    lines = (f"  {name}: {json.dumps(part, default=str)}" for name, part in parts.items())
    return "\n".join((f"{violation.task_id or 'all'}: {violation.text}", *lines))
