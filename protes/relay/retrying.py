"""When the end of a task at one instance is not the task's own: pure (DESIGN.md section 4, "Retries elsewhere").

What is decided here is a wish only: `changes.observe` looks again, at the task as it is stored by then.
"""

from collections.abc import Mapping
from typing import Any

from protes.store.changes import FAILURES
from protes.store.records import Attempt, TaskRecord
from protes.tes.dialects.base import Dialect
from protes.tes.states import State


def is_withdrawn(attempt: Attempt, state: State) -> bool:
    """Tell whether an end is what the gateway itself wished for.

    A task that has started all the same, and is shown as canceled later, was most likely stopped by our cancellation,
    which took effect late: it is not the task that failed.
    """
    return state is State.CANCELED and attempt.withdrawn_at is not None


def may_go_on(record: TaskRecord, attempt: Attempt, state: State, dialect: Dialect) -> bool:
    """Tell whether another instance may be tried if the attempt ends in `state`; such an end must be seen twice.

    EXECUTOR_ERROR is the task's own doing, and COMPLETE is what was wanted: neither is ever tried again.
    """
    if not dialect.ends_for_good or record.state.finished or record.cancel_requested_at is not None:
        return False
    return is_withdrawn(attempt, state) or (state in FAILURES and record.retries_left > 0)


def executor_failed(log: Mapping[str, Any] | None) -> bool:
    """Tell whether an executor ended with an exit code other than 0: the task would fail anywhere."""
    executors = (log or {}).get("logs") or ()
    return any(each.get("exit_code") not in (None, 0) for each in executors)
