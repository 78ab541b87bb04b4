"""ga4gh-tes, "TES on Azure" (DIALECTS.md, rows "ga4gh-tes")."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from tests.support.dialects.base import FINISHED, Denied, DialectFake
from tests.support.dialects.cromwell import seen
from tests.support.dialects.held import HeldTask
from tests.support.dialects.queries import after, first, integer, passes
from tests.support.dialects.shapes import every_field, in_view
from tests.support.scripted_server import Answer, Behaviour, Request, Stall, answer, answer_html, answer_json

_ID = re.compile(r"[A-Za-z0-9_-]{32}|[A-Za-z0-9_-]{36}|[A-Za-z0-9_-]{41}")
_PARAMETERS = ("internal_path_prefix", "vm_size", "workflow_execution_identity")
_STATES = frozenset(
    {
        "UNKNOWN",
        "QUEUED",
        "INITIALIZING",
        "RUNNING",
        "PAUSED",
        "COMPLETE",
        "EXECUTOR_ERROR",
        "SYSTEM_ERROR",
        "CANCELED",
    }
)
_NOT_MODELLED = ("ignore_error", "path_prefix")
_FILTERS = ("state", "name_prefix", "tag_key", "tag_value")
_BLOBS = "https://example.blob.core.windows.net/tes-internal"


class Ga4ghTes(DialectFake):
    """ga4gh-tes 6.0.0."""

    NAME = "ga4gh-tes"
    BASES = ("/v1",)
    TRAPS: ClassVar[Mapping[str, str]] = {
        "before_5_4": "the tag filters are ignored",
        "cancel_races": "the first cancellation of a task is a 409",
        "beta": "6.1.0-beta: a cancellation is CANCELING first, and all executors run",
    }
    SEVERAL_EXECUTORS = False
    INFO_IS_OPEN = False

    def service_info(self) -> dict[str, Any]:
        return {
            "id": "example-tes",
            "name": "GA4GH Task Execution Service",
            "description": "GA4GH TES on Azure",
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
            "version": "6.0.0",
            "storage": [],
            "tesResources_backend_parameters": list(_PARAMETERS),
        }

    def new_id(self, number: int) -> str:
        return f"{number:032x}"

    # Creating

    def _new(self, document: dict[str, Any]) -> HeldTask:
        """The id of Cromwell's tasks begins as its workflow's run does."""
        task = super()._new(document)
        found = seen("ga4gh-tes", document)
        if found is not None:
            task.id = f"{found[1][:8]}_{task.id}"
        return task

    def check(self, document: Mapping[str, Any]) -> None:
        for fault in _faults(document):
            raise Denied(self.invalid(fault))

    def kept(self, document: dict[str, Any]) -> dict[str, Any]:
        kept = {**document, "resources": _resources(document.get("resources") or {})}
        for part in ("inputs", "outputs", "executors"):
            kept[part] = [_without(each, *_NOT_MODELLED) for each in document.get(part) or ()]
        for part in ("inputs", "outputs"):
            kept[part] = [{**each, "type": each.get("type") or 0} for each in kept[part]]
        # A streamable input is not downloaded.
        streamed = [bool(each.get("streamable")) for each in document.get("inputs") or ()]
        kept["inputs"] = [
            _without(each, "url") if skipped else each for each, skipped in zip(kept["inputs"], streamed, strict=True)
        ]
        return _without(kept, "volumes")

    def invalid(self, text: str) -> Answer:
        return answer(400, text)

    def refusal(self) -> Answer:
        return self.invalid("Docker container image is required.")

    # Reading: the proxy before it asks who it is, and then everybody sees everything

    def unauthenticated(self, authorization: str) -> Answer:
        return answer_html(401)

    def sees(self, task: HeldTask) -> bool:
        return True

    def find(self, task_id: str) -> HeldTask:
        if not _ID.fullmatch(task_id):
            raise Denied(answer(400, "Invalid ID"))
        return super().find(task_id)

    def no_such_task(self, task_id: str) -> Answer:
        return answer(404, f"TES task with id '{task_id}' does not exist")

    def view(self, request: Request) -> str:
        asked = (first(request, "view") or "MINIMAL").upper()
        if asked not in ("MINIMAL", "BASIC", "FULL"):
            raise Denied(answer(400, "Invalid view parameter value."))
        return asked

    def full(self, task: HeldTask) -> dict[str, Any]:
        document = task.full(_seven_digits)
        for log in document["logs"]:
            log["metadata"] = {"vm_size": "Standard_D2_v3"}
            for executor, run in zip(log["logs"], task.runs, strict=True):
                texts = {name: self.told(getattr(run, name), name) for name in ("stdout", "stderr")}
                executor |= texts if run.exit_code is not None else dict.fromkeys(texts)
        return document

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        shown = in_view(self.full(task), view)
        return shown if view == "MINIMAL" else every_field(shown, nulls=True)

    def told(self, text: str, stream: str = "stdout") -> str | None:
        return json.dumps([f"{_BLOBS}/{stream}.txt"])

    def executors_run(self, task: HeldTask) -> int:
        return super().executors_run(task) if "beta" in self.traps else 1

    # Listing: oldest first, tokens bound to the filters

    def listed(self, request: Request) -> list[HeldTask]:
        wanted = (first(request, "state") or "").upper()
        if wanted and wanted not in _STATES | ({"CANCELING"} if "beta" in self.traps else set()):
            raise Denied(answer(400, "Invalid state parameter value."))
        filters = ["name_prefix"] if "before_5_4" in self.traps else ["name_prefix", "tag_key"]
        return [task for task in self.tasks.values() if passes(task, request, filters) and wanted in ("", task.state)]

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        size = integer(request, "page_size", 256)
        if size >= 2048 or size < 1:
            raise Denied(answer(400, "If provided, pageSize must be less than 2048 and greater than 0."))
        filters = {name: list(request.query.get(name, ())) for name in _FILTERS}
        token = first(request, "page_token")
        rest = after(tasks, _last_of(token, filters) if token else None)
        page = rest[:size]
        return page, _token(page[-1].id, filters) if len(rest) > size else None

    def listing(self, request: Request, tasks: Sequence[HeldTask], token: str | None) -> dict[str, Any]:
        return {**super().listing(request, tasks, None), "next_page_token": token}

    # Ending

    def cancel(self, task: HeldTask) -> Answer:
        if "cancel_races" in self.traps and task.cancels == 1:
            return answer_json({"message": "The task could not be updated due to a conflict."}, 409)
        if task.state not in FINISHED:
            task.state, task.working = ("CANCELING" if "beta" in self.traps else "CANCELED"), False
        return answer_json({})

    def preempt(self, task_id: str) -> None:
        """It starts again on another machine."""
        self.set_state(task_id, "INITIALIZING")

    def _get(self, request: Request) -> Behaviour:
        seen = super()._get(request)
        task = self.tasks[request.params["id"]]
        if task.state == "CANCELING":
            task.state = "CANCELED"  # the scheduler's next pass
        return seen


def _resources(asked: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {key.lower(): value for key, value in (asked.get("backend_parameters") or {}).items()}
    return {
        "preemptible": True,
        **asked,
        "backend_parameters": {key: value for key, value in parameters.items() if key in _PARAMETERS},
    }


def _without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def _seven_digits(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.1234567Z")


def _token(last_id: str, filters: Mapping[str, Any]) -> str:
    inner = base64.b64encode(json.dumps({"LastDbId": last_id, **filters}).encode())
    return base64.urlsafe_b64encode(inner).decode()


def _last_of(token: str, filters: Mapping[str, Any]) -> str:
    """The id in a token; with other filters its retries go on for hours."""
    held = json.loads(base64.b64decode(base64.urlsafe_b64decode(token)))
    last_id: str = held.pop("LastDbId")
    if held != filters:
        raise Denied(Stall())
    return last_id


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("id"):
        yield "Id should not be included by the client in the request; the server is responsible for generating it."
    executors = document.get("executors") or []
    if not executors or not all(each.get("image") and each.get("command") for each in executors):
        yield "Executors, their image and their command are required."
    for executor in executors:
        for name in ("stdin", "stdout", "stderr"):
            if executor.get(name) is not None and not executor[name].startswith("/"):
                yield f"{name} must be an absolute path."
    for item in document.get("inputs") or ():
        url, content = item.get("url"), item.get("content")
        if (url is None) == (content is None):
            yield "One of Input.Url or Input.Content must be set."
        if (url or "").startswith("file:"):
            yield "Input.Url must not be a file."
        if content is not None and item.get("type") == "DIRECTORY":
            yield "Content is not supported for directories."
    resources = document.get("resources") or {}
    for name in ("cpu_cores", "ram_gb", "disk_gb"):
        if resources.get(name) is not None and resources[name] <= 0:
            yield f"{name} must be greater than 0."
    keys = [key.lower() for key in resources.get("backend_parameters") or {}]
    if len(set(keys)) < len(keys):
        yield "Duplicate backend_parameters were specified."
    if resources.get("backend_parameters_strict") and set(keys) - set(_PARAMETERS):
        yield "Unsupported keys were specified in backend_parameters."
