"""What a stored task tells once it has finished."""

from dataclasses import replace
from typing import Any

import pytest

from protes.learning import Observation
from protes.learning.observing import observations
from protes.store.records import Attempt, JsonObject, Phase, TaskRecord
from protes.tes.states import State
from tests.support.learning_samples import a_document, a_log
from tests.support.task_records import START, a_task, an_attempt, at


def ended(log: JsonObject | None, state: State = State.COMPLETE, seconds: float = 100, **values: Any) -> TaskRecord:
    """Make a task sent at START that ended `seconds` later."""
    attempt = an_attempt(
        phase=Phase.FINISHED, intended_at=START, instance_task_id="remote", state=state, log=log, **values
    )
    return a_task(document=a_document(), state=state, attempts=(attempt,), finished_at=at(seconds))


def one(record: TaskRecord) -> Observation:
    """Return the only observation."""
    [seen] = observations(record)
    return seen


def times(record: TaskRecord) -> tuple[float | None, float | None]:
    """Return run time and wait."""
    seen = one(record)
    return seen.run_seconds, seen.queue_seconds


def test_a_complete_task() -> None:
    outputs = [{"url": "u", "path": "p", "size_bytes": "70"}, {"url": "v", "path": "q", "size_bytes": "7"}]
    seen = one(ended(a_log(30, 90, outputs=outputs)))
    assert (seen.run_seconds, seen.queue_seconds, seen.output_bytes, seen.outcome) == (60, 40, 77, "complete")
    assert (seen.at, seen.instance_url, seen.bucket) == (at(100), "https://one.example/ga4gh/tes/v1", "c1-r4")


@pytest.mark.parametrize("skew", [-1e7, -3600, 0, 3600, 1e7])
def test_a_clock_that_is_wrong_does_not_matter(skew: float) -> None:
    assert times(ended(a_log(skew + 30, skew + 90))) == (60, 40)


def test_executors_run_and_the_task_is_there_for_longer() -> None:
    """Staging belongs to neither the run nor the wait."""
    log = {"logs": [*a_log(20, 30)["logs"], *a_log(35, 60)["logs"]]} | {
        "start_time": a_log(10, 0)["start_time"],
        "end_time": a_log(0, 90)["end_time"],
    }
    assert times(ended(log)) == (35, 20)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        # Without times of the executors: by those of the task; without any: all that passed.
        ({"logs": [{"exit_code": 0}]} | {key: a_log(10, 90)[key] for key in ("start_time", "end_time")}, (80, 20)),
        ({"logs": a_log(10, 90)["logs"]}, (80, 20)),
        ({"logs": [{"exit_code": 0}, *a_log(10, 90)["logs"]]}, (80, 20)),
        (None, (100, None)),
        ({}, (100, None)),
        ({"logs": [{"start_time": None, "end_time": "nan"}], "start_time": "2030"}, (100, None)),
        ({"logs": None, "outputs": "no", "start_time": 7, "end_time": []}, (100, None)),
        # Times that go backwards, or tell more than passed here.
        (a_log(90, 30), (100, None)),
        (a_log(0, 1000), (100, None)),
        (a_log(0, 1e9), (100, None)),
        (a_log(0, 103), (103, 0)),
        # Other ways of writing times; Go's zero means "not set".
        ({"start_time": "2030-01-01 00:00:10.123456789+00:00", "end_time": "2030-01-01T01:01:30.1234Z"}, (100, None)),
        ({"start_time": "2030-01-01 00:00:10", "end_time": "2030-01-01T02:01:30.000+0200"}, (80, 20)),
        ({"start_time": "0001-01-01T00:00:00Z", "end_time": "2030-01-01T00:01:30Z"}, (100, None)),
    ],
)
def test_odd_and_missing_times(log: JsonObject | None, expected: tuple[float, float | None]) -> None:
    assert times(ended(log)) == expected


