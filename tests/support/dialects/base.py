"""What the fakes of all TES families share: real HTTP servers that keep tasks and do what the test says.

    with Funnel("postgres") as fake:                     # a trap of the family, see `TRAPS`
        fake.fault("create", "reset_after_commit")       # the next POST: accepted, then RST
        ...
        [task] = fake.tasks.values()
        fake.start(task.id)
        fake.finish(task.id, exit_code=3, stdout="out")

What is written here is TES 1.1.0 by its letter; a family overrides what its servers do otherwise, and
`DIALECTS.md`, section 1, says what that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.support.dialects.held import HeldTask
from tests.support.dialects.owners import Owners
from tests.support.dialects.queries import after, first, integer, passes
from tests.support.dialects.shapes import in_view
from tests.support.scripted_server import (
    Answer,
    Behaviour,
    Request,
    Route,
    ScriptedServer,
    Step,
    answer_json,
    problem,
)
from tests.support.tes_faults import FAULTS

OPERATIONS: Mapping[str, tuple[str, str]] = {
    "create": ("POST", "*/tasks"),
    "get": ("GET", "*/tasks/{id}"),
    "list": ("GET", "*/tasks"),
    "cancel": ("POST", "*/tasks/{id}:cancel"),
    "service_info": ("GET", "*/service-info"),
}
"""Methods and paths, below whatever base path."""

FINISHED = frozenset({"COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED"})


class Denied(Exception):
    """Leaves an operation with an answer that is not its usual one."""

    def __init__(self, answer: Behaviour) -> None:
        """Answer so."""
        super().__init__(str(answer))
        self.answer = answer


class DialectFake(Owners):
    """See the module's text. All methods may be called from any thread.

    Attributes:
        NAME: of the dialect.
        BASES: base paths at which it serves.
        INFO_PATHS: where its service-info is, below a base path.
        TRAPS: what its servers do only in some versions or with some databases; by name, with what it is.
        DATA, INPUT, OUTPUT: a folder, and URLs, that its tasks may use.
        RUNS: whether its tasks ever run.
        SHOWS_RUNNING: whether a task that runs is shown as RUNNING.
        BLANKS: whether it takes white space in variables and paths.
        PINNED: whether nothing but its configuration tells its dialect.
        SEVERAL_EXECUTORS: whether all executors of a task are run, each with its log.
        traps: those in force.
        odd_token: what each page of a list has for a token, in the place of what it should have.
        names_parameters: whether service-info has `tesResources_backend_parameters`, where its family's has.
        server: the server beneath, for what arrived.
        tasks: by id, oldest first.
    """

    NAME: ClassVar[str]
    BASES: ClassVar[tuple[str, ...]] = ("/ga4gh/tes/v1",)
    INFO_PATHS: ClassVar[tuple[str, ...]] = ("/service-info",)
    TRAPS: ClassVar[Mapping[str, str]] = {}
    DATA: ClassVar[str] = "/data"
    INPUT: ClassVar[str] = "https://data.example.org/in.txt"
    OUTPUT: ClassVar[str] = "https://data.example.org/out.txt"
    RUNS: ClassVar[bool] = True
    SHOWS_RUNNING: ClassVar[bool] = True
    SEVERAL_EXECUTORS: ClassVar[bool] = True
    PINNED: ClassVar[bool] = False
    BLANKS: ClassVar[bool] = True

    def __init__(self, *traps: str) -> None:
        """Make a server with some of its family's traps.

        Raises:
            ValueError: the family has no such trap.
        """
        if strange := set(traps) - set(self.TRAPS):
            raise ValueError(f"{self.NAME} has no trap {', '.join(sorted(strange))}")
        super().__init__()
        self.traps = frozenset(traps)
        self.server = ScriptedServer()
        self._late: list[HeldTask] = []
        self._faults: list[Route] = []
        self.names_parameters = True
        self.odd_token: str | None = None
        for base in self.BASES:
            self._serve(base)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Its origin, without a base path."""
        return self.server.url

    def count(self, operation: str) -> int:
        """How many requests of an operation have arrived, whatever became of them."""
        return self.server.count(*OPERATIONS[operation])

    # Faults

    def fault(self, operation: str, fault: str | Step, times: int = 1) -> Step:
        """Play a fault on the next `times` requests of an operation.

        Args:
            operation: one of `OPERATIONS`.
            fault: a name in `FAULTS`; `refusal` (a task that the server finds invalid, in its own words);
                `late_commit` (of create: 503 now, the task appears with `land`); or any step.
            times: on how many requests.
        """
        own: dict[str, Callable[[], Step]] = {"late_commit": lambda: self._commit_late, "refusal": self.refusal}
        step = ({**FAULTS, **own}[fault])() if isinstance(fault, str) else fault
        self._faults.append(self.server.inject(*OPERATIONS[operation], step, times=times))
        return step

    def heal(self) -> None:
        """Take all faults away that have not been played."""
        while self._faults:
            self.server.off(self._faults.pop())

    def land(self) -> None:
        """Let the tasks of `late_commit` appear."""
        with self._lock:
            self.tasks.update({task.id: task for task in self._late})
            self._late.clear()

    def refuse(self) -> None:
        """Refuse connections, as while it restarts."""
        self.server.refuse()

    def resume(self) -> None:
        """Take connections again."""
        self.server.resume()

    # What a family may do in its own way: creating

    def service_info(self) -> dict[str, Any]:
        """What it says of itself."""
        raise NotImplementedError

    def info_headers(self) -> Mapping[str, str]:
        """Headers of service-info."""
        return {}

    def read_body(self, request: Request) -> dict[str, Any]:
        """The task of a POST, in snake_case; raises Denied where there is none to be read."""
        try:
            document = request.json()
        except ValueError:
            raise Denied(self.invalid("not JSON")) from None
        if not isinstance(document, dict):
            raise Denied(self.invalid("not an object"))
        return document

    def check(self, document: Mapping[str, Any]) -> None:
        """Raise Denied where it refuses the task."""
        executors = document.get("executors") or []
        if not executors or not all(each.get("image") and each.get("command") for each in executors):
            raise Denied(self.invalid("executors: at least one, each with image and command"))

    def invalid(self, text: str) -> Answer:
        """How it refuses a task or a request as invalid."""
        return problem(400, text)

    def refusal(self) -> Answer:
        """How it refuses a task, for `fault`."""
        return self.invalid("executors[0].image: the registry is not allowed")

    def created(self, task: HeldTask) -> Answer:
        """The answer to a POST."""
        return answer_json({"id": task.id})

    # Reading

    def find(self, task_id: str) -> HeldTask:
        """A task by its id; raises Denied."""
        task = self.tasks.get(task_id)
        if task is None:
            raise Denied(self.no_such_task(task_id))
        return task

    def no_such_task(self, task_id: str) -> Answer:
        """How it says so."""
        return problem(404, f"no task {task_id}")

    def view(self, request: Request) -> str:
        """The view asked for; raises Denied."""
        return first(request, "view") or "MINIMAL"

    def show(self, task: HeldTask, view: str) -> dict[str, Any]:
        """A task as it is shown."""
        return in_view(self.full(task), view)

    def full(self, task: HeldTask) -> dict[str, Any]:
        """A task in full, before the family's own ways of writing."""
        return task.full()

    def shown(self, document: object) -> Behaviour:
        """The answer with a task or a page."""
        return answer_json(document)

    # Listing

    def listed(self, request: Request) -> list[HeldTask]:
        """The tasks that a list goes over, in its order, filtered; newest first."""
        return [task for task in reversed(self.tasks.values()) if passes(task, request)]

    def page(self, tasks: Sequence[HeldTask], request: Request) -> tuple[Sequence[HeldTask], str | None]:
        """The tasks of a page and the token of the next one."""
        size = integer(request, "page_size", 256)
        rest = after(tasks, first(request, "page_token"))
        return rest[:size], rest[size - 1].id if len(rest) > size else None

    def listing(self, request: Request, tasks: Sequence[HeldTask], token: str | None) -> dict[str, Any]:
        """The body of a list."""
        view = self.view(request)
        body: dict[str, Any] = {"tasks": [self.show(task, view) for task in tasks]}
        return body if token is None else {**body, "next_page_token": token}

    # Ending

    def told(self, text: str, stream: str = "stdout") -> str | None:
        """What its clients are told where an executor wrote `text`; None: nothing."""
        return text

    def cancel(self, task: HeldTask) -> Answer:
        """Act on a cancellation and answer it."""
        if task.state not in FINISHED:
            task.state, task.working = "CANCELED", False
        return answer_json({})

    # The operations

    def _serve(self, base: str) -> None:
        handlers = {"create": self._create, "get": self._get, "list": self._list, "cancel": self._cancel}
        for operation, handler in handlers.items():
            method, path = OPERATIONS[operation]
            self.server.on(method, base + path.removeprefix("*"), self._guarded(handler))
        for path in self.INFO_PATHS:
            self.server.on("GET", base + path, self._guarded(self._info))

    def _guarded(self, handler: Callable[[Request], Behaviour]) -> Step:
        def guarded(request: Request) -> Behaviour:
            with self._lock:
                refusal = None if self.INFO_IS_OPEN and handler == self._info else self.refused(request)
                if refusal is not None:
                    return refusal
                try:
                    return handler(request)
                except Denied as denied:
                    return denied.answer

        return guarded

    def _info(self, request: Request) -> Behaviour:
        del request
        info = self.service_info()
        if not self.names_parameters:
            info.pop("tesResources_backend_parameters", None)
        return answer_json(info, 200, **self.info_headers())

    def _accepted(self, request: Request) -> dict[str, Any]:
        document = self.read_body(request)
        self.check(document)
        return document

    def _create(self, request: Request) -> Behaviour:
        return self.created(self._keep(self._accepted(request)))

    def _commit_late(self, request: Request) -> Behaviour:
        with self._lock:
            refusal = self.refused(request)
            if refusal is not None:
                return refusal
            self._late.append(self._new(self._accepted(request)))
        return problem(503, "the database is slow")

    def _get(self, request: Request) -> Behaviour:
        view = self.view(request)
        task = self.find(request.params["id"])
        task.reads += 1
        return self.shown(self.show(task, view))

    def _list(self, request: Request) -> Behaviour:
        if self.odd_token is not None:  # which leads to the first page again
            query = {name: values for name, values in request.query.items() if name != "page_token"}
            request = replace(request, query=query)
        tasks, token = self.page([task for task in self.listed(request) if self.sees(task)], request)
        token = token if self.odd_token is None else self.odd_token
        return self.shown(self.listing(request, tasks, token))

    def _cancel(self, request: Request) -> Behaviour:
        task = self.find(request.params["id"])
        task.cancels += 1
        return self.cancel(task)
