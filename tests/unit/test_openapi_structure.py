"""Our document of TES 1.1.0 is the specification's, in structure; the exceptions are listed here."""

import copy
import json
import os
import re
from pathlib import Path
from typing import Any

import connexion
import pytest
import yaml

import openapi
from protes.tes import documents
from tests.support.openapi_digest import published
from tests.support.openapi_shape import Facts, facts

ROOT = Path(__file__).parents[2]
SPEC = Path(os.environ.get("PROTES_SPEC_DIR", ROOT.parent / "shared" / "spec"))
DIGEST = Path(__file__).with_name("tes-1.1.0.digest.json")

EXCEPTIONS: Facts = {
    # TES 1.2 draft: a fraction of a core can be asked for.
    "schema tesResources.cpu_cores": {"type": "number", "format": "double"},
}
OURS_ALONE = ("schema Problem",)


def _ours() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(openapi.path("tes.yaml").read_text(encoding="utf-8"))
    return document


def _differences(ours: Facts, theirs: Facts) -> list[str]:
    compared = {place: fact for place, fact in ours.items() if not place.startswith(OURS_ALONE)}
    expected = theirs | EXCEPTIONS
    places = sorted(set(compared) | set(expected))
    return [place for place in places if compared.get(place) != expected.get(place)]


def test_it_equals_the_published_document() -> None:
    if not SPEC.is_dir():
        pytest.skip(f"the published documents are not at {SPEC} (PROTES_SPEC_DIR); the digest stands in")
    assert _differences(facts(_ours()), published(SPEC)) == []


def test_it_equals_the_committed_digest() -> None:
    assert _differences(facts(_ours()), json.loads(DIGEST.read_text(encoding="utf-8"))) == []


def test_the_digest_is_that_of_the_published_document() -> None:
    if not SPEC.is_dir():
        pytest.skip(f"the published documents are not at {SPEC} (PROTES_SPEC_DIR)")
    assert json.loads(DIGEST.read_text(encoding="utf-8")) == json.loads(json.dumps(published(SPEC)))


@pytest.mark.parametrize(
    "mutate",
    [
        lambda d: d["components"]["schemas"]["tesTask"]["properties"].pop("volumes"),
        lambda d: d["components"]["schemas"]["tesState"]["enum"].remove("PREEMPTED"),
        lambda d: d["components"]["schemas"]["tesExecutor"]["required"].remove("image"),
        lambda d: d["components"]["schemas"]["tesOutputFileLog"]["properties"]["size_bytes"].update(type="integer"),
        lambda d: d["components"]["schemas"]["Service"]["properties"]["organization"]["required"].remove("url"),
        lambda d: d["components"]["parameters"]["view"]["schema"].update(default="FULL"),
        lambda d: d["paths"].pop("/tasks/{id}:cancel"),
        lambda d: d["paths"]["/tasks"]["get"]["parameters"].pop(0),
        lambda d: d["paths"]["/tasks"]["get"].update(operationId="List"),
    ],
)
def test_the_comparison_can_fail(mutate: Any) -> None:
    changed = copy.deepcopy(_ours())
    mutate(changed)
    assert _differences(facts(changed), json.loads(DIGEST.read_text(encoding="utf-8"))) != []


def test_the_field_tables_are_those_of_the_schemas() -> None:
    schemas = _ours()["components"]["schemas"]
    task = {name for name, each in schemas["tesTask"]["properties"].items() if not each.get("readOnly")}
    assert set(documents.TASK_FIELDS) == task - {"state"}
    for name, fields in (
        ("tesInput", documents.INPUT_FIELDS),
        ("tesOutput", documents.OUTPUT_FIELDS),
        ("tesExecutor", documents.EXECUTOR_FIELDS),
        ("tesResources", documents.RESOURCE_FIELDS),
    ):
        assert set(fields) == set(schemas[name]["properties"])


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
def test_nothing_refers_to_another_host(name: str) -> None:
    text = openapi.path(name).read_text(encoding="utf-8")
    assert all(target.startswith("#/") for target in re.findall(r"\$ref: *[\"']?([^\"'} ]+)", text))
    hosts = set(re.findall(r"https?://([^/\s\"']+)", text))
    assert hosts <= {"example.com", "docs.example.com", "example.org", "www.apache.org"}


def test_every_operation_is_routed_and_the_legacy_one_before_the_task() -> None:
    app = connexion.FlaskApp(__name__)
    compat = yaml.safe_load(openapi.path("tes-compat.yaml").read_text(encoding="utf-8"))
    tes = _ours()
    tes["paths"] |= compat["paths"]
    tes["components"]["schemas"] |= compat["components"]["schemas"]
    for document, base in ((tes, "/v1"), (yaml.safe_load(openapi.path("protes.yaml").read_text()), "/protes/v1")):
        document.pop("security")
        app.add_api(document, base_path=base)
    routes = app.app.url_map.bind("localhost")
    for method, path, operation in (
        ("GET", "/v1/service-info", "GetServiceInfo"),
        ("GET", "/v1/tasks/service-info", "GetLegacyServiceInfo"),
        ("GET", "/v1/tasks", "ListTasks"),
        ("POST", "/v1/tasks", "CreateTask"),
        ("GET", "/v1/tasks/abc", "GetTask"),
        ("POST", "/v1/tasks/abc:cancel", "CancelTask"),
        ("GET", "/protes/v1/instances", "ListInstances"),
        ("GET", "/protes/v1/instances/abc", "GetInstance"),
        ("POST", "/protes/v1/instances:refresh", "RefreshInstances"),
        ("GET", "/protes/v1/tasks/abc/routing", "GetRouting"),
        ("POST", "/protes/v1/offers", "CreateOffers"),
        ("GET", "/protes/v1/middleware", "ListMiddleware"),
        ("POST", "/protes/v1/tasks:create", "CreateTasks"),
        ("POST", "/protes/v1/tasks:cancel", "CancelTasks"),
    ):
        endpoint, _ = routes.match(path, method)
        assert endpoint.endswith(operation)
