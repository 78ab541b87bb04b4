"""What a stored task tells once it has finished. Pure, and never an exception: what is odd is left out.

Clocks of instances are wrong, and some instances show no times at all. So times of an instance are compared with each
other only, never with ours: a run is as long as its executors ran by the instance's clock, and the wait is what remains
of the time that we saw pass from sending the task to seeing its end, polling included.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from middleware import ExecutorView, Resources, TaskView
from protes.clock import parse_rfc3339
from protes.learning.kinds import bucket_of, signature_of
from protes.learning.observation import Observation, Outcome
from protes.store.records import Attempt, Phase, TaskRecord
from protes.tes.read import read_time
from protes.tes.states import State

WAIT_SECONDS, QUEUED = "protes.wait_seconds", "protes.queued"
"""What `Attempt.metadata` says of the wait predicted when it was sent, and of how many of our tasks waited there."""
RUN_SECONDS, RUN_COST = "protes.run_seconds", "protes.run_cost"
"""And of the run time predicted, and the part of the cost that grows with it, where both are known."""

_SLACK_SECONDS, _SLACK_SHARE = 5.0, 0.02
"""By so much a clock of an instance may tell more than passed here; beyond it, its times mean something else."""
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?")


def observations(record: TaskRecord) -> Iterator[Observation]:
    """Yield one observation per attempt that an instance took on and that has ended."""
    task = _view(record)
    if task is None or record.finished_at is None:
        return
    signature, bucket = signature_of(task, record.audience), bucket_of(task)
    for place, attempt in enumerate(record.attempts):
        if attempt.phase is not Phase.FINISHED or attempt.instance_task_id is None:
            continue
        last = place == len(record.attempts) - 1
        ended_at = attempt.ended_at or (record.finished_at if last else record.attempts[place + 1].intended_at)
        run, wait = times(attempt, max(0.0, (ended_at - attempt.intended_at).total_seconds()))
        yield Observation(
            at=ended_at,
            instance_url=attempt.instance_url,
            signature=signature,
            bucket=bucket,
            queue_seconds=wait,
            run_seconds=run,
            output_bytes=_output_bytes(attempt.log or {}),
            outcome=_outcome(record, attempt),
            predicted_wait=_number(attempt.metadata.get(WAIT_SECONDS)),
            queued=int(_number(attempt.metadata.get(QUEUED)) or 0),
            id=f"{record.id}-{attempt.n}",
        )


def _view(record: TaskRecord) -> TaskView | None:
    """As much of the task as tells its kind."""
    try:
        document = json.loads(record.document)
        resources = document.get("resources") or {}
        return TaskView(
            id=record.id,
            name=document.get("name"),
            executors=tuple(
                ExecutorView(image=each["image"], command=tuple(each["command"])) for each in document["executors"]
            ),
            resources=Resources(
                cpu_cores=resources.get("cpu_cores"),
                ram_gb=resources.get("ram_gb"),
                preemptible=resources.get("preemptible"),
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _outcome(record: TaskRecord, attempt: Attempt) -> Outcome:
    """Whose doing the end was (DESIGN.md section 4, "Retries elsewhere" and "States that engines know")."""
    if attempt.state is State.COMPLETE:
        return "complete"
    if attempt.state is State.EXECUTOR_ERROR:
        return "executor_error"
    if attempt.withdrawn or (record.cancel_requested_at is not None and not attempt.retried):
        return "canceled"
    codes = (each.get("exit_code") for each in _objects((attempt.log or {}).get("logs")))
    return "executor_error" if any(codes) else "system_error"


def times(attempt: Attempt, total: float) -> tuple[float | None, float | None]:
    """Return run time and wait, seconds; `total` is how long the attempt took as we saw it.

    Without the executors' times the run is as long as the task by the instance's clock, staging included; without any
    times it is all that passed, the wait included, which is right for the sum of both at least.
    """
    log = attempt.log or {}
    executors = [(_time(each, "start_time"), _time(each, "end_time")) for each in _objects(log.get("logs"))]
    start = _time(log, "start_time") or min((begin for begin, _ in executors if begin), default=None)
    end = _time(log, "end_time") or max((until for _, until in executors if until), default=None)
    longest = total + _SLACK_SECONDS + _SLACK_SHARE * total
    taken = _between(start, end, longest)
    ran: float | None = None
    spans = [_between(begin, until, longest) for begin, until in executors]
    if spans and None not in spans:
        ran = sum(span for span in spans if span is not None)
    if ran is None or ran > longest:
        ran = total if taken is None else taken
    return ran, None if taken is None else max(0.0, total - max(taken, ran))


def _between(start: datetime | None, end: datetime | None, longest: float) -> float | None:
    if start is None or end is None:
        return None
    seconds = (end - start).total_seconds()
    return seconds if 0 <= seconds <= longest else None


def _time(log: Mapping[str, Any], name: str) -> datetime | None:
    text = read_time(log.get(name))
    return None if text is None else parse_rfc3339(text)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and _NUMBER.fullmatch(text) else None


def _output_bytes(log: Mapping[str, Any]) -> int | None:
    """The sum of all sizes; none where nothing is listed, or all is 0, which is how an unknown size reads."""
    total = 0
    for each in _objects(log.get("outputs")):
        size = str(each.get("size_bytes", ""))
        total += int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0
    return total or None


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
