"""Which instances a task is not sent to again, since it was there in vain (DESIGN.md 4, "Retries elsewhere")."""

from collections.abc import Mapping
from dataclasses import replace

from middleware import Reason
from protes.store.records import TaskRecord

TRIED = "tried"
"""`Reason.code` of these instances."""


def tried(record: TaskRecord) -> Mapping[str, Reason]:
    """Return why instances that have had the task are not asked again, by base URL.

    Where it failed it is never sent again. Where it was withdrawn it may be sent again if nobody else takes it
    (`forgiving`), and so that reason is not permanent.
    """
    reasons: dict[str, Reason] = {}
    for attempt in record.attempts:
        if attempt.retried:
            text = f"has had the task in attempt {attempt.n}, which ended in {attempt.state}"
            reasons[attempt.instance_url] = Reason(code=TRIED, text=text, permanent=True)
        elif attempt.withdrawn and attempt.instance_url not in reasons:
            text = f"did not start the task in attempt {attempt.n}, and it was withdrawn"
            reasons[attempt.instance_url] = Reason(code=TRIED, text=text, permanent=False)
    return reasons


def forgiving(record: TaskRecord) -> TaskRecord:
    """Return the task as if it had never been withdrawn anywhere: for planning only, where nobody else takes it."""
    attempts = (replace(each, withdrawn_at=None) if each.withdrawn else each for each in record.attempts)
    return replace(record, attempts=tuple(attempts))
