"""Errors of a node as RFC 9457 problem details."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_HEADERS_KEPT = ("Allow",)


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field.

    Attributes:
        field: its path, such as `executors[0].command` or `query parameter page_size`.
        detail: what would be right.
    """

    field: str
    detail: str


class Problem(Exception):
    """A request that is refused."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldError] = (), headers: dict[str, str] | None = None
    ) -> None:
        """Refuse with an HTTP status, a sentence for people, the fields at fault, and headers."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(errors: Sequence[FieldError]) -> Problem:
    """Make one 400 of several field errors."""
    return Problem(400, "; ".join(f"{error.field}: {error.detail}" for error in errors), errors)


def invalid_parameter(name: str, detail: str) -> Problem:
    """Make the 400 of a query parameter."""
    return invalid([FieldError(f"query parameter {name}", detail)])


def register(app: Flask) -> None:
    """Answer every error of the app as problem details."""
    app.register_error_handler(Problem, respond)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(Exception, _on_unexpected)


def respond(problem: Problem) -> Response:
    """Make the response of a problem."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        document["errors"] = [{"field": error.field, "detail": error.detail} for error in problem.errors]
    response = Response(json.dumps(document), problem.status, content_type=MEDIA_TYPE)
    response.headers.update(problem.headers)
    return response


def _on_http(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in _HEADERS_KEPT}
    if status == 404:
        detail = f"there is nothing at {request.path}; tasks are at /ga4gh/tes/v1/tasks"
    elif status == 405:
        detail = f"{request.method} is not possible at {request.path}"
    elif status == 413:
        detail = f"body: must not be larger than {request.max_content_length} bytes"
        headers["Connection"] = "close"  # the rest of the body is not read
    else:
        detail = error.description or HTTPStatus(status).phrase
    return respond(Problem(status, detail, headers=headers))


def _on_unexpected(error: Exception) -> Response:
    logger.error("%s %r failed", request.method, request.path, exc_info=error)
    return respond(Problem(500, "an unexpected error; it has been logged"))
