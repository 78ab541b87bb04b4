"""What a node takes as a task, and how it says no."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.api.problems import Problem
from protes.node.document import Limits, read

LIMITS = Limits(cpu_cores=4, ram_gb=8, disk_gb=10)
EXECUTOR = {"image": "debian", "command": ["true"]}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def fields(document: dict[str, Any]) -> list[str]:
    try:
        read(json.dumps(document).encode(), LIMITS)
    except Problem as refusal:
        found = refusal
    else:
        return []
    assert found.status == 400
    assert all(error.field in found.detail and error.detail for error in found.errors)
    return [error.field for error in found.errors]


def test_a_whole_task_is_taken() -> None:
    document = {
        "name": "all",
        "description": "every field",
        "inputs": [
            {"path": "/in", "url": "file:///data/in", "type": "FILE", "streamable": True},
            {"path": "/lit", "content": "x", "url": "s3://ignored/where/content/is"},
            {"path": "/empty", "content": ""},
            {"path": "/bare", "url": "/data/in"},
        ],
        "outputs": [{"path": "/out/*", "path_prefix": "/out", "url": "https://example.org/out"}],
        "resources": {"cpu_cores": 0.5, "ram_gb": 8, "disk_gb": 10, "preemptible": False, "zones": ["z"]},
        "executors": [{**EXECUTOR, "workdir": "/w", "stdin": "", "env": {"A": "b"}, "ignore_error": True}],
        "volumes": ["/vol"],
        "tags": {"a": "", "": "b"},
    }
    assert fields(document) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"executors": []}, "executors"),
        ({"executors": None}, "executors"),
        ({"executors": [{"command": ["true"]}]}, "executors[0].image"),
        ({"executors": [{"image": "", "command": ["true"]}]}, "executors[0].image"),
        ({"executors": [EXECUTOR, {"image": "i"}]}, "executors[1].command"),
        ({"executors": [{"image": "i", "command": []}]}, "executors[0].command"),
        ({"executors": [{"image": "i", "command": "true"}]}, "executors[0].command"),
        ({"executors": [{"image": "i", "command": ["a\0b"]}]}, "executors[0].command[0]"),
        ({"executors": [{"image": "i", "command": ["true", 1]}]}, "executors[0].command[1]"),
        ({"executors": [{**EXECUTOR, "workdir": "w"}]}, "executors[0].workdir"),
        ({"executors": [{**EXECUTOR, "stdin": "w"}]}, "executors[0].stdin"),
        ({"executors": [{**EXECUTOR, "stdout": "w"}]}, "executors[0].stdout"),
        ({"executors": [{**EXECUTOR, "stderr": "w"}]}, "executors[0].stderr"),
        ({"executors": [{**EXECUTOR, "env": {"A": 1}}]}, "executors[0].env.A"),
        ({"executors": [{**EXECUTOR, "env": {"A=B": ""}}]}, "executors[0].env.A=B"),
        ({"executors": [{**EXECUTOR, "ignore_error": "yes"}]}, "executors[0].ignore_error"),
        ({"inputs": [{"url": "/x"}]}, "inputs[0].path"),
        ({"inputs": [{"path": "x", "url": "/x"}]}, "inputs[0].path"),
        ({"inputs": [{"path": "/x"}]}, "inputs[0].url"),
        ({"inputs": [{"path": "/x", "url": "s3://bucket/x"}]}, "inputs[0].url"),
        ({"inputs": [{"path": "/x", "url": "relative"}]}, "inputs[0].url"),
        ({"inputs": [{"path": "/x", "url": "http://[/x"}]}, "inputs[0].url"),
        ({"inputs": [{"path": "/x", "url": "/x", "type": "file"}]}, "inputs[0].type"),
        ({"inputs": {}}, "inputs"),
        ({"outputs": [{"path": "/x"}]}, "outputs[0].url"),
        ({"outputs": [{"path": "/x", "url": ""}]}, "outputs[0].url"),
        ({"outputs": [{"path": "x", "url": "/x"}]}, "outputs[0].path"),
        ({"outputs": [{"path": "/x/*", "url": "/x"}]}, "outputs[0].path_prefix"),
        ({"outputs": [{"path": "/x", "url": "gs://x"}]}, "outputs[0].url"),
        ({"volumes": ["vol"]}, "volumes[0]"),
        ({"tags": {"a": 1}}, "tags.a"),
        ({"tags": []}, "tags"),
        ({"name": 1}, "name"),
        ({"resources": {"cpu_cores": 5}}, "resources.cpu_cores"),
        ({"resources": {"cpu_cores": True}}, "resources.cpu_cores"),
        ({"resources": {"cpu_cores": 10**400}}, "resources.cpu_cores"),
        ({"resources": {"ram_gb": 8.5}}, "resources.ram_gb"),
        ({"resources": {"ram_gb": -1}}, "resources.ram_gb"),
        ({"resources": {"disk_gb": 11}}, "resources.disk_gb"),
        (
            {"resources": {"backend_parameters": {"a": "b"}, "backend_parameters_strict": True}},
            "resources.backend_parameters.a",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_path(changes: dict[str, Any], field: str) -> None:
    assert fields({"executors": [EXECUTOR], **changes}) == [field]


def test_every_error_is_told_but_no_flood() -> None:
    assert fields({"executors": [{}], "name": 1}) == ["name", "executors[0].image", "executors[0].command"]
    assert len(fields({"executors": [{}] * 100})) == 20


def test_a_node_without_bounds_takes_any_memory() -> None:
    document = {"executors": [EXECUTOR], "resources": {"ram_gb": 4000, "disk_gb": 9000}}
    read(json.dumps(document).encode(), Limits(cpu_cores=1, ram_gb=None, disk_gb=None))


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("name", "inputs", "outputs", "resources", "executors", "volumes", "tags", "something"), JSON
        ),
    )
)
def test_no_document_breaks_it(document: dict[str, Any]) -> None:
    fields(document)  # checks what it says, and lets nothing but problems through
