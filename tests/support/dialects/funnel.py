"""Funnel: 0.12, 0.11.0 to 0.11.7, and 0.10 and older (DIALECTS.md, rows "Funnel")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from tests.support.dialects.base import FINISHED, Denied, DialectFake
from tests.support.dialects.held import HeldTask
from tests.support.dialects.queries import first, integer, passes
from tests.support.dialects.shapes import (
    ALL_FIELDS,
    FIELDS,
    FIELDS_OF_1_0,
    camel,
    every_field,
    in_view,
    snake,
    unknown_fields,
    without_zeros,
)
from tests.support.scripted_server import Answer, Behaviour, HangUp, Request, answer, answer_html, answer_json

_LARGEST_PAGE = 2048


class Funnel(DialectFake):
    """Funnel 0.12."""

    NAME = "funnel"
    BASES: ClassVar[tuple[str, ...]] = ("/ga4gh/tes/v1", "/v1", "")
    TRAPS: ClassVar[Mapping[str, str]] = {
        "postgres": "MINIMAL closes the connection where a task is shown; the state filter is ignored",
        "badger": "BASIC and FULL close the connection where a task is shown that has no log yet",
        "dynamodb": "a page is cut before it is filtered: short and empty pages with a token",
        "no_system_logs": "FULL comes in the shape of BASIC",
        "old_cancel": "0.12.0 to 0.12.2: cancelling a finished task is a 500",
        "cancel_fails": "a cancellation is answered with 500 though the state is CANCELED",
    }
    OUTPUT = "ftp://data.example.org/out.txt"
    VERSION: ClassVar[str] = "0.12.2"
    KNOWN: ClassVar[frozenset[str]] = ALL_FIELDS
    INFO_IS_OPEN = False
    BLANKS = False

    def service_info(self) -> dict[str, Any]:
        return {
            "id": "org.ga4gh.funnel",
            "name": "Funnel",
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": self.VERSION},
            "version": self.VERSION,
            "storage": ["file:///data"],
            "tesResources_backend_parameters": [""],
        }

    def new_id(self, number: int) -> str:
        return f"d3k{number:017}"

    # Creating

    def read_body(self, request: Request) -> dict[str, Any]:
        document: dict[str, Any] = snake(super().read_body(request))
        strange = next(unknown_fields(document, self.KNOWN), None)
        if strange is not None:
            raise Denied(self.invalid(f'proto: unknown field "{strange}"'))
        return document

    def check(self, document: Mapping[str, Any]) -> None:
        for fault in _faults(document):
            raise Denied(self.invalid(f"invalid task message: {fault}"))

    def invalid(self, text: str) -> Answer:
        return _error(400, text)

    def refusal(self) -> Answer:
        return self.invalid("invalid task message: Task.Executors[0].Image: not allowed")

    def kept(self, document: dict[str, Any]) -> dict[str, Any]:
        """As its containers see it: the command line for Docker is cut at white space; no error is ignored."""
        executors = []
        for each in document["executors"]:
            env = {
                name: value.split(maxsplit=1)[0] if value.split() else value
                for name, value in each.get("env", {}).items()
            }
            kept = {**each, "env": env} if env else dict(each)
            executors.append({name: value for name, value in kept.items() if name != "ignore_error"})
        return {**document, "executors": executors}

    # Reading

    def no_such_task(self, task_id: str) -> Answer:
        return _error(404, "task not found")

    def view(self, request: Request) -> str:
        asked = first(request, "view")
        if "id" in request.params and asked not in (None, "MINIMAL", "BASIC", "FULL"):
            raise Denied(_error(500, f"Unknown view: {asked}"))
        if asked is None and "badger" in self.traps:
            return "FULL"
        return super().view(request)

    def full(self, task: HeldTask) -> dict[str, Any]:
        document = task.full(_nanoseconds)
        for log in document["logs"]:
            log["metadata"] = {"hostname": "fake"}
            if "no_system_logs" not in self.traps:
                log["system_logs"] = ["level='info' msg='Version' timestamp='...'", *task.system_logs]
        return document

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        document = self.full(task)
        if self._panics(view, document):
            raise Denied(HangUp())
        if view == "MINIMAL":
            return self._minimal(task)
        guessed = view if any(log["system_logs"] for log in document["logs"]) else "BASIC"
        shown = in_view(document, guessed)
        if guessed == "BASIC":
            shown["executors"] = [{**each, "stdout": "", "stderr": ""} for each in shown["executors"]]
        return every_field(shown)

    def shown(self, document: object) -> Behaviour:
        return answer_json(document)

    def _minimal(self, task: HeldTask) -> dict[str, Any]:
        return every_field({"id": task.id, "state": task.state})

    def _panics(self, view: str, document: Mapping[str, Any]) -> bool:
        if view == "MINIMAL":
            return "postgres" in self.traps
        return "badger" in self.traps and not document["logs"]

    # Listing

    def listed(self, request: Request) -> list[HeldTask]:
        filters = ["name_prefix", "tag_key"] if "postgres" in self.traps else ["name_prefix", "tag_key", "state"]
        if "dynamodb" in self.traps:
            filters = []
        return [task for task in reversed(self.tasks.values()) if passes(task, request, filters)]

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        size = integer(request, "page_size", 256)
        size = min(size, _LARGEST_PAGE) if size > 0 else 256
        # Ids sort by time, so a token may be of a task that is not in the list.
        token = first(request, "page_token")
        rest = [task for task in tasks if not token or task.id < token]
        if "dynamodb" in self.traps:
            size = min(size, 4)
            cut, following = rest[:size], rest[size - 1].id if len(rest) > size else ""
            return [task for task in cut if passes(task, request)], following
        return rest[:size], rest[size - 1].id if len(rest) > size else ""

    def somebody_elses(self, task: HeldTask) -> Answer:
        return _error(500, "permission denied")

    # Ending

    def cancel(self, task: HeldTask) -> Answer:
        if task.state in FINISHED:
            return self.cancel_of_finished(task)
        task.state, task.working = "CANCELED", False
        return _error(500, "the backend is away") if "cancel_fails" in self.traps else answer_json({})

    def cancel_of_finished(self, task: HeldTask) -> Answer:
        """The answer to cancelling what has ended."""
        if "old_cancel" in self.traps and task.state != "CANCELED":
            return _error(500, "Won't switch between two terminal states")
        return answer_json({"message": f"Task is already in {task.state} state, no action needed"})

    def preempt(self, task_id: str) -> None:
        """Slurm's PREEMPTED is a SYSTEM_ERROR."""
        self.fail(task_id)

    def told(self, text: str, stream: str = "stdout") -> str | None:
        return None if "no_system_logs" in self.traps else text

    def _serve(self, base: str) -> None:
        # "Unimplemented" is no status of its own.
        self.server.on("POST", base + "/tasks/{id}", _error(500, "Method Not Allowed"))
        super()._serve(base)

    def _get(self, request: Request) -> Behaviour:
        # It has a page for people too.
        html = "text/html" in request.headers.get("Accept", "") and "json" not in request.query
        return answer_html() if html else super()._get(request)


