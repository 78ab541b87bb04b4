"""The normal form of a task, and the table of fields against our own document."""

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

import openapi
from protes.api.ingress import SERVER_SET
from protes.tes import documents
from protes.tes.documents import integer_cores, normalise

EXECUTOR: dict[str, Any] = {"image": "alpine", "command": ["true"]}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    document = yaml.safe_load(openapi.path("tes.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = document["components"]["schemas"]
    return found


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("tesInput", documents.INPUT_FIELDS),
        ("tesOutput", documents.OUTPUT_FIELDS),
        ("tesExecutor", documents.EXECUTOR_FIELDS),
        ("tesResources", documents.RESOURCE_FIELDS),
        ("tesTask", (*documents.TASK_FIELDS, *SERVER_SET)),
    ],
)
def test_the_table_has_the_documents_properties(schemas: dict[str, Any], schema: str, fields: Sequence[str]) -> None:
    assert set(fields) == set(schemas[schema]["properties"])
    assert len(fields) == len(set(fields))


def test_unknown_fields_are_dropped_wherever_they_stand() -> None:
    assert normalise(
        {
            "project": "x",
            "executors": [{**EXECUTOR, "image_name": "x", "env": {"any": "kept"}}],
            "inputs": [{"path": "/a", "url": "/a", "checksum": "x"}],
            "outputs": [{"path": "/b", "url": "/b", "size": 1}],
            "resources": {"gpus": 1, "backend_parameters": {"any": "kept"}},
            "tags": {"any": "kept"},
        }
    ) == {
        "executors": [{**EXECUTOR, "env": {"any": "kept"}}],
        "inputs": [{"path": "/a", "url": "/a", "type": "FILE"}],
        "outputs": [{"path": "/b", "url": "/b", "type": "FILE"}],
        "resources": {"backend_parameters": {"any": "kept"}},
        "tags": {"any": "kept"},
    }


def test_a_type_that_was_said_stays() -> None:
    task = {"executors": [EXECUTOR], "outputs": [{"path": "/b", "url": "/b", "type": "DIRECTORY"}]}
    assert normalise(task) == task


def test_nothing_is_made_up() -> None:
    assert normalise({"executors": [EXECUTOR]}) == {"executors": [EXECUTOR]}
    empties = {"executors": [EXECUTOR], "inputs": [], "outputs": [], "resources": {}, "tags": {}, "volumes": []}
    assert normalise(empties) == empties


def test_the_clients_document_is_left_alone() -> None:
    inputs: list[dict[str, Any]] = [{"path": "/a", "url": "/a"}]
    resources = {"cpu_cores": 4.0}
    normalise({"executors": [EXECUTOR], "inputs": inputs, "resources": resources})
    assert inputs == [{"path": "/a", "url": "/a"}]
    assert isinstance(resources["cpu_cores"], float)


@pytest.mark.parametrize(
    ("sent", "kept"), [(4.0, 4), (4, 4), (0.5, 0.5), (1.25, 1.25), (0.0, 0), (0, 0), (1_000_000.0, 1_000_000)]
)
def test_whole_cores_are_integers(sent: float, kept: float) -> None:
    cores = normalise({"executors": [], "resources": {"cpu_cores": sent}})["resources"]["cpu_cores"]
    assert (cores, type(cores)) == (kept, type(kept))


@pytest.mark.parametrize(("cores", "whole"), [(0, 0), (0.1, 1), (1, 1), (1.0, 1), (1.01, 2), (4.5, 5)])
def test_parts_of_a_core_are_rounded_up(cores: float, whole: int) -> None:
    rounded = integer_cores(cores)
    assert (rounded, type(rounded)) == (whole, int)
