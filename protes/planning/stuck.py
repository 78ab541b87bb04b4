"""When a task is to leave an instance that does not start it: pure; `dispatch.requeue_stuck_seconds` (DESIGN.md 4)."""

from datetime import datetime, timedelta

from protes.store.records import NOT_STARTED, Phase, TaskRecord
from protes.tes.dialects.base import Dialect


def is_stuck(record: TaskRecord, now: datetime, after_seconds: float | None, dialect: Dialect) -> bool:
    """Tell whether a task has done nothing but wait at its instance, and can be taken back without risk.

    Args:
        record: the task.
        now: the time.
        after_seconds: how long it must have waited; None is never.
        dialect: of its instance.
    """
    attempt = record.live_attempt
    if after_seconds is None or attempt is None or attempt.phase is not Phase.ACCEPTED or not dialect.ends_for_good:
        return False
    if record.state.finished or record.cancel_requested_at is not None or attempt.withdrawn_at is not None:
        return False
    waits = attempt.state in NOT_STARTED and not attempt.started
    return waits and now - attempt.intended_at >= timedelta(seconds=after_seconds)
