"""A task as a fake keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

_DAY = datetime(2024, 5, 1, 10, tzinfo=UTC)
STARTED_AFTER = timedelta(seconds=10)
ENDED_AFTER = timedelta(seconds=70)

When = Callable[[datetime], str]


def rfc3339(moment: datetime) -> str:
    """2024-05-01T10:00:00Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class ExecutorRun:
    """An executor that runs (`exit_code` None) or has ended."""

    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""


@dataclass
class HeldTask:
    """See the module's text.

    Attributes:
        id: its id here.
        document: as it was accepted, after everything that the server changes.
        number: 1, 2, ... in the order of creation.
        state: any TES state.
        runs: its executors that have started.
        system_logs: lines.
        cancels: how often its cancellation was asked for.
        reads: how often it was asked for by its id.
        working: something computes for it, whatever its state says.
        owner: whose token it was submitted with, "" where the server asked for none.
    """

    id: str
    document: dict[str, Any]
    number: int
    state: str = "QUEUED"
    runs: list[ExecutorRun] = field(default_factory=list)
    system_logs: list[str] = field(default_factory=list)
    cancels: int = 0
    reads: int = 0
    working: bool = True
    owner: str = ""

    @property
    def marker(self) -> str | None:
        """Its tag `protes_attempt`."""
        value = (self.document.get("tags") or {}).get("protes_attempt")
        return value if isinstance(value, str) else None

    @property
    def created_at(self) -> datetime:
        """When it was made: one second after the one before."""
        return _DAY + timedelta(seconds=self.number)

    @property
    def started_at(self) -> datetime:
        """When its executors began."""
        return self.created_at + STARTED_AFTER

    @property
    def ended_at(self) -> datetime:
        """When its executors ended."""
        return self.created_at + ENDED_AFTER

    def full(self, when: When = rfc3339) -> dict[str, Any]:
        """Everything that TES shows of it in FULL view; without a log before it has started."""
        logs = [self._log(when)] if self.runs or self.system_logs else []
        return {
            **self.document,
            "id": self.id,
            "state": self.state,
            "creation_time": when(self.created_at),
            "logs": logs,
        }

    def _log(self, when: When) -> dict[str, Any]:
        log: dict[str, Any] = {"logs": [self._executor(run, when) for run in self.runs], "outputs": []}
        if self.runs:
            log["start_time"] = when(self.started_at)
        if not self.working:
            log["end_time"] = when(self.ended_at)
        return {**log, "system_logs": list(self.system_logs)}

    def _executor(self, run: ExecutorRun, when: When) -> dict[str, Any]:
        shown: dict[str, Any] = {"start_time": when(self.started_at), "stdout": run.stdout, "stderr": run.stderr}
        return shown if run.exit_code is None else shown | {"end_time": when(self.ended_at), "exit_code": run.exit_code}
