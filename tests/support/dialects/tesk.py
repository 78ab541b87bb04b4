"""TESK: tasks are Kubernetes jobs (DIALECTS.md, rows "TESK")."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from tests.support.dialects.base import FINISHED, Denied, DialectFake
from tests.support.dialects.held import HeldTask
from tests.support.dialects.queries import first
from tests.support.dialects.shapes import FIELDS_OF_1_0, SINCE_1_1, in_view, unknown_fields
from tests.support.scripted_server import Answer, Request, answer, answer_json

_ANNOTATION_BYTES = 256 * 1024


class Tesk(DialectFake):
    """TESK of 2025-02, or before."""

    NAME = "tesk"
    TRAPS: ClassVar[Mapping[str, str]] = {
        "flaps": "a task that runs is shown as RUNNING and QUEUED in turns, as between executors",
        "before_2025": "backend_parameters are unknown properties too",
    }

    def __init__(self, *traps: str) -> None:
        """See `DialectFake`."""
        super().__init__(*traps)
        self._looks = itertools.count()

    def service_info(self) -> dict[str, Any]:
        return {
            "id": "org.example.tesk",
            "name": "TESK",
            "type": {"group": "org.ga4gh", "artifact": "TES", "version": "1.0"},
            "storage": ["https://data.example.org"],
        }

    def new_id(self, number: int) -> str:
        return f"task-{hashlib.sha256(str(number).encode()).hexdigest()[:8]}"

    # Creating

    def read_body(self, request: Request) -> dict[str, Any]:
        if request.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise Denied(_error(415, message="Content type not supported"))
        document = super().read_body(request)
        strange = next(unknown_fields(document, self._known()), None)
        if strange is not None:
            raise Denied(self.invalid(f'Unrecognized field "{strange}"'))
        if len(request.body) > _ANNOTATION_BYTES:
            raise Denied(_error(500, message="metadata.annotations: Too long"))
        return document

    def check(self, document: Mapping[str, Any]) -> None:
        faults = list(_faults(document))
        if faults:
            raise Denied(_error(400, messages=faults))

    def invalid(self, text: str) -> Answer:
        return _error(400, message=text)

    def refusal(self) -> Answer:
        return _error(400, messages=["executors[0].image: may not be empty"])

    def _known(self) -> frozenset[str]:
        parameters = {"backend_parameters", "backend_parameters_strict"}
        return FIELDS_OF_1_0 if "before_2025" in self.traps else FIELDS_OF_1_0 | (parameters & SINCE_1_1)

    # Reading

    def no_such_task(self, task_id: str) -> Answer:
        return _error(404, message=f"Job with ID={task_id} not found.")

    def view(self, request: Request) -> str:
        asked = first(request, "view")
        return asked if asked in ("BASIC", "FULL") else "MINIMAL"

    def full(self, task: HeldTask) -> dict[str, Any]:
        document = {**task.full(_joda), "state": self._state(task)}
        for log in document["logs"]:
            # The pod's log has both streams in it.
            log["logs"] = [{**_without(each, "stderr"), "stdout": each["stdout"]} for each in log["logs"]]
            log["metadata"] = {"USER_ID": "anonymous"}
            log["system_logs"] = ["\n".join(["taskmaster has started", *task.system_logs])]
        return document

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        shown = in_view(self.full(task), view)
        if view == "BASIC":
            for log in shown["logs"]:
                log["logs"] = [{**each, "stdout": ""} for each in log["logs"]]
        return shown

    def told(self, text: str, stream: str = "stdout") -> str | None:
        return text if stream == "stdout" else None

    def _state(self, task: HeldTask) -> str:
        if "flaps" in self.traps and task.state == "RUNNING":
            return "QUEUED" if next(self._looks) % 2 else "RUNNING"
        return task.state

    # Listing: no filter, no pages, in the order of the jobs' names

    def listed(self, request: Request) -> list[HeldTask]:
        return [self.tasks[task_id] for task_id in sorted(self.tasks)]

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        return tasks, None

    # Ending

    def cancel(self, task: HeldTask) -> Answer:
        if task.state in FINISHED:
            return _error(400, message=f"Task {task.id} has no pods in RUNNING status")
        task.state, task.working = "CANCELED", False
        return answer(200, b"", "application/json")

    def preempt(self, task_id: str) -> None:
        """A pod that was evicted."""
        self.fail(task_id)


def _error(status: int, **said: Any) -> Answer:
    return answer_json(
        {"timestamp": "2024-05-01T10:00:00Z", "status": status, "error": "Error", **said, "path": "/tasks"}, status
    )


def _joda(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    executors = document.get("executors") or []
    if not executors:
        yield "executors: may not be empty"
    for executor in executors:
        if not executor.get("image") or not executor.get("command"):
            yield "executors[0]: image and command may not be empty"
    items = [*(document.get("inputs") or ()), *(document.get("outputs") or ())]
    if any("type" in item and item["type"] is None for item in items):
        yield "type: may not be null"
    paths = [*(item.get("path") or "" for item in items), *(document.get("volumes") or ())]
    if not all(path.startswith("/") for path in paths):
        yield "path: must be absolute"
