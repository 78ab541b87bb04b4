"""Our documents load in connexion as they are served, and every operation is where its path says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import connexion
import pytest
import yaml
from connexion.resolver import Resolver
from foca.config.config_parser import ConfigParser
from werkzeug.test import Client

import openapi
from protes.config.loading import DEFAULTS

TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}

TES = {
    ("GET", "/service-info"): "GetServiceInfo",
    ("GET", "/tasks"): "ListTasks",
    ("POST", "/tasks"): "CreateTask",
    ("GET", "/tasks/abc"): "GetTask",
    ("POST", "/tasks/abc:cancel"): "CancelTask",
    ("POST", "/tasks/task-info"): "GetTaskInfo",
}
SERVED = {
    "/ga4gh/tes/v1": TES,
    "/v1": TES | {("GET", "/tasks/service-info"): "GetLegacyServiceInfo"},
    "/protes/v1": {
        ("GET", "/instances"): "ListInstances",
        ("GET", "/instances/abc"): "GetInstance",
        ("POST", "/instances:refresh"): "RefreshInstances",
        ("GET", "/tasks/abc/routing"): "GetRouting",
        ("POST", "/offers"): "CreateOffers",
        ("GET", "/middleware"): "ListMiddleware",
        ("GET", "/summary"): "GetSummary",
        ("GET", "/events"): "StreamEvents",
        ("POST", "/tasks:create"): "CreateTasks",
        ("POST", "/tasks:cancel"): "CancelTasks",
        ("DELETE", "/tasks/abc"): "DeleteTask",
        ("GET", "/me/instances"): "GetMyInstances",
        ("PUT", "/me/instances"): "PutMyInstances",
        ("DELETE", "/me/instances"): "DeleteMyInstances",
    },
    "/ivoa/execution-broker/v1": {
        ("POST", "/requests"): "RequestOffers",
        ("POST", "/offersets"): "RequestOfferSet",
        ("GET", "/offersets/abc"): "GetOfferSet",
        ("POST", "/direct"): "RequestDirectly",
        ("GET", "/sessions/abc"): "GetSession",
        ("POST", "/sessions/abc"): "UpdateSession",
    },
    "/ga4gh/registry/v1": {
        ("GET", "/services"): "ListServices",
        ("POST", "/services"): "RegisterService",
        ("GET", "/services/types"): "ListServiceTypes",
        ("GET", "/services/abc"): "GetService",
        ("PUT", "/services/abc"): "PutService",
        ("DELETE", "/services/abc"): "DeleteService",
        ("GET", "/service-info"): "GetRegistryInfo",
    },
}
"""Each operation with a path of its own; `abc` stands for a task's id."""

CONTROLLERS = {
    "/ga4gh/tes/v1": "protes.api.tes",
    "/v1": "protes.api.tes",
    "/protes/v1": "protes.api.protes",
    "/ivoa/execution-broker/v1": "protes.api.broker",
    "/ga4gh/registry/v1": "protes.api.registry",
}
ELSEWHERE = {
    "GetTaskInfo": "protes.api.task_info",
    "DeleteTask": "protes.api.deleting",
    "GetSummary": "protes.api.summary",
    "StreamEvents": "protes.api.events",
    **dict.fromkeys(("GetMyInstances", "PutMyInstances", "DeleteMyInstances"), "protes.api.consent"),
}
WITH_BODIES = (
    *("/tasks", "/offers", "/tasks/task-info", "/requests", "/offersets", "/direct", "/sessions/abc"),
    *("/services", "/services/abc", "/tasks:create", "/tasks:cancel", "/me/instances"),
)
BODIES = {"/me/instances": {"type": "allow"}}
"""Where a task is no right one."""


def _stub(operation: str) -> Callable[..., dict[str, str]]:
    """Stand for any controller: answer which one was asked for."""

    def controller(**_: Any) -> dict[str, str]:
        return {"operation": operation}

    return controller


def _load(document: dict[str, Any], base: str) -> Client:
    """Load a document as FOCA does where `disable_auth` is set: without its security."""
    app = connexion.FlaskApp(__name__)
    opened = {key: value for key, value in document.items() if key != "security"}
    app.add_api(opened, base_path=base, resolver=Resolver(_stub))
    return Client(app.app)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


@pytest.fixture(scope="module")
def served() -> dict[str, dict[str, Any]]:
    """The documents that defaults.yaml has FOCA serve, merged by FOCA, by base path."""
    specs = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))["api"]["specs"]
    documents = {}
    for spec in specs:
        names = [spec["path"]] if isinstance(spec["path"], str) else spec["path"]
        paths: list[Path] = [(DEFAULTS.parent / name).resolve() for name in names]
        documents[spec["connexion"]["base_path"]] = ConfigParser.merge_yaml(*paths)
    return documents


@pytest.mark.parametrize(
    "name",
    [
        "tes.yaml",
        "tes-compat.yaml",
        "task-info.yaml",
        "protes.yaml",
        "execution-broker.yaml",
        "service-registry.yaml",
    ],
)
def test_every_document_loads_alone(name: str) -> None:
    assert _load(yaml.safe_load(openapi.path(name).read_text(encoding="utf-8")), "/alone")


def test_the_documents_are_served_under_these_base_paths(served: dict[str, dict[str, Any]]) -> None:
    assert set(served) == set(SERVED)
    for base in SERVED:
        assert [server["url"] for server in served[base]["servers"]] == [base]


@pytest.mark.parametrize("base", SERVED)
def test_every_operation_is_routed(served: dict[str, dict[str, Any]], base: str) -> None:
    client = _load(served[base], base)
    for (method, path), operation in SERVED[base].items():
        body = BODIES.get(path, TASK) if method in ("POST", "PUT") and path in WITH_BODIES else None
        answer = client.open(f"{base}{path}", method=method, base_url="http://localhost", json=body)
        assert answer.status_code == 200, (method, path, answer.text)
        controller = ELSEWHERE.get(operation, CONTROLLERS[base])
        assert answer.json == {"operation": f"{controller}.{operation}"}


@pytest.mark.parametrize("base", SERVED)
def test_there_is_no_operation_beside_these(served: dict[str, dict[str, Any]], base: str) -> None:
    names = sorted(operation["operationId"] for _, operation in _operations(served[base]))
    assert names == sorted(SERVED[base].values())


@pytest.mark.parametrize("base", SERVED)
def test_every_operation_says_what_a_refusal_looks_like(served: dict[str, dict[str, Any]], base: str) -> None:
    shared = served[base]["components"]["responses"]
    for place, operation in _operations(served[base]):
        refusals = {status: each for status, each in operation["responses"].items() if int(status) >= 400}
        assert "403" in refusals, place
        # What is put is there afterwards.
        assert ("404" in refusals) == (("{id}" in place or "{uuid}" in place) and not place.startswith("PUT")), place
        # Whatever takes a body, or none that is meant, may be sent one that is too large.
        assert ("413" in refusals) == place.startswith(("POST", "PUT")), place
        for status, each in refusals.items():
            response = shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
            # A broker answers a direct request that nobody runs with a failed session.
            sessions = ["application/json", "application/yaml"] if (place, status) == ("POST /direct", "400") else []
            assert list(response["content"]) == [*sessions, "application/problem+json"], (place, status)
