"""What is said of a task that is not right: by the document's own schema, and by the specification's prose."""

from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

import openapi
from protes.api.validation import path_of, schema_error, semantic_errors

EXECUTOR: dict[str, Any] = {"image": "alpine", "command": ["true"]}


@pytest.fixture(scope="module")
def validator() -> Draft4Validator:
    document = yaml.safe_load(openapi.path("tes.yaml").read_text(encoding="utf-8"))
    return Draft4Validator({"$ref": "#/components/schemas/tesTask", "components": document["components"]})


def task(**fields: Any) -> dict[str, Any]:
    return {"executors": [EXECUTOR], **fields}


@pytest.mark.parametrize(
    ("document", "field", "detail"),
    [
        ({}, "executors", "is required"),
        ([], "body", "must be a JSON object, not a list"),
        ({"executors": {}}, "executors", "must be a list, not an object"),
        ({"executors": [None]}, "executors[0]", "must be a JSON object, not null"),
        ({"executors": [{"command": []}]}, "executors[0].image", "is required"),
        ({"executors": [EXECUTOR, {"image": "a"}]}, "executors[1].command", "is required"),
        ({"executors": [{**EXECUTOR, "image": 3}]}, "executors[0].image", "must be a string, not 3"),
        ({"executors": [{**EXECUTOR, "command": "true"}]}, "executors[0].command", 'must be a list, not "true"'),
        ({"executors": [{**EXECUTOR, "command": ["a", 1]}]}, "executors[0].command[1]", "must be a string, not 1"),
        ({"executors": [{**EXECUTOR, "command": [None]}]}, "executors[0].command[0]", "must be a string, not null"),
        ({"executors": [{**EXECUTOR, "env": []}]}, "executors[0].env", "must be a JSON object, not a list"),
        ({"executors": [{**EXECUTOR, "env": {"A": 1}}]}, "executors[0].env.A", "must be a string, not 1"),
        (
            {"executors": [{**EXECUTOR, "ignore_error": "yes"}]},
            "executors[0].ignore_error",
            'must be true or false, not "yes"',
        ),
        (task(name=["x"]), "name", "must be a string, not a list"),
        (task(inputs=[{}]), "inputs[0].path", "is required"),
        (task(inputs=[{"path": "/a", "type": "LINK"}]), "inputs[0].type", 'must be one of FILE, DIRECTORY, not "LINK"'),
        (task(outputs=[{"path": "/a"}]), "outputs[0].url", "is required"),
        (task(resources=[]), "resources", "must be a JSON object, not a list"),
        (task(resources={"cpu_cores": "4"}), "resources.cpu_cores", 'must be a number, not "4"'),
        (task(resources={"cpu_cores": True}), "resources.cpu_cores", "must be a number, not true"),
        (task(resources={"ram_gb": {}}), "resources.ram_gb", "must be a number, not an object"),
        (task(resources={"preemptible": 1}), "resources.preemptible", "must be true or false, not 1"),
        (task(resources={"zones": "eu"}), "resources.zones", 'must be a list, not "eu"'),
        (
            task(resources={"backend_parameters": {"a": 1.5}}),
            "resources.backend_parameters.a",
            "must be a string, not 1.5",
        ),
        (task(volumes=[1]), "volumes[0]", "must be a string, not 1"),
        (task(tags={"a": False}), "tags.a", "must be a string, not false"),
        (task(tags=["a"]), "tags", "must be a JSON object, not a list"),
    ],
)
def test_the_schema_is_spoken_in_words(validator: Draft4Validator, document: Any, field: str, detail: str) -> None:
    [error] = validator.iter_errors(document)
    said = schema_error(error)
    assert (said.field, said.detail) == (field, detail)


def test_a_long_value_is_not_repeated(validator: Draft4Validator) -> None:
    [error] = validator.iter_errors({"executors": "x" * 100_000})
    assert len(schema_error(error).detail) < 150


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], ""),
        (["name"], "name"),
        (["executors", 0, "command", 12], "executors[0].command[12]"),
        (["tags", "a.b"], "tags.a.b"),
    ],
)
def test_paths_are_written_as_people_do(parts: list[str | int], text: str) -> None:
    assert path_of(parts) == text


