"""A stateful TES 1.1 instance for tests: a `ScriptedServer` that keeps tasks and has faults when the test says so.

    with FakeTes() as fake:
        fake.fault("create", "reset_after_commit")       # the next POST: accepted, then RST
        ...
        assert fake.creates("abc-1") == 1                # tasks with the marker abc-1
        [task] = fake.tasks.values()
        fake.set_state(task.id, "RUNNING")
        fake.finish(task.id, exit_code=3, stderr="no such file")

`auto(polls)` lets tasks finish by themselves, `fault` plays one of `tes_faults.FAULTS` (or any step) on an operation,
`refuse` and `resume` stop and start the whole instance, `land` makes tasks of the fault `late_commit` appear.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.scripted_server import Answer, Request, Route, ScriptedServer, Step, answer_json, problem
from tests.support.tes_faults import FAULTS

START = "2024-05-01T10:00:00Z"
END = "2024-05-01T10:00:02Z"

OPERATIONS: Mapping[str, tuple[str, str]] = {
    "create": ("POST", "/tasks"),
    "get": ("GET", "/tasks/{id}"),
    "list": ("GET", "/tasks"),
    "cancel": ("POST", "/tasks/{id}:cancel"),
    "service_info": ("GET", "/service-info"),
}

_ACTIVE = frozenset({"UNKNOWN", "QUEUED", "INITIALIZING", "RUNNING", "PAUSED", "CANCELING"})


@dataclass
class FakeTask:
    """A task as the fake keeps it.

    Attributes:
        id: its id here.
        document: as it was sent.
        state: any TES state.
        log: its only `tesTaskLog`, as sent to clients in FULL view.
        cancels: how often its cancellation has been asked for.
        polls: how often it has been shown.
    """

    id: str
    document: dict[str, Any]
    state: str = "QUEUED"
    log: dict[str, Any] = field(default_factory=lambda: {"logs": [], "outputs": []})
    cancels: int = 0
    polls: int = 0

    @property
    def marker(self) -> str | None:
        """Its tag `protes_attempt`."""
        value = self.document.get("tags", {}).get("protes_attempt")
        return value if isinstance(value, str) else None


class FakeTes:
    """See the module's text. All methods may be called from any thread.

    Attributes:
        server: the server beneath, for what arrived (`server.count`) and for scripts beyond `fault`.
        tasks: by id, oldest first; the test may look at them and change them.
        cancel_state: the state that a cancellation gives an active task; None leaves it as it is.
        heeds_filters: list filters work; else they are ignored, as some servers do.
        answers: what requests with these values of `Authorization` get in the place of their answers.
    """

    def __init__(
        self,
        *,
        service_id: str = "org.ga4gh.protes.node",
        gateway_id: str | None = None,
        base_path: str = "/ga4gh/tes/v1",
        token: str | None = None,
        declared: object = None,
    ) -> None:
        """Make an instance that says it is a protes node, or what `service_id` says.

        Args:
            service_id: `id` of service-info, by which the dialect is recognised.
            gateway_id: sent as `X-Protes-Gateway`.
            base_path: where its API is.
            token: bearer token that every request must have.
            declared: the extension field `protes` of service-info.
        """
        self.server = ScriptedServer()
        self.tasks: dict[str, FakeTask] = {}
        self.cancel_state: str | None = "CANCELED"
        self.heeds_filters = True
        self.answers: dict[str, Answer] = {}
        self._base_path = base_path
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._auto: tuple[int, int, str] | None = None
        self._late: list[FakeTask] = []
        self._faults: list[Route] = []
        self._info: dict[str, object] = {
            "id": service_id,
            "name": "fake",
            "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
            "organization": {"name": "Example", "url": "https://example.org"},
            "version": "1.0",
            "storage": ["file:///"],
        }
        if declared is not None:
            self._info["protes"] = declared
        self._headers = {"X-Protes-Gateway": gateway_id} if gateway_id else {}
        self._token = token
        handlers = {"create": self._create, "get": self._get, "list": self._list, "cancel": self._cancel}
        self._on("service_info", lambda _: answer_json(self._info, 200, **self._headers))
        for operation, handler in handlers.items():
            self._on(operation, handler)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Its base URL, with the base path."""
        return self.server.url + self._base_path

    @property
    def posts(self) -> int:
        """How many POST /tasks have arrived, whatever became of them."""
        return self.server.count(*self._route("create"))

    def creates(self, marker: str | None = None) -> int:
        """How many tasks exist, or exist with this marker."""
        with self._lock:
            return sum(marker in (None, task.marker) for task in self.tasks.values())

    # The course of tasks

    def set_state(self, task_id: str, state: str) -> None:
        """Put a task into a state."""
        with self._lock:
            self.tasks[task_id].state = state

    def finish(self, task_id: str, exit_code: int = 0, stdout: str = "", stderr: str = "") -> None:
        """End a task's executor with an exit code: COMPLETE or EXECUTOR_ERROR, with its log."""
        executor = {"start_time": START, "end_time": END, "exit_code": exit_code, "stdout": stdout, "stderr": stderr}
        with self._lock:
            task = self.tasks[task_id]
            task.state = "COMPLETE" if exit_code == 0 else "EXECUTOR_ERROR"
            task.log = {
                "logs": [executor],
                "outputs": [],
                "start_time": START,
                "end_time": END,
                "metadata": {"host": "fake"},
                "system_logs": ["finished"],
            }

    def auto(self, polls: int = 2, exit_code: int = 0, stdout: str = "") -> None:
        """From now on a task runs when it is first shown and has finished when it is shown the `polls`-th time."""
        with self._lock:
            self._auto = (polls, exit_code, stdout)

    def forget(self, task_id: str) -> None:
        """Lose a task: it is 404 and in no list any more."""
        with self._lock:
            del self.tasks[task_id]

    # Faults

    def fault(self, operation: str, fault: str | Step, times: int = 1) -> Step:
        """Play a fault on the next `times` requests of an operation.

        Args:
            operation: one of `OPERATIONS`.
            fault: a name in `FAULTS`, `late_commit` (of create: 503 now, the task appears with `land`), or any step.
            times: on how many requests.

        Returns:
            The step, so that a `Stall` can be waited for and released.
        """
        step: Step = (
            self._commit_late if fault == "late_commit" else FAULTS[fault]() if isinstance(fault, str) else fault
        )
        self._faults.append(self.server.inject(*self._route(operation), step, times=times))
        return step

    def heal(self) -> None:
        """Take all faults away that have not been played."""
        for route in self._faults:
            self.server.off(route)
        self._faults.clear()

    def land(self) -> None:
        """Let the tasks of `late_commit` appear."""
        with self._lock:
            self.tasks.update({task.id: task for task in self._late})
            self._late.clear()

    def refuse(self) -> None:
        """Refuse connections."""
        self.server.refuse()

    def swallow(self) -> None:
        """Answer no attempt to connect."""
        self.server.swallow()

    def resume(self) -> None:
        """Take connections again."""
        self.server.resume()

    # The operations

    def _route(self, operation: str) -> tuple[str, str]:
        method, path = OPERATIONS[operation]
        return method, self._base_path + path

    def _on(self, operation: str, handler: Callable[[Request], Answer]) -> None:
        def guarded(request: Request) -> Answer:
            if self._token is not None and request.headers.get("Authorization") != f"Bearer {self._token}":
                return problem(401, "a bearer token is required")
            if (other := self.answers.get(request.headers.get("Authorization", ""))) is not None:
                return other
            with self._lock:
                return handler(request)

        self.server.on(*self._route(operation), guarded)

    def _new(self, request: Request) -> FakeTask:
        return FakeTask(f"fake-{next(self._numbers):06}", request.json())

    def _create(self, request: Request) -> Answer:
        task = self._new(request)
        self.tasks[task.id] = task
        return answer_json({"id": task.id})

    def _commit_late(self, request: Request) -> Answer:
        with self._lock:
            self._late.append(self._new(request))
        return problem(503, "the database is slow")

    def _get(self, request: Request) -> Answer:
        task = self.tasks.get(request.params["id"])
        if task is None:
            return problem(404, "no such task")
        return answer_json(self._show(task, _first(request, "view", "MINIMAL")))

    def _list(self, request: Request) -> Answer:
        found = [task for task in reversed(self.tasks.values()) if not self.heeds_filters or _passes(task, request)]
        size, start = int(_first(request, "page_size", "256")), int(_first(request, "page_token", "0"))
        view = _first(request, "view", "MINIMAL")
        page: dict[str, Any] = {"tasks": [self._show(task, view) for task in found[start : start + size]]}
        if start + size < len(found):
            page["next_page_token"] = str(start + size)
        return answer_json(page)

    def _cancel(self, request: Request) -> Answer:
        task = self.tasks.get(request.params["id"])
        if task is None:
            return problem(404, "no such task")
        task.cancels += 1
        if task.state in _ACTIVE and self.cancel_state is not None:
            task.state = self.cancel_state
        return answer_json({})

    def _show(self, task: FakeTask, view: str) -> dict[str, Any]:
        task.polls += 1
        if self._auto is not None and task.state in _ACTIVE:
            polls, exit_code, stdout = self._auto
            if task.polls >= polls:
                self.finish(task.id, exit_code, stdout)
            else:
                task.state = "RUNNING"
        shown: dict[str, Any] = {"id": task.id, "state": task.state}
        if view == "MINIMAL":
            return shown
        log = task.log if view == "FULL" else _basic(task.log)
        return {**task.document, **shown, "logs": [log], "creation_time": START}


def _first(request: Request, name: str, default: str) -> str:
    return request.query.get(name, (default,))[0]


def _passes(task: FakeTask, request: Request) -> bool:
    """Whether a task passes the filters of TES 1.1."""
    tags = task.document.get("tags", {})
    pairs = itertools.zip_longest(request.query.get("tag_key", ()), request.query.get("tag_value", ()), fillvalue="")
    return (
        _first(request, "state", task.state) == task.state
        and task.document.get("name", "").startswith(_first(request, "name_prefix", ""))
        and all(key in tags and value in ("", tags[key]) for key, value in pairs)
    )


def _basic(log: Mapping[str, Any]) -> dict[str, Any]:
    executors = [{key: each[key] for key in each if key not in ("stdout", "stderr")} for each in log["logs"]]
    return {**{key: value for key, value in log.items() if key != "system_logs"}, "logs": executors}