@pytest.mark.parametrize(
    ("state", "codes", "canceled", "outcome"),
    [
        (State.EXECUTOR_ERROR, [1], False, "executor_error"),
        (State.SYSTEM_ERROR, [], False, "system_error"),
        (State.SYSTEM_ERROR, [0, 137], False, "executor_error"),
        (State.SYSTEM_ERROR, [], True, "canceled"),
        (State.CANCELED, [], True, "canceled"),
        (State.CANCELED, [], False, "system_error"),
        (State.PREEMPTED, [], False, "system_error"),
        (State.RUNNING, [], False, "system_error"),
        (State.COMPLETE, [0], True, "complete"),
    ],
)
def test_whose_doing_the_end_was(state: State, codes: list[int], canceled: bool, outcome: str) -> None:
    record = ended({"logs": [{"exit_code": code} for code in codes]}, state)
    record = replace(record, cancel_requested_at=at(50) if canceled else None)
    assert one(record).outcome == outcome


@pytest.mark.parametrize("size", ["", "x", "-5", "9" * 30, None, "0", "１"])
def test_sizes_that_tell_nothing(size: object) -> None:
    assert one(ended({"outputs": [{"size_bytes": size}, "no"]})).output_bytes is None


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, (None, 0)),
        ({"protes.wait_seconds": "12.500", "protes.queued": "3"}, (12.5, 3)),
        ({"protes.wait_seconds": "0.000", "protes.queued": "0"}, (0.0, 0)),
        ({"protes.wait_seconds": "nan", "protes.queued": "-1"}, (None, 0)),
        ({"protes.wait_seconds": "1e9", "protes.queued": "inf"}, (None, 0)),
    ],
)
def test_what_was_predicted_stands_with_the_attempt(metadata: dict[str, str], expected: object) -> None:
    seen = one(ended(None, metadata=metadata))
    assert (seen.predicted_wait, seen.queued) == expected


def test_each_attempt_that_an_instance_took_on_counts() -> None:
    def attempt(n: int, phase: Phase, **values: Any) -> Attempt:
        return an_attempt(n, phase, intended_at=at(n * 100), instance_id=f"i{n}", **values)

    record = a_task(
        document=a_document(),
        finished_at=at(500),
        attempts=(
            attempt(1, Phase.REJECTED),
            attempt(2, Phase.FINISHED, instance_task_id="x", state=State.SYSTEM_ERROR),
            attempt(3, Phase.FINISHED, state=State.UNKNOWN),
            attempt(4, Phase.FINISHED, instance_task_id="y", state=State.COMPLETE),
        ),
    )
    seen = list(observations(record))
    assert [(each.at, each.outcome) for each in seen] == [(at(300), "system_error"), (at(500), "complete")]
    assert len({each.id for each in seen}) == 2


def test_a_failure_that_was_retried_is_its_instances_whatever_the_caller_does_later() -> None:
    first = an_attempt(1, Phase.FINISHED, intended_at=START, instance_task_id="x", ended_at=at(30), retried=True)
    first = replace(first, state=State.SYSTEM_ERROR)
    second = an_attempt(2, Phase.FINISHED, intended_at=at(90), instance_task_id="y", state=State.CANCELED)
    record = a_task(document=a_document(), finished_at=at(500), attempts=(first, second), cancel_requested_at=at(400))
    seen = list(observations(record))
    assert [(each.at, each.run_seconds, each.outcome) for each in seen] == [
        (at(30), 30, "system_error"),
        (at(500), 410, "canceled"),
    ]


def test_a_task_that_was_withdrawn_says_nothing_against_its_instance() -> None:
    values = {"instance_task_id": "x", "state": State.CANCELED, "withdrawn_at": at(50), "ended_at": at(60)}
    first = an_attempt(1, Phase.FINISHED, **values)
    second = an_attempt(2, Phase.FINISHED, intended_at=at(90), instance_task_id="y", state=State.COMPLETE)
    seen = list(observations(a_task(document=a_document(), finished_at=at(500), attempts=(first, second))))
    assert [each.outcome for each in seen] == ["canceled", "complete"]


@pytest.mark.parametrize(
    "document", ["", "[]", "null", "{", '{"executors":7}', '{"executors":[{}]}', '{"executors":[1]}']
)
def test_a_document_that_cannot_be_read_tells_nothing(document: str) -> None:
    assert list(observations(replace(ended(None), document=document))) == []
    assert list(observations(replace(ended(None), finished_at=None))) == []


def test_what_is_learned_of_a_task_is_its_audiences() -> None:
    shared = ended(a_log(30, 90))
    seen = [one(replace(shared, audience=audience)).signature for audience in ("", "user:ann", "user:ben")]
    assert len(set(seen)) == 3
    assert seen[0] == one(shared).signature
