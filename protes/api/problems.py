"""Errors as RFC 9457 problem details, the one error body of every endpoint and status (DESIGN.md section 6).

FOCA's own handler hides `detail` and logs client errors as tracebacks, so ours replaces it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from connexion.exceptions import ProblemException
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from protes.store.protocols import StoreFull, StoreUnavailable, TooLarge

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
KEY_HEADER = "Idempotency-Key"
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
_HEADERS_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field.

    Attributes:
        field: its path, such as `executors[0].command` or `query parameter page_size`.
        detail: what is wrong and what would be right.
    """

    field: str
    detail: str


class Problem(Exception):
    """A request that is refused, with what the client is told."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldError] = (), headers: dict[str, str] | None = None
    ) -> None:
        """Refuse with an HTTP status, a sentence for people, and the fields at fault."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(errors: Sequence[FieldError], status: int = 400) -> Problem:
    """Make one problem of several field errors; `detail` names each field and its mend."""
    return Problem(status, "; ".join(f"{error.field}: {error.detail}" for error in errors), errors)


def title_of(status: int) -> str:
    """Return the standard title of a status, the same on every Python version."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def document_of(problem: Problem) -> dict[str, Any]:
    """Make the problem details document."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(problem.status),
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [{"field": error.field, "detail": error.detail} for error in problem.errors]
    return document


def body_of(problem: Problem) -> bytes:
    """Render the problem details document."""
    return json.dumps(document_of(problem)).encode()


def respond(problem: Problem) -> Response:
    """Make the HTTP response of a problem."""
    response = Response(body_of(problem), problem.status, content_type=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def log_refusal(problem: Problem, method: str, path: str) -> None:
    """Write the one line a client error is worth; control characters cannot forge another."""
    logger.info("%s %s refused with %d: %s", method, _one_line(path), problem.status, _one_line(problem.detail))


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode()[:500]


def register(app: Flask) -> None:
    """Answer every error of the app as problem details, in the place of FOCA's handler."""
    app.before_request(_refuse_redirect)
    app.register_error_handler(Problem, _on_problem)
    app.register_error_handler(ProblemException, _on_connexion)
    app.register_error_handler(HTTPException, _on_werkzeug)
    app.register_error_handler(StoreUnavailable, _on_store)
    app.register_error_handler(TooLarge, _on_too_large)
    app.register_error_handler(Exception, _on_unexpected)


def _refuse_redirect() -> None:
    """Nothing redirects (DESIGN.md section 6): a client that follows one loses its POST, or the root it came on."""
    if isinstance(request.routing_exception, RequestRedirect):
        raise Problem(404, f"there is nothing at {request.path}; it is at {request.path}/")


def _on_problem(problem: Problem) -> Response:
    log_refusal(problem, request.method, request.path)
    return respond(problem)


def _on_connexion(error: ProblemException) -> Response:
    problem = Problem(error.status, str(error.detail or error.title), headers=dict(error.headers or {}))
    return _on_problem(problem)


def _on_werkzeug(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 404:
        detail = f"there is nothing at {request.path}; tasks are at /ga4gh/tes/v1/tasks"
    elif status == 405:
        detail = f"{request.method} is not possible at {request.path}"
    else:
        detail = error.description or title_of(status)
    headers = {name: value for name, value in error.get_headers() if name in _HEADERS_KEPT}
    return _on_problem(Problem(status, detail, headers=headers))


def _on_store(error: StoreUnavailable) -> Response:
    logger.warning("%s %s: the store is unavailable: %s", request.method, _one_line(request.path), error)
    full = isinstance(error, StoreFull)
    text = "the task store is full: its operator must make room" if full else "the task store is unavailable; try again"
    if request.method == "POST":
        # An acknowledgement may have been lost on its way from the store.
        text += f"; the request may have been carried out: repeat it with the same {KEY_HEADER}, if it has one"
    return respond(Problem(503, text, headers={"Retry-After": "60" if full else "2"}))


def _on_too_large(error: TooLarge) -> Response:
    return _on_problem(Problem(413, str(error)))


def _on_unexpected(error: Exception) -> Response:
    logger.error("%s %s failed", request.method, _one_line(request.path), exc_info=error)
    return respond(Problem(500, "an unexpected error; it has been logged"))
