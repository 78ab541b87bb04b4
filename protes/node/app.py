"""The node's HTTP side: TES 1.1.0 under `/ga4gh/tes/v1`, and who is let in (DESIGN.md section 6, "Safe by default")."""

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from protes.api import problems
from protes.api.guard import Guard
from protes.api.problems import Problem
from protes.clock import Clock
from protes.node import document, listing
from protes.node.execution import Surroundings, execute
from protes.node.files import Roots
from protes.node.path_mode import choose
from protes.node.pool import Pool
from protes.node.records import Record
from protes.node.service_info import service_info
from protes.node.settings import NodeSettings, PathMode
from protes.node.tasks import Tasks

BASE_PATH = "/ga4gh/tes/v1"


@dataclass(frozen=True, slots=True)
class NodeApp:
    """A node at work.

    Attributes:
        wsgi: the WSGI application to serve.
        mode: how tasks see their paths, `namespace` or `mapped`.
    """

    wsgi: Flask
    mode: PathMode
    _pool: Pool
    _tasks: Tasks

    def close(self) -> None:
        """End all tasks and leave the directory."""
        self._pool.close()
        self._tasks.close()


def create_node_app(settings: NodeSettings, clock: Clock, environ: Mapping[str, str] | None = None) -> NodeApp:
    """Open the node's directory, start its workers, and return it; call it after fork.

    Args:
        settings: what the node is told.
        clock: for stamps and deadlines.
        environ: environment variables of the node; by default those of this process.

    Raises:
        DirectoryInUse: another node works in the directory.
        NoNamespaces: the settings ask for namespaces, and the system does not allow them.
        OSError: the directory cannot be made, read or written.
    """
    tasks = Tasks(settings.directory, clock)
    try:
        mode, why_not = choose(settings)
        folders = (*settings.roots, *settings.shared) or (settings.directory / "storage",)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except BaseException:
        tasks.close()
        raise
    info = service_info(settings, mode, why_not, [folder.resolve() for folder in folders])
    around = Surroundings(settings, mode, Roots(folders), os.environ if environ is None else environ, clock)
    pool = Pool(settings.slots, lambda record: execute(record, around))
    return NodeApp(_flask(settings, info, _Calls(settings, mode, tasks, pool)), mode, pool, tasks)


class _Calls:
    """The operations of TES 1.1.0."""

    def __init__(self, settings: NodeSettings, mode: PathMode, tasks: Tasks, pool: Pool) -> None:
        self._limits = document.Limits(settings.slots, settings.ram_gb, settings.disk_gb)
        self._metadata = {"node": settings.name, "path_mode": mode, "speed": f"{settings.speed:g}"}
        self._tasks = tasks
        self._pool = pool

    def create(self) -> Response:
        sent, notes = document.read(_body(), self._limits)
        images = sorted({executor["image"] for executor in sent["executors"]})
        notes.append(f"commands run as processes of the host; not used: image {', '.join(images)}")
        record = self._tasks.create(sent, dict(self._metadata), notes)
        self._pool.submit(record)
        return jsonify({"id": record.id})

    def list(self) -> Response:
        view = listing.view_of(request.args)
        found, more = self._tasks.page(listing.query_of(request.args))
        answer: dict[str, Any] = {"tasks": [_shown(record, view) for record in found]}
        if more:
            answer["next_page_token"] = listing.token_after(found[-1].id)
        return jsonify(answer)

    def get(self, task_id: str) -> Response:
        return jsonify(_shown(self._find(task_id), listing.view_of(request.args)))

    def cancel(self, task_id: str) -> Response:
        if _body().strip() not in (b"", b"{}", b"null"):
            raise Problem(400, "the body must be empty, {} or null")
        self._find(task_id).cancel()
        return jsonify({})

    def _find(self, task_id: str) -> Record:
        record = self._tasks.get(task_id)
        if record is None:
            raise Problem(404, f"id: there is no task {task_id[:80]!r} here")
        return record


def _flask(settings: NodeSettings, info: Mapping[str, Any], calls: _Calls) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False
    app.before_request(_admission(settings))
    problems.register(app)
    app.register_error_handler(RequestEntityTooLarge, _on_too_large)
    app.register_error_handler(OSError, _on_disk)
    app.add_url_rule(f"{BASE_PATH}/service-info", "service_info", lambda: jsonify(info), methods=["GET"])
    app.add_url_rule(f"{BASE_PATH}/tasks", "create", calls.create, methods=["POST"])
    app.add_url_rule(f"{BASE_PATH}/tasks", "list", calls.list, methods=["GET"])
    app.add_url_rule(f"{BASE_PATH}/tasks/<task_id>", "get", calls.get, methods=["GET"])
    app.add_url_rule(f"{BASE_PATH}/tasks/<task_id>:cancel", "cancel", calls.cancel, methods=["POST"])
    return app


def _admission(settings: NodeSettings) -> Any:
    """Make the check that every request passes first: whoever passes it can run commands on this machine."""
    guard = Guard.of("", settings.allowed_hosts, ())
    expected = None if settings.token is None else settings.token.get_secret_value().encode()

    def admit() -> None:
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if guard.refusal(host, None) is not None:
            raise Problem(403, "Host: this name is not one of the node's; --allowed-host lets it in")
        if guard.refusal(host, origin) is not None:
            raise Problem(403, "Origin: web pages may not call a node")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode() if scheme.lower() == "bearer" else b""
        if expected is not None and not hmac.compare_digest(given, expected):
            raise Problem(401, "the node's bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

    return admit


def _body() -> bytes:
    """Return the body of a POST.

    A page of another origin can send forms and plain text without being asked, so only JSON is taken. Clients cancel
    without a body and then without a type.
    """
    body = request.get_data(cache=False)
    if (body or request.mimetype) and request.mimetype != "application/json":
        raise Problem(415, "Content-Type must be application/json")
    return body


def _shown(record: Record, view: str) -> dict[str, Any]:
    match view:
        case "MINIMAL":
            return {"id": record.id, "state": str(record.state)}
        case "BASIC":
            return _typed(record.basic())
        case _:
            return _typed(record.full())


def _typed(task: dict[str, Any]) -> dict[str, Any]:
    """Fill in types that are not known yet with their default, which clients need."""
    for part in (*task.get("inputs", ()), *task.get("outputs", ())):
        part.setdefault("type", "FILE")
    return task


def _on_too_large(_: RequestEntityTooLarge) -> Response:
    most = request.max_content_length
    return problems.respond(Problem(413, f"the body must be at most {most} bytes"))


def _on_disk(error: OSError) -> Response:
    problem = Problem(503, f"the node's disk: {error.strerror}", headers={"Retry-After": "10"})
    return problems.respond(problem)