@pytest.mark.parametrize(
    ("document", "field", "detail"),
    [
        ({"executors": []}, "executors", "at least one executor"),
        (task(executors=[{**EXECUTOR, "image": ""}]), "executors[0].image", "container image"),
        (task(executors=[{**EXECUTOR, "command": []}]), "executors[0].command", "program to run"),
        (task(executors=[{**EXECUTOR, "workdir": "w"}]), "executors[0].workdir", "absolute path"),
        (task(executors=[EXECUTOR, {**EXECUTOR, "stdin": "./in"}]), "executors[1].stdin", "absolute path"),
        (task(executors=[{**EXECUTOR, "stdout": "out"}]), "executors[0].stdout", "absolute path"),
        (task(executors=[{**EXECUTOR, "stderr": "/e\0"}]), "executors[0].stderr", "NUL"),
        (task(inputs=[{"path": "in", "url": "s3://a"}]), "inputs[0].path", "absolute path"),
        (task(inputs=[{"path": "", "url": "s3://a"}]), "inputs[0].path", "absolute path"),
        (task(inputs=[{"path": "/in"}]), "inputs[0].url", "unless content is set"),
        (task(inputs=[{"path": "/in", "url": ""}]), "inputs[0].url", "unless content is set"),
        (task(outputs=[{"path": "out", "url": "s3://a"}]), "outputs[0].path", "absolute path"),
        (task(outputs=[{"path": "/out", "url": ""}]), "outputs[0].url", "where the output goes"),
        (task(outputs=[{"path": "/out/*.txt", "url": "s3://a"}]), "outputs[0].path_prefix", "wildcards"),
        (task(outputs=[{"path": "/out/?", "url": "s3://a", "path_prefix": ""}]), "outputs[0].path_prefix", "wildcards"),
        (task(resources={"cpu_cores": -1}), "resources.cpu_cores", "from 0 to 1000000"),
        (task(resources={"ram_gb": float("inf")}), "resources.ram_gb", "from 0 to 1000000"),
        (task(resources={"disk_gb": 1e7}), "resources.disk_gb", "from 0 to 1000000"),
        (task(volumes=["/a", "b"]), "volumes[1]", "absolute path"),
        (task(tags={"": "x"}), "tags", "must not be empty"),
    ],
)
def test_the_prose_of_the_specification_is_held(document: dict[str, Any], field: str, detail: str) -> None:
    [error] = semantic_errors(document)
    assert error.field == field
    assert detail in error.detail


@pytest.mark.parametrize(
    "document",
    [
        task(),
        task(inputs=[], outputs=[], volumes=[], tags={}, resources={}),
        task(inputs=[{"path": "/in", "url": "/data/in"}], outputs=[{"path": "/out", "url": "/data/out"}]),
        task(inputs=[{"path": "/in", "content": ""}]),
        task(inputs=[{"path": "/in", "content": "x", "url": ""}]),
        task(outputs=[{"path": "/out/*", "url": "s3://a", "path_prefix": "/out"}]),
        task(executors=[{**EXECUTOR, "workdir": "", "stdin": "", "stdout": "", "stderr": ""}]),
        task(resources={"cpu_cores": 0.5, "ram_gb": 0, "disk_gb": 1_000_000}),
        task(tags={"empty": ""}),
    ],
)
def test_what_engines_send_is_right(validator: Draft4Validator, document: dict[str, Any]) -> None:
    assert list(validator.iter_errors(document)) == []
    assert semantic_errors(document) == []


def test_everything_wrong_is_said_at_once_up_to_a_bound() -> None:
    wrong = task(inputs=[{"path": "in"}], outputs=[{"path": "out", "url": ""}])
    assert len(semantic_errors(wrong)) == 4
    assert len(semantic_errors(task(volumes=["v"] * 1000))) == 20
