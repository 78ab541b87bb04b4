"""A real Funnel in the place of a fake: what the conformance suite asks of fakes, as far as a test can have it done.

Its answers are its own. Between it and the gateway stands a server that counts and can lose an answer; in the place of
Docker stands `driven_program`, so that a task ends when and as the test says. What no test can bring about at a real
server (a state out of turn, a lost machine, a forgotten task) is not here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from tests.peers.funnel import SECONDS, Funnel
from tests.support.dialects.base import OPERATIONS, DialectFake
from tests.support.dialects.funnel import Funnel as FakeFunnel
from tests.support.dialects.held import HeldTask
from tests.support.scripted_server import Answer, Behaviour, Request, answer
from tests.support.waiting import wait_until

_PASSED_ON = ("Accept", "Content-Type", "Authorization", "User-Agent", "Via")
_ENDED = frozenset({"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"})


class RealTask(HeldTask):
    """A task at the real server; its state and its document are asked for."""

    funnel: Funnel

    def __getattribute__(self, name: str) -> Any:
        if name not in ("state", "document"):
            return super().__getattribute__(name)
        funnel, task_id = object.__getattribute__(self, "funnel"), object.__getattribute__(self, "id")
        if name == "state":
            return funnel.get(task_id, "MINIMAL")["state"]
        # Before it has logs, FULL comes in the shape of BASIC.
        wait_until(lambda: any(log.get("system_logs") for log in funnel.get(task_id)["logs"]), "FULL is full", SECONDS)
        return funnel.get(task_id)


class DrivenFunnel(DialectFake):
    """See the module's text; the Funnel beneath must run with `driven_program`."""

    NAME = FakeFunnel.NAME
    BASES = FakeFunnel.BASES
    BLANKS = FakeFunnel.BLANKS
    DATA = "/data"

    def __init__(self, funnel: Funnel, containers: Path) -> None:
        """Stand in front of `funnel`, whose containers are in a folder."""
        self._funnel = funnel
        self._containers = containers
        super().__init__()
        given = funnel.folder / "in.txt"
        given.write_text("one two\n", encoding="utf-8")
        # Of this server alone: it may read and write there.
        self.INPUT, self.OUTPUT = given.as_uri(), (funnel.folder / "out.txt").as_uri()  # type: ignore[misc]

    def start(self, task_id: str) -> None:
        """Wait until it runs."""
        wait_until(lambda: self._pipe(task_id) is not None, f"{task_id} runs", SECONDS)

    def finish(self, task_id: str, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        """End its only executor so, and wait until that is seen."""
        self.start(task_id)
        pipe = self._pipe(task_id)
        assert pipe is not None
        pipe.write_text(json.dumps({"exit_code": exit_code, "stdout": stdout, "stderr": stderr}), encoding="utf-8")
        self._funnel.wait(task_id, *_ENDED)

    def crowd(self, count: int, state: str = "COMPLETE") -> None:
        """Have tasks of others there."""
        for number in range(count):
            document = {"name": f"other {number}", "executors": [{"image": "alpine", "command": ["true"]}]}
            task = self._held(self._funnel.create(document))
            if state == "COMPLETE":
                self.finish(task.id)

    def double(self, task_id: str) -> None:
        """Have a task there twice."""
        shown = self._funnel.get(task_id)
        wanted = {name: value for name, value in shown.items() if name in ("executors", "name", "tags") and value}
        self._held(self._funnel.create(wanted))

    def copies(self, marker: str) -> list[HeldTask]:
        """The tasks with a marker, those that nobody has told of included."""
        page = self._funnel.list(tag_key="protes_attempt", tag_value=marker, view="MINIMAL")
        return [self.tasks.get(each["id"]) or self._held(each["id"]) for each in reversed(page["tasks"])]

    def close(self) -> None:
        """Cancel what is left."""
        for task in self.tasks.values():
            if task.state not in _ENDED:
                self._funnel.call("POST", f"/tasks/{task.id}:cancel")

    def _held(self, task_id: str) -> HeldTask:
        task = RealTask(task_id, {}, len(self.tasks) + 1)
        task.funnel = self._funnel
        self.tasks[task_id] = task
        return task

    def _pipe(self, task_id: str) -> Path | None:
        return next(iter(self._containers.glob(f"*{task_id}*.end")), None)

    def _serve(self, base: str) -> None:
        for method, path in OPERATIONS.values():
            self.server.on(method, base + path.removeprefix("*"), self._passed_on)
        self.server.on("*", base + "/tasks/{id}", self._passed_on)

    def _passed_on(self, request: Request) -> Behaviour:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = self._funnel.root + request.target
        got = requests.request(request.method, url, headers=headers, data=request.body, timeout=SECONDS)
        self._note(request, got)
        answered: Answer = answer(got.status_code, got.content, got.headers.get("Content-Type", "text/plain"))
        return answered

    def _note(self, request: Request, got: requests.Response) -> None:
        if request.method == "POST" and request.path.endswith("/tasks") and got.ok:
            self._held(got.json()["id"])
        task = self.tasks.get(request.params.get("id", ""))
        if task is not None and request.path.endswith(":cancel"):
            task.cancels += 1
