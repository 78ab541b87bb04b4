"""Which instance a workflow has been at so far (`protes.affinity`, DESIGN.md section 6)."""

import hashlib
from datetime import timedelta

from middleware import TaskView
from middleware.submitter import recognise
from protes.clock import Clock
from protes.config.planning import PlanningSettings
from protes.store.protocols import Records
from protes.store.records import TaskRecord

AFFINITY_KIND = "affinity"


class Affinities:
    """Remembers the instance of each workflow, by its owner and the name under which its tasks are kept together."""

    def __init__(self, settings: PlanningSettings, records: Records, clock: Clock) -> None:
        """Keep them in `records`."""
        self._by_workflow = settings.affinity_by_workflow
        self._keep = timedelta(seconds=settings.affinity_keep_seconds)
        self._records = records
        self._clock = clock

    def url_for(self, record: TaskRecord, task: TaskView) -> str | None:
        """Return the base URL of the instance the task's workflow is at; None where there is no such."""
        key = self._key(record, task)
        stored = self._records.get(AFFINITY_KIND, key, self._clock.now()) if key is not None else None
        return stored.value["url"] if stored is not None else None

    def remember(self, record: TaskRecord, task: TaskView, url: str, candidates: frozenset[str]) -> None:
        """Note where a task of the workflow went.

        The first instance stays the workflow's as long as it can take its tasks: one task that goes elsewhere, because
        that was so much better for it, does not move the others.

        Args:
            record: The task.
            task: Its view.
            url: Base URL of the instance that took it.
            candidates: Base URLs of all instances that could have.
        """
        key = self._key(record, task)
        if key is None:
            return
        now = self._clock.now()
        stored = self._records.get(AFFINITY_KIND, key, now)
        kept = stored is not None and stored.value["url"] in candidates
        fresh = stored is not None and stored.expires_at is not None and stored.expires_at - now > self._keep / 2
        if kept and fresh:
            return
        kept_url = stored.value["url"] if stored is not None and kept else url
        self._records.put(AFFINITY_KIND, key, {"url": kept_url}, now, expires_at=now + self._keep)

    def _key(self, record: TaskRecord, task: TaskView) -> str | None:
        name = record.preference.get("affinity")
        if name is None and self._by_workflow:
            submitter = recognise(task)
            name = submitter.workflow_id if submitter is not None else None
        if not name:
            return None
        # Hashed: names of owners and workflows may be long, and hold anything.
        return hashlib.sha256(f"{record.owner}\n{name}".encode()).hexdigest()[:40]
