"""Servers on connexion, which refuse query parameters that they do not know: mock-TES, and proTES of 2023."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.support.dialects.base import FINISHED, Denied, DialectFake
from tests.support.dialects.held import HeldTask
from tests.support.dialects.queries import first, integer
from tests.support.dialects.shapes import in_view
from tests.support.scripted_server import Answer, Behaviour, Request, answer_json

_PARAMETERS = frozenset({"name_prefix", "page_size", "page_token", "view"})


class MockTes(DialectFake):
    """mock-TES, whose tasks are nowhere: it was made for the estimates of TEStribute."""

    NAME = "mock-tes"
    INFO_PATHS = ("/tasks/service-info",)
    RUNS = False

    def service_info(self) -> dict[str, Any]:
        return {}

    def new_id(self, number: int) -> str:
        return f"hidden-{number}"

    def invalid(self, text: str) -> Answer:
        return _problem(400, text)

    def created(self, task: HeldTask) -> Answer:
        return answer_json({"id": "task_id"})

    def find(self, task_id: str) -> HeldTask:
        return HeldTask(task_id, {}, 0)

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        return {"executors": []}

    def listed(self, request: Request) -> list[HeldTask]:
        strict(request)
        return []

    def listing(self, request: Request, tasks: Sequence[HeldTask], token: str | None) -> dict[str, Any]:
        return {"tasks": []}

    def told(self, text: str, stream: str = "stdout") -> str | None:
        return None

    def _serve(self, base: str) -> None:
        super()._serve(base)
        self.server.on("POST", base + "/tasks/task-info", self._task_info)
        self.server.on("POST", base + "/update-config", answer_json({}))

    def _task_info(self, request: Request) -> Behaviour:
        return answer_json(
            {
                "estimated_compute_costs": {"amount": 2, "currency": "EUR"},
                "estimated_storage_costs": {"amount": 0, "currency": "EUR"},
                "unit_costs_data_transfer": {"amount": 0.1, "currency": "EUR"},
                "estimated_queue_time_sec": 10,
            }
        )


class Protes2023(DialectFake):
    """proTES of 2023."""

    NAME = "protes-2023"

    TRAPS: ClassVar[Mapping[str, str]] = {"has_id": "a later configuration has the fields of TES 1.0 in service-info"}

    def service_info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "doc": "Proxy TES for distributing tasks across a list of service TES instances",
            "name": "proTES",
            "storage": ["file:///path/to/local/storage"],
        }
        if "has_id" not in self.traps:
            return info
        organization = {"name": "elixir", "url": "https://example.org"}
        return {**info, "id": "v1.proTes.ga4gh.org.example", "version": "1.2.3", "organization": organization}

    def new_id(self, number: int) -> str:
        return f"PRO{number:03}"

    def invalid(self, text: str) -> Answer:
        return _problem(400, text)

    def no_such_task(self, task_id: str) -> Answer:
        return answer_json({"code": "404", "message": "The requested task is not available."}, 404)

    def view(self, request: Request) -> str:
        return first(request, "view") or "BASIC"

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        return in_view(self.full(task), view)

    def listed(self, request: Request) -> list[HeldTask]:
        strict(request)
        prefix = first(request, "name_prefix") or ""
        named = [task for task in self.tasks.values() if (task.document.get("name") or "").startswith(prefix)]
        return named[::-1]

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        token = first(request, "page_token")
        rest = [task for task in tasks if not token or task.number < int(token, 16)]
        page = rest[: integer(request, "page_size", 5)]
        # The token is the database's own id of the last task, and there is one behind the last page too.
        return page, f"{page[-1].number:024x}" if page else ""

    def cancel(self, task: HeldTask) -> Answer:
        if task.state not in FINISHED:
            task.state, task.working = "CANCELED", False
        return answer_json({})

    def preempt(self, task_id: str) -> None:
        """It does not know the state."""
        self.set_state(task_id, "UNKNOWN")


def strict(request: Request) -> None:
    """Raise Denied where a query parameter is not of TES 1.0."""
    strange = sorted(set(request.query) - _PARAMETERS)
    if strange:
        raise Denied(_problem(400, f"Extra query parameter(s) {', '.join(strange)} not in spec"))


def _problem(status: int, text: str) -> Answer:
    return answer_json({"detail": text, "status": status, "title": "Bad Request", "type": "about:blank"}, status)