class Funnel011(Funnel):
    """Funnel 0.11.0 to 0.11.7."""

    NAME = "funnel-0.11"
    TRAPS: ClassVar[Mapping[str, str]] = {
        **{name: text for name, text in Funnel.TRAPS.items() if name != "old_cancel"},
        "dropped_token": "0.11.0: next_page_token is missing in MINIMAL and BASIC lists",
    }
    VERSION = "0.11.7"

    def service_info(self) -> dict[str, Any]:
        info = super().service_info()
        version = "0.11.0" if "dropped_token" in self.traps else self.VERSION
        return {**info, "version": version, "type": {**info["type"], "version": version}}

    def check(self, document: Mapping[str, Any]) -> None:
        super().check(document)
        cores = (document.get("resources") or {}).get("cpu_cores") or FIELDS["resources"]["cpu_cores"]
        if not float(cores).is_integer():
            raise Denied(self.invalid("proto: invalid value for uint32 type"))
        if None in (document.get("tags") or {}).values():
            raise Denied(self.invalid("proto: invalid value for string type: null"))

    def invalid(self, text: str) -> Answer:
        return _error(500, text)

    def no_such_task(self, task_id: str) -> Answer:
        return _error(500, "task not found")

    def cancel_of_finished(self, task: HeldTask) -> Answer:
        if task.state == "CANCELED":
            return answer_json({})
        return _error(500, "Won't switch between two terminal states")

    def _minimal(self, task: HeldTask) -> dict[str, Any]:
        return {"id": task.id, "state": task.state}

    def listing(self, request: Request, tasks: Sequence[HeldTask], token: str | None) -> dict[str, Any]:
        body = super().listing(request, tasks, token)
        if "dropped_token" in self.traps and self.view(request) != "FULL":
            del body["next_page_token"]
        return body


class Funnel010(Funnel011):
    """Funnel 0.10 and older: TES 0.3, camelCase, no zeros."""

    NAME = "funnel-0.10"
    BASES = ("/v1",)
    INFO_PATHS = ("/tasks/service-info",)
    TRAPS: ClassVar[Mapping[str, str]] = {
        "no_tag_filter": "tag_key and tag_value, which TES 0.3 does not have, are ignored",
    }
    KNOWN = FIELDS_OF_1_0

    def service_info(self) -> dict[str, Any]:
        return {"name": "Funnel", "doc": "", "taskStateCounts": {"QUEUED": 0, "RUNNING": len(self.tasks)}}

    def shown(self, document: object) -> Behaviour:
        return answer_json(camel(without_zeros(document)))

    def listed(self, request: Request) -> list[HeldTask]:
        if "no_tag_filter" not in self.traps:
            return super().listed(request)
        return [task for task in reversed(self.tasks.values()) if passes(task, request, ["name_prefix", "state"])]


def _error(status: int, text: str) -> Answer:
    """Its handler of errors sets no Content-Type."""
    return answer(status, json.dumps({"error": text}))


def _nanoseconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.123456789+00:00")


def _faults(document: Mapping[str, Any]) -> list[str]:
    """What its validation finds."""
    faults = [] if document.get("executors") else ["Task.Executors: at least one executor is required"]
    for executor in document.get("executors") or ():
        faults += [f"Task.Executors[0].{name}: required" for name in ("image", "command") if not executor.get(name)]
        paths = (executor.get(name) for name in ("workdir", "stdin", "stdout", "stderr"))
        faults += [f"{path}: must be an absolute path" for path in paths if path and not path.startswith("/")]
    for item in document.get("inputs") or ():
        if bool(item.get("url")) == bool(item.get("content")):
            faults.append("Task.Inputs[0]: exactly one of url and content is required")
    faults += ["Task.Outputs[0].Url: required" for item in document.get("outputs") or () if not item.get("url")]
    items = [*(document.get("inputs") or ()), *(document.get("outputs") or ())]
    mounts = [*(item.get("path") or "" for item in items), *(document.get("volumes") or ())]
    faults += [f"{path}: must be an absolute path" for path in mounts if not path.startswith("/")]
    if "" in (document.get("tags") or {}):
        faults.append("Task.Tags: empty key")
    return faults
