"""A gateway without HTTP in front: the test moves time and runs jobs by hand; instances are real HTTP servers."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from protes.api.callers import ANONYMOUS, token_kind
from protes.api.submission import Submission, submit
from protes.api.views import Eyes, View, render
from protes.app import create_services
from protes.clock import ManualClock
from protes.config.settings import Settings
from protes.store.factory import Stores, create_stores
from protes.store.records import TaskRecord
from tests.support.fake_tes import FakeTes
from tests.support.manual_runner import ManualRunner

TASK: Mapping[str, Any] = {"name": "t", "executors": [{"image": "alpine", "command": ["true"]}]}


def instance(name: str, fake: FakeTes, **settings: Any) -> dict[str, Any]:
    """Describe a fake as an instance of the configuration."""
    return {"id": name, "url": fake.url, **settings}


class Harness:
    """See the module's text; a context manager."""

    def __init__(
        self,
        *instances: Mapping[str, Any],
        stores: Stores | None = None,
        clock: ManualClock | None = None,
        **settings: Any,
    ) -> None:
        dispatch = {
            "create_seconds": 4.5,  # a busy machine may take that long
            "send_within_seconds": 5,
            "lease_seconds": 10,
            **settings.pop("dispatch", {}),
        }
        # Nobody can wait for a turn to write: the clock only moves by hand.
        server = {"writes_at_once": 64, **settings.pop("server", {})}
        fixed = {"gateway_id": "gateway-under-test", "instances": instances, "dispatch": dispatch, "server": server}
        merged = {**fixed, **settings}
        self.settings = Settings.model_validate(merged)
        self.clock = clock or ManualClock()
        self.stores = stores or create_stores("memory:")
        self.runner = ManualRunner()
        self.services = create_services(self.settings, self.stores, self.runner, self.clock, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.services.federation.close()

    def restarted(self) -> Harness:
        """Return the gateway as it would be after a crash: the same stores and settings, nothing else."""
        after = Harness.__new__(Harness)
        after.settings, after.clock, after.stores = self.settings, self.clock, self.stores
        after.runner = ManualRunner()
        after.services = create_services(after.settings, after.stores, after.runner, after.clock, {})
        return after

    def probe(self) -> None:
        """Have all instances probed."""
        for key in self.services.federation.due_probes():
            self.runner.run("probe", key)

    def post(
        self, document: Mapping[str, Any] = TASK, weight: str | None = None, authorization: str | None = None
    ) -> str:
        """Submit a task as POST /tasks does, with the caller's own token if any; its dispatch waits in the runner."""
        kind = token_kind(authorization, self.settings.server.operator_token)
        submission = Submission(
            document=dict(document),
            base="/ga4gh/tes/v1",
            header_weight=weight,
            token_kinds=(kind,) if kind is not None else (),
            authorization=SecretStr(authorization) if authorization is not None and kind is not None else None,
        )
        return submit(self.services, ANONYMOUS, submission)

    def turn(self, seconds: float = 0.0) -> None:
        """Move time and run everything that is due then."""
        self.clock.advance(seconds)
        self.services.federation.forget_view()
        self.runner.tick()

    def turns(self, count: int, seconds: float) -> None:
        """Take several turns."""
        for _ in range(count):
            self.turn(seconds)

    def cancel(self, task_id: str) -> None:
        """Cancel as POST /tasks/ID:cancel does."""
        if self.stores.tasks.request_cancel(task_id, self.clock.now()) is not None:
            self.runner.submit("dispatch", task_id)

    def record(self, task_id: str) -> TaskRecord:
        """Return the stored task."""
        record = self.stores.tasks.get(task_id)
        assert record is not None
        return record

    def task(self, task_id: str) -> dict[str, Any]:
        """Return the task as a client sees it in full."""
        return render(self.record(task_id), View.FULL, Eyes())

    def state(self, task_id: str) -> str:
        """Return the state as a client sees it."""
        return str(self.task(task_id)["state"])

    def notes(self, task_id: str) -> str:
        """Return the task's own system logs, joined."""
        return "\n".join(self.record(task_id).system_logs)
