"""TESP-API, which runs tasks by Pulsar (DIALECTS.md, rows "TESP")."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, ClassVar

from tests.support.dialects.base import FINISHED, Denied, DialectFake
from tests.support.dialects.held import HeldTask
from tests.support.dialects.queries import first, integer
from tests.support.dialects.shapes import FIELDS, SINCE_1_1, every_field, in_view
from tests.support.scripted_server import Answer, Behaviour, Request, answer, answer_json

_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
_SCHEMES = ("s3", "ftp", "http", "https")
_VIEWS = ("MINIMAL", "BASIC", "FULL")
_PATHS = ("workdir", "stdin", "stdout", "stderr")


class Tesp(DialectFake):
    """TESP-API 0.2.0."""

    NAME = "tesp"
    BASES = ("/v1",)
    TRAPS: ClassVar[Mapping[str, str]] = {"forgets_work": "a restart leaves its tasks as they are for ever"}

    def __init__(self, *traps: str) -> None:
        """See `DialectFake`."""
        super().__init__(*traps)
        self._forgotten: frozenset[str] = frozenset()

    def service_info(self) -> dict[str, Any]:
        return {
            "id": "fi.muni.cz.tesp",
            "name": "TESP",
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.0.0"},
            "version": "1.0.0",
            "storage": [],
        }

    def new_id(self, number: int) -> str:
        return f"{0x66320000 + number:08x}{'5e' * 5}{number:06x}"

    # Creating

    def check(self, document: Mapping[str, Any]) -> None:
        faults = list(_faults(document))
        if faults:
            raise Denied(answer_json({"detail": faults}, 422))

    def invalid(self, text: str) -> Answer:
        return answer_json({"detail": [{"loc": ["body"], "msg": text, "type": "value_error"}]}, 422)

    def kept(self, document: dict[str, Any]) -> dict[str, Any]:
        known = {name: value for name, value in document.items() if name in FIELDS["task"]}
        for part in ("inputs", "outputs", "executors"):
            known[part] = [
                {name: value for name, value in each.items() if name not in SINCE_1_1} for each in known.get(part) or ()
            ]
        known["executors"] = [_mangled(each) for each in known["executors"]]
        return known

    # Reading

    def find(self, task_id: str) -> HeldTask:
        if not _OBJECT_ID.fullmatch(task_id):
            raise Denied(_error(400, f"'{task_id}' is not a valid ObjectId"))
        return super().find(task_id)

    def no_such_task(self, task_id: str) -> Answer:
        return _error(404, f"Task[{task_id}] not found")

    def somebody_elses(self, task: HeldTask) -> Answer:
        return self.no_such_task(task.id)

    def view(self, request: Request) -> str:
        asked = first(request, "view")
        if asked is not None and asked not in _VIEWS:
            raise Denied(self.invalid("view: value is not a valid enumeration member"))
        return asked or "MINIMAL"

    def full(self, task: HeldTask) -> dict[str, Any]:
        document = {**task.full(_microseconds), "author": "anonymous"}
        for log in document["logs"]:
            log["metadata"] = None
            # set -x writes each command there.
            log["logs"] = [{**each, "stderr": "+ docker run\n" + each["stderr"]} for each in log["logs"]]
        return document

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        shown = in_view(self.full(task), view)
        return shown if view == "MINIMAL" else every_field(shown, nulls=True)

    def executors_run(self, task: HeldTask) -> int:
        return 1

    def told(self, text: str, stream: str = "stdout") -> str | None:
        return text if stream == "stdout" else "+ docker run\n" + text

    # Listing: by the tasks' age, no filter but the name, a token for ever

    def listed(self, request: Request) -> list[HeldTask]:
        prefix = re.compile("^" + (first(request, "name_prefix") or ""))
        return [task for task in self.tasks.values() if prefix.search(task.document.get("name") or "")]

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        token = first(request, "page_token")
        if token is not None and not _OBJECT_ID.fullmatch(token):
            raise Denied(_error(400, f"'{token}' is not a valid ObjectId"))
        rest = [task for task in tasks if token is None or task.id > token]
        size = abs(integer(request, "page_size", 256)) or len(rest)
        page = rest[:size]
        return page, page[-1].id if page else "None"

    # Ending

    def cancel(self, task: HeldTask) -> Answer:
        if task.state not in FINISHED:
            task.state = "CANCELED"  # and Pulsar goes on
        return answer_json({})

    def finish(self, task_id: str, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        """End it, unless its work was forgotten; a canceled task only stops computing."""
        task = self.tasks[task_id]
        if task.state == "CANCELED":
            task.working = False
        elif task_id not in self._forgotten:
            super().finish(task_id, exit_code, stdout, stderr)

    def resume(self) -> None:
        """Its queue of work was in memory."""
        if "forgets_work" in self.traps:
            self._forgotten = frozenset(self.tasks)
        super().resume()

    def preempt(self, task_id: str) -> None:
        """Pulsar's job has gone."""
        self.fail(task_id)

    def _cancel(self, request: Request) -> Behaviour:
        try:
            return super()._cancel(request)
        except Denied as denied:
            # 200 for any id that could be one.
            if _OBJECT_ID.fullmatch(request.params["id"]):
                return answer_json({})
            return denied.answer

    def _serve(self, base: str) -> None:
        super()._serve(base)
        self.server.on("*", base + "/tasks/", answer(307, Location=base + "/tasks"))
        self.server.on("POST", base + "/tasks/{id}", self._not_allowed)
        self.server.on("POST", base + "/tasks/{id}:cancel", self._guarded(self._cancel))

    def _not_allowed(self, request: Request) -> Behaviour:
        return answer_json({"detail": "Method Not Allowed"}, 405)


