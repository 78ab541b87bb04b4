"""tesazure, the Flask server for Azure Batch (DIALECTS.md, rows "tesazure")."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from tests.support.dialects.base import FINISHED, Denied, DialectFake
from tests.support.dialects.cromwell import rewritten_by_tesazure
from tests.support.dialects.held import HeldTask
from tests.support.scripted_server import Answer, Behaviour, Request, answer_html, answer_json

_DROPPED = frozenset({"volumes"})
_AMOUNTS = ("cpu_cores", "ram_gb", "disk_gb")


class Tesazure(DialectFake):
    """tesazure, now tes-azure-legacy."""

    NAME = "tesazure"
    BASES = ("/v1",)
    INFO_PATHS = ("/tasks/service-info",)
    TRAPS: ClassVar[Mapping[str, str]] = {
        "gone_at_once": "a canceled task is a 500 from the start, never CANCELED",
    }
    DATA = "/tes-wd/shared"
    SHOWS_RUNNING = False
    INFO_IS_OPEN = False

    def __init__(self, *traps: str) -> None:
        """See `DialectFake`."""
        self._snapshot: dict[str, str] = {}
        self._deleted: set[str] = set()
        super().__init__(*traps)

    def service_info(self) -> dict[str, Any]:
        return {"name": "TES API Server for Azure Compute", "doc": "", "storage": []}

    def new_id(self, number: int) -> str:
        return f"00000000-0000-4000-8000-{number:012}"

    # Creating

    def read_body(self, request: Request) -> dict[str, Any]:
        try:
            document: dict[str, Any] = request.json()
        except ValueError:
            raise Denied(answer_json({"message": "Failed to decode JSON object"}, 400)) from None
        return document

    def check(self, document: Mapping[str, Any]) -> None:
        faults = dict(_faults(document))
        if faults:
            raise Denied(answer_json({"errors": faults}, 422))

    def invalid(self, text: str) -> Answer:
        return answer_json({"errors": {"executors": [text]}}, 422)

    def kept(self, document: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in document.items() if name not in _DROPPED}
        resources = dict(kept.get("resources") or {})
        kept["resources"] = resources | {name: int(resources[name]) for name in _AMOUNTS if name in resources}
        ignored = ("workdir", "stdin")
        kept["executors"] = [
            {name: value for name, value in each.items() if name not in ignored} for each in kept.get("executors") or ()
        ]
        return rewritten_by_tesazure(kept)

    def _new(self, document: dict[str, Any]) -> HeldTask:
        task = super()._new(document)
        self._snapshot[task.id] = "UNKNOWN"
        return task

    # Reading: a GET by id looks at the Batch job, the list does not

    def no_such_task(self, task_id: str) -> Answer:
        return answer_json({"errors": f"Task {task_id} not found"}, 404)

    def unauthenticated(self, authorization: str) -> Answer:
        """A token that it cannot read is its own mistake."""
        if not authorization:
            return answer_json({"errors": "Authorization header is missing"}, 401)
        if not authorization.startswith("Bearer "):
            return answer_json({"errors": "Authorization header must be a bearer token"}, 403)
        return answer_json({"message": "Internal Server Error"}, 500)

    def view(self, request: Request) -> str:
        return "FULL"

    def full(self, task: HeldTask) -> dict[str, Any]:
        document = {**task.full(_iso), "state": self._snapshot[task.id]}
        if task.reads:
            document["resources"] = {**dict.fromkeys(_AMOUNTS, 0), "preemptible": False, "zones": ""}
        for log in document["logs"]:
            log["system_logs"] = "[]"
            if task.state in FINISHED:
                log["logs"] = [_with_spaces(each) for each in log["logs"]]
            else:
                log["logs"] = []
        return document

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        return self.full(task)

    def end_state(self, exit_code: int) -> str:
        return "COMPLETE" if exit_code == 0 else "SYSTEM_ERROR"

    def _get(self, request: Request) -> Behaviour:
        task = self.find(request.params["id"])
        if task.id in self._deleted:
            raise Denied(_gone())
        # A task that runs is a Batch job that is "active".
        self._snapshot[task.id] = "QUEUED" if task.state == "RUNNING" else task.state
        task.reads += 1
        if task.state == "CANCELED":
            self._deleted.add(task.id)
        return self.shown(self.show(task, "FULL"))

    # Listing: everything, as it was last seen, with a token for ever

    def listed(self, request: Request) -> list[HeldTask]:
        return list(self.tasks.values())

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        return tasks, "N/A"

    # Ending

    def cancel(self, task: HeldTask) -> Answer:
        if task.id in self._deleted or task.state == "CANCELED":
            return _gone()
        if task.state in FINISHED or "gone_at_once" in self.traps:
            self._deleted.add(task.id)  # with its logs
        if task.state not in FINISHED:
            task.state, task.working = "CANCELED", False
        return answer_json("{}")

    def preempt(self, task_id: str) -> None:
        """Batch starts it anew, which is "active" as before."""

    def reap(self, task_id: str) -> None:
        """Delete the Batch job of a finished task, as after a day."""
        self._deleted.add(task_id)

    def _serve(self, base: str) -> None:
        self.server.on("*", "*", answer_html(404))
        super()._serve(base)


def _gone() -> Answer:
    text = "Task exists in local cache, but compute backend could not locate it"
    return answer_json({"errors": text}, 500)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.123456+00:00")


def _with_spaces(executor: Mapping[str, Any]) -> dict[str, Any]:
    """Its executors' times are not RFC 3339."""
    names = [name for name in ("start_time", "end_time") if name in executor]
    times = {name: re.sub(r"T([0-9:]+)\.\d+", r" \1", executor[name]) for name in names}
    return {**executor, **times}


def _faults(document: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if "resources" not in document:
        yield "resources", ["Missing data for required field."]
    elif isinstance((document["resources"] or {}).get("zones"), list):
        yield "resources.zones", ["Not a valid string."]
    yield from ((path, ["Field may not be null."]) for path in _nulls(document, ""))
    for part in ("inputs", "outputs"):
        for item in document.get(part) or ():
            if str(item.get("type") or "FILE") not in ("FILE", "DIRECTORY"):
                yield f"{part}.type", ["Invalid enum member"]


def _nulls(value: Any, path: str) -> Iterator[str]:
    """Where there is a null, but as the content of an input."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if each is None and not (path.startswith("inputs.") and name == "content"):
                yield f"{path}{name}"
            yield from _nulls(each, f"{path}{name}.")
    elif isinstance(value, list):
        for each in value:
            yield from _nulls(each, path)
