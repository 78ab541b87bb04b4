"""Our documents as the gateway serves them: complete in themselves, open to anonymous callers, packaged.

`test_openapi_structure.py` holds the TES document against the specification; its facts are what the specification says,
so what a schema of ours would demand beyond it is looked for here.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import connexion
import pytest
import yaml
from connexion.resolver import Resolver
from flask.testing import FlaskClient
from foca.config.config_parser import ConfigParser
from jsonschema import Draft4Validator

import openapi

ROOT = Path(__file__).parents[2]

SERVED: Mapping[str, tuple[str, ...]] = {
    "/ga4gh/tes/v1": ("tes.yaml", "task-info.yaml"),
    "/v1": ("tes.yaml", "task-info.yaml", "tes-compat.yaml"),
    "/protes/v1": ("protes.yaml",),
    "/ivoa/execution-broker/v1": ("execution-broker.yaml",),
    "/ga4gh/registry/v1": ("service-registry.yaml",),
}
"""Base paths with the documents that FOCA merges for them."""

OURS_ALONE = ("Problem",)
SPECIFIED_KEYWORDS = frozenset(
    ("type", "format", "enum", "default", "readOnly", "required", "properties", "items", "additionalProperties")
    + ("allOf", "$ref", "description", "example")
)
"""What TES 1.1.0 and Service Info 1.0.0 say schemas with; any other keyword would refuse what they allow."""

REFERENCES = {
    "Service.type": "ServiceType",
    "tesInput.type": "tesFileType",
    "tesOutput.type": "tesFileType",
    "tesServiceInfo.type": "tesServiceType",
    "tesTask.resources": "tesResources",
    "tesTask.state": "tesState",
}
"""Properties that are another schema; a wrong one of the same JSON type would look the same."""

Node = Mapping[str, Any]


def merged(base: str) -> dict[str, Any]:
    document: dict[str, Any] = ConfigParser.merge_yaml(*(openapi.path(name) for name in SERVED[base]))
    return document


def nodes(node: Any, place: str = "") -> Iterator[tuple[str, Node]]:
    """Every object in a document with its place."""
    if isinstance(node, Mapping):
        yield place, node
        for key, each in node.items():
            yield from nodes(each, f"{place}/{key}")
    elif isinstance(node, list):
        for index, each in enumerate(node):
            yield from nodes(each, f"{place}/{index}")


def schemas_in(node: Node, place: str) -> Iterator[tuple[str, Node]]:
    """A schema and all schemas written out inside it."""
    yield place, node
    for name, each in node.get("properties", {}).items():
        yield from schemas_in(each, f"{place}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(node.get(keyword), Mapping):
            yield from schemas_in(node[keyword], f"{place}[{keyword}]")
    for part in node.get("allOf", ()):
        yield from schemas_in(part, place)


def target(document: Node, reference: str) -> Any:
    assert reference.startswith("#/"), f"{reference} leads out of the document"
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


@pytest.mark.parametrize("base", SERVED)
def test_every_reference_leads_somewhere_and_every_component_is_used(base: str) -> None:
    document = merged(base)
    used = {node["$ref"] for _, node in nodes(document) if isinstance(node.get("$ref"), str)}
    for reference in used:
        assert target(document, reference)
    components = {
        f"#/components/{kind}/{name}"
        for kind in ("parameters", "responses", "schemas")
        for name in document["components"].get(kind, ())
    }
    assert used == components


@pytest.mark.parametrize("base", SERVED)
def test_every_schema_is_one_and_its_example_fits(base: str) -> None:
    document = merged(base)
    shown = 0
    for name, whole in document["components"]["schemas"].items():
        for place, schema in schemas_in(whole, name):
            Draft4Validator.check_schema(schema)
            if "example" in schema:
                shown += 1
                rooted = {**schema, "components": document["components"]}
                faults = [error.message for error in Draft4Validator(rooted).iter_errors(schema["example"])]
                assert not faults, f"{place}: {faults}"
    assert shown or base == "/protes/v1"


def excesses(document: Node) -> list[str]:
    """Where schemas of the specification demand more than it does."""
    return [
        f"{place}: {keyword}"
        for name, whole in document["components"]["schemas"].items()
        if name not in OURS_ALONE
        for place, schema in schemas_in(whole, name)
        for keyword in schema
        if keyword not in SPECIFIED_KEYWORDS or (keyword == "additionalProperties" and schema[keyword] is False)
    ]


def test_the_tes_schemas_demand_nothing_beyond_the_specification() -> None:
    assert excesses(merged("/ga4gh/tes/v1")) == []


@pytest.mark.parametrize(
    "change",
    [
        {"additionalProperties": False},
        {"minProperties": 1},
        {"nullable": True},
        {"oneOf": [{"type": "object"}]},
    ],
)
def test_a_demand_of_our_own_would_be_seen(change: dict[str, Any]) -> None:
    document = merged("/ga4gh/tes/v1")
    document["components"]["schemas"]["tesTask"].update(change)
    assert excesses(document) == [f"tesTask: {next(iter(change))}"]


def test_properties_refer_to_the_schemas_they_should() -> None:
    found = {
        f"{name}.{field}": each["$ref"].rpartition("/")[2]
        for name, whole in merged("/ga4gh/tes/v1")["components"]["schemas"].items()
        for _, schema in schemas_in(whole, name)
        for field, each in schema.get("properties", {}).items()
        if "$ref" in each
    }
    assert found == REFERENCES


def test_merging_keeps_what_both_documents_have() -> None:
    plain, compatible = merged("/ga4gh/tes/v1"), merged("/v1")
    assert set(compatible["paths"]) == {*plain["paths"], "/tasks/service-info"}
    for path, item in plain["paths"].items():
        assert compatible["paths"][path] == item
    assert plain["components"]["schemas"].items() <= compatible["components"]["schemas"].items()
    assert compatible["components"]["responses"] == plain["components"]["responses"]


@pytest.mark.parametrize("base", SERVED)
def test_the_document_names_its_own_base_path(base: str) -> None:
    assert merged(base)["servers"] == [{"url": base}]


class _Echo(Resolver):  # type: ignore[misc]
    """Answers each operation with its own id."""

    def resolve_function_from_operation_id(self, operation_id: str) -> Callable[..., dict[str, str]]:
        def answer(**_: Any) -> dict[str, str]:
            return {"operation": operation_id}

        return answer


BODIES = {"/me/instances": {"type": "allow"}}
"""Where a task is no right body."""


@pytest.fixture(scope="module", name="client")
def _client() -> FlaskClient:
    """The documents under connexion, their security as written and no security handler configured."""
    app = connexion.FlaskApp(__name__)
    for base in SERVED:
        app.add_api(merged(base), base_path=base, resolver=_Echo())
    found: FlaskClient = app.app.test_client()
    return found


@pytest.mark.parametrize("authorization", [None, "Bearer a.b.c", "Basic Tm9uZTpOb25l", "Basic Og=="])
@pytest.mark.parametrize("base", SERVED)
def test_every_operation_is_served_with_and_without_credentials(
    client: FlaskClient, base: str, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    task = {"executors": [{"image": "alpine", "command": ["true"]}]}
    for path, item in merged(base)["paths"].items():
        for method, operation in item.items():
            body = BODIES.get(path, task) if "requestBody" in operation else None
            url = base + path.replace("{id}", "abc").replace("{uuid}", "abc")
            answer = client.open(url, method=method.upper(), json=body, headers=headers)
            assert answer.status_code == 200, f"{method} {url}: {answer.text}"
            controller = operation["x-openapi-router-controller"]
            assert answer.json == {"operation": f"{controller}.{operation['operationId']}"}


def test_credentials_are_declared_and_optional() -> None:
    for base in SERVED:
        document = merged(base)
        declared = document["components"]["securitySchemes"]
        assert {} in document["security"]
        assert {name for each in document["security"] for name in each} == set(declared)


def test_errors_are_problem_details_in_all_documents_alike() -> None:
    for base in SERVED:
        document = merged(base)
        for path, item in document["paths"].items():
            for method, operation in item.items():
                for status, response in operation["responses"].items():
                    # A broker answers a direct request that nobody runs with a failed session.
                    if int(status) >= 400 and (path, status) != ("/direct", "400"):
                        found = target(document, response["$ref"]) if "$ref" in response else response
                        assert list(found["content"]) == ["application/problem+json"], f"{method} {path} {status}"
    ours, theirs = (
        merged(base)["components"]["schemas"]["Problem"]["required"] for base in ("/ga4gh/tes/v1", "/protes/v1")
    )
    assert ours == theirs


LIST_PACKAGED = """
import json
from setuptools import Distribution
distribution = Distribution()
distribution.parse_config_files(["setup.cfg"])
command = distribution.get_command_obj("build_py")
command.ensure_finalized()
print(json.dumps({package: files for package, _, _, files in command.data_files}))
"""


def test_a_wheel_has_the_documents() -> None:
    pytest.importorskip("setuptools", reason="building needs setuptools, running does not")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIST_PACKAGED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    packaged = set(json.loads(ended.stdout.splitlines()[-1])["openapi"])
    assert {name for names in SERVED.values() for name in names} <= packaged
    assert "py.typed" in packaged


def test_the_package_hands_out_documents_and_where_they_lie() -> None:
    assert openapi.__all__ == ["document", "path"]
    assert openapi.document("tes.yaml") is openapi.document("tes.yaml")
    assert openapi.document("tes.yaml") == yaml.safe_load(openapi.path("tes.yaml").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="Invalid name"):
        openapi.path("../setup.cfg")
