"""A node: TES 1.1.0 over HTTP in front of a pool that runs tasks on this machine."""

import hmac
import json
import re
from typing import Any

from flask import Flask, Response, request

from protes.api.guard import Guard
from protes.clock import Clock
from protes.node import views
from protes.node.execution import Execution, detect_path_mode, kill_group
from protes.node.pool import Pool
from protes.node.problems import Problem, register
from protes.node.requests import check_cancel, page_token, read_page, read_task, read_view
from protes.node.service_info import service_info, storage_roots
from protes.node.settings import NodeSettings, PathMode
from protes.node.task_files import Task
from protes.node.tasks import TaskRegistry, UnknownTask
from protes.tes.states import State

BASE_PATH = "/ga4gh/tes/v1"
_BEARER = re.compile(r"bearer +(.+)", re.IGNORECASE)


class Node:
    """A running node.

    Attributes:
        mode: how tasks see their paths.
        wsgi: the app to serve.
    """

    def __init__(self, settings: NodeSettings, clock: Clock) -> None:
        """Take over the directory and start the workers.

        Raises:
            DirectoryInUse: another node works in the directory.
            OSError: the directory cannot be used.
        """
        self._settings = settings
        self._clock = clock
        settings.directory.mkdir(parents=True, exist_ok=True)
        for root in storage_roots(settings):
            root.mkdir(parents=True, exist_ok=True)
        self.mode: PathMode = detect_path_mode(settings)
        self._registry = TaskRegistry(settings.directory, clock, kill_group)
        self._pool = Pool(settings.slots, self._registry, self._prepare)
        self.wsgi = self._app()

    def close(self) -> None:
        """Kill what runs, and stop."""
        self._pool.close()
        self._registry.close()

    def _prepare(self, task: Task) -> Execution:
        return Execution(
            self._registry.contents(task).document,
            self._registry.work_folder(task),
            self._settings,
            self.mode,
            self._clock,
            lambda: self._registry.move(task, State.RUNNING),
            lambda group: self._registry.started(task, group),
        )

    def _app(self) -> Flask:
        app = Flask(__name__, static_folder=None)
        app.config["MAX_CONTENT_LENGTH"] = self._settings.max_body_bytes
        app.url_map.merge_slashes = False  # nothing redirects: a POST would be lost
        app.before_request(self._let_in)
        register(app)
        app.register_error_handler(UnknownTask, _on_unknown)
        for method, path, view in (
            ("GET", "/service-info", self._get_service_info),
            ("GET", "/tasks", self._list_tasks),
            ("POST", "/tasks", self._create_task),
            ("GET", "/tasks/<task_id>", self._get_task),
            ("POST", "/tasks/<task_id>:cancel", self._cancel_task),
        ):
            app.add_url_rule(BASE_PATH + path, view.__name__, view, methods=[method])
        return app

    def _let_in(self) -> None:
        """Refuse web pages (403), then strangers (401)."""
        guard = Guard.of("", self._settings.allowed_hosts, ())
        refusal = guard.refusal(request.headers.get("Host"), request.headers.get("Origin"))
        if refusal is not None:
            header = refusal.partition(":")[0]
            hint = "; names besides the loopback ones are given with --allowed-host" if header == "Host" else ""
            raise Problem(403, f"header {header}: this node does not answer to it{hint}")
        if self._settings.token is not None and not self._knows(request.headers.get("Authorization", "")):
            raise Problem(
                401, "header Authorization: must be Bearer and the node's token", headers={"WWW-Authenticate": "Bearer"}
            )

    def _knows(self, authorization: str) -> bool:
        assert self._settings.token is not None  # noqa: S101 (the caller has looked)
        match = _BEARER.fullmatch(authorization)
        given = match[1].strip().encode() if match else b""
        return hmac.compare_digest(given, self._settings.token.get_secret_value().encode())

    def _get_service_info(self) -> Response:
        return _answer(service_info(self._settings, self.mode))

    def _list_tasks(self) -> Response:
        page = read_page(request)
        tasks, last = self._registry.page(page.wanted, page.size, page.before)
        answer: dict[str, Any] = {"tasks": [shown for task in tasks if (shown := self._listed(task, page.view))]}
        if last is not None:
            answer["next_page_token"] = page_token(last)
        return _answer(answer)

    def _create_task(self) -> Response:
        new = read_task(request, self._settings)
        try:
            task = self._registry.create(new.document, new.warnings)
        except OSError as error:
            raise Problem(503, f"the task cannot be stored: {error.strerror}", headers={"Retry-After": "5"}) from None
        self._pool.submit(task)
        return _answer({"id": task.id})

    def _get_task(self, task_id: str) -> Response:
        return _answer(self._shown(self._registry.get(task_id), read_view(request)))

    def _cancel_task(self, task_id: str) -> Response:
        check_cancel(request)
        self._pool.cancel(self._registry.get(task_id))
        return _answer({})

    def _listed(self, task: Task, view: views.View) -> dict[str, Any] | None:
        try:
            return self._shown(task, view)
        except UnknownTask:
            return None  # removed for its age since the list was made

    def _shown(self, task: Task, view: views.View) -> dict[str, Any]:
        if view is views.View.MINIMAL:
            return views.minimal(task)
        contents = self._registry.contents(task)
        return views.basic(task, contents) if view is views.View.BASIC else views.full(task, contents)


def create_node(settings: NodeSettings, clock: Clock) -> Node:
    """Make a node and start it.

    Raises:
        DirectoryInUse: another node works in its directory.
        OSError: the directory cannot be used.
    """
    return Node(settings, clock)


def _answer(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), content_type="application/json")


def _on_unknown(error: UnknownTask) -> tuple[str, int]:
    raise Problem(404, f"id: there is no task {str(error)[:80]!r} here") from None