class TespShell(Tesp):
    """The same, spoken to with commands protected by `sh -c`; what it keeps is what its containers would run."""

    NAME = "tesp-sh"
    PINNED = True
    TRAPS: ClassVar[Mapping[str, str]] = {}

    def kept(self, document: dict[str, Any]) -> dict[str, Any]:
        known = super().kept(document)
        return {**known, "executors": [_as_run(each) for each in known["executors"]]}


def _as_run(executor: dict[str, Any]) -> dict[str, Any]:
    """What `sh -c` makes of `exec "${A}" "${B}" < "${C}"`."""
    env, command = dict(executor.get("env") or {}), executor["command"]
    if command[:2] != ["sh", "-c"] or not command[2].startswith("exec "):
        return executor
    streams = {"<": "stdin", ">": "stdout", "2>": "stderr"}
    words, where, run = shlex.split(command[2])[1:], "", dict(executor)
    run["command"] = []
    for word in words:
        text = env.pop(word[2:-1]) if word.startswith("${") else word
        if word in streams:
            where = streams[word]
        elif where:
            run[where], where = text, ""
        else:
            run["command"].append(text)
    return {**run, "env": env}


def _error(status: int, text: str) -> Answer:
    return answer_json(
        {"timestamp": "2024-05-01 10:00:00", "error": "Error", "status": status, "message": text}, status
    )


def _microseconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.123456+00:00")


def _mangled(executor: Mapping[str, Any]) -> dict[str, Any]:
    """Its model reads arguments and streams as paths."""
    paths = {name: str(PurePosixPath(executor[name])) for name in _PATHS if executor.get(name) is not None}
    return {**executor, **paths, "command": [str(PurePosixPath(each)) for each in executor.get("command") or ()]}


def _faults(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document.get("inputs") or ():
        if item.get("type", "FILE") is None:
            yield _fault("inputs", "type", "none is not an allowed value")
        if item.get("url") is not None and not _is_url(item["url"]):
            yield _fault("inputs", "url", "invalid or missing URL scheme")
    for item in document.get("outputs") or ():
        if item.get("type") is None:
            yield _fault("outputs", "type", "field required")
        if not _is_url(item.get("url") or ""):
            yield _fault("outputs", "url", "invalid or missing URL scheme")
    if None in (document.get("tags") or {}).values():
        yield _fault("tags", "none is not an allowed value")


def _fault(*where_and_text: str) -> dict[str, Any]:
    *where, text = where_and_text
    return {"loc": ["body", *where], "msg": text, "type": "value_error"}


def _is_url(text: str) -> bool:
    return text.partition("://")[0] in _SCHEMES and "://" in text
