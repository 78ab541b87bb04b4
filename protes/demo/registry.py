"""A GA4GH Service Registry for the demo: a fixed list of services, read-only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, NotFound

BASE_PATH = "/ga4gh/registry/v1"
_REQUIRED = ("id", "name", "type", "organization", "version", "url")
_INFO = {
    "id": "protes.demo.registry",
    "name": "Registry of the protes demo",
    "type": {"group": "org.ga4gh", "artifact": "service-registry", "version": "1.0.0"},
    "organization": {"name": "protes demo", "url": "https://example.org"},
    "version": "1.0.0",
    "environment": "test",
}


def create_registry_app(services: Sequence[Mapping[str, Any]]) -> Flask:
    """A WSGI application that serves the four calls of GA4GH Service Registry 1.0.0 under `/ga4gh/registry/v1`.

    Args:
        services: The specification's ExternalService objects, listed in this order.

    Raises:
        ValueError: A service lacks a field that the specification requires, or has another one's id.
    """
    by_id = _checked(services)
    calls = Blueprint("registry", __name__, url_prefix=BASE_PATH)

    @calls.get("/services")
    def list_services() -> Response:
        answer = jsonify(list(by_id.values()))
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    @calls.get("/services/types")
    def list_types() -> Response:
        distinct = {json.dumps(service["type"], sort_keys=True): service["type"] for service in by_id.values()}
        return jsonify(list(distinct.values()))

    # An id may hold slashes, which arrive decoded.
    @calls.get("/services/<path:service_id>")
    def get_service(service_id: str) -> Response:
        if service_id not in by_id:
            raise NotFound("There is no service with this id.")
        return jsonify(by_id[service_id])

    @calls.get("/service-info")
    def service_info() -> Response:
        return jsonify(_INFO)

    app = Flask(__name__, static_folder=None)
    app.register_blueprint(calls)
    app.register_error_handler(HTTPException, _error)
    return app


def _checked(services: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    by_id: dict[str, Mapping[str, Any]] = {}
    for service in services:
        missing = [field for field in _REQUIRED if field not in service]
        if missing:
            raise ValueError(f"a service lacks {', '.join(missing)}")
        if service["id"] in by_id:
            raise ValueError(f"two services have the id {service['id']!r}")
        by_id[service["id"]] = service
    return by_id


def _error(error: HTTPException) -> Response:
    """The specification's Error."""
    answer = jsonify({"status": error.code, "title": error.name, "detail": error.description})
    answer.status_code = error.code or 500
    return answer
