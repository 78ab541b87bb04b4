"""The document that is forwarded: nothing of the client's is lost that counts, nothing goes along that should not."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.tes import documents
from protes.tes.build import build_request, marker
from protes.tes.dialects import DIALECTS, Dialect

NODE, PROTES, FUNNEL, UNKNOWN = (DIALECTS[name] for name in ("node", "protes", "funnel", "unknown"))
OURS = {"protes_attempt": "abc-1", "protes_gateway": "gw-1,gw-2"}

FULL: dict[str, Any] = {
    "name": "sum",
    "description": "9fd3: x",
    "inputs": [
        {"name": "i", "description": "d", "url": "s3://b/k", "path": "/in", "type": "FILE", "streamable": True},
        {"path": "/script", "type": "FILE", "content": "echo 1\n"},
    ],
    "outputs": [
        {"name": "o", "description": "d", "url": "/tes-wd/o", "path": "/tes-wd/o", "type": "DIRECTORY"},
        {"url": "s3://b/o/", "path": "/out/*.txt", "path_prefix": "/out", "type": "FILE"},
    ],
    "resources": {
        "cpu_cores": 1.5,
        "preemptible": False,
        "ram_gb": 0.5,
        "disk_gb": 10,
        "zones": ["z1", "z2"],
        "backend_parameters": {"vm_size": "x"},
        "backend_parameters_strict": True,
    },
    "executors": [
        {
            "image": "alpine",
            "command": ["sh", "-c", ""],
            "workdir": "/w",
            "stdin": "/i",
            "stdout": "/o",
            "stderr": "/e",
            "env": {"A": "", "B": "b"},
            "ignore_error": True,
        }
    ],
    "volumes": ["/v"],
    "tags": {"project": "x", "empty": ""},
}


def build(document: dict[str, Any], dialect: Dialect = NODE, **preference: Any) -> dict[str, Any]:
    before = copy.deepcopy(document)
    request = build_request(document, dialect, marker="abc-1", gateways=("gw-1", "gw-2"), preference=preference)
    assert document == before
    return request


def test_a_marker_names_task_and_attempt() -> None:
    assert marker("abc", 2) == "abc-2"


@pytest.mark.parametrize("dialect", [NODE, PROTES], ids=lambda dialect: dialect.name)
def test_everything_of_1_1_arrives_where_it_is_taken(dialect: Dialect) -> None:
    assert build(FULL, dialect) == {**FULL, "tags": {**FULL["tags"], **OURS}}


def test_the_example_has_every_field_there_is() -> None:
    def used(items: list[dict[str, Any]]) -> set[str]:
        return {name for item in items for name in item}

    assert used([FULL]) == set(documents.TASK_FIELDS)
    assert used(FULL["inputs"]) == set(documents.INPUT_FIELDS)
    assert used(FULL["outputs"]) == set(documents.OUTPUT_FIELDS)
    assert used(FULL["executors"]) == set(documents.EXECUTOR_FIELDS)
    assert used([FULL["resources"]]) == set(documents.RESOURCE_FIELDS)


def test_an_unknown_server_gets_tes_1_0_in_whole_cores() -> None:
    request = build(FULL, UNKNOWN)
    text = json.dumps(request)
    for name in ("streamable", "path_prefix", "ignore_error", "backend_parameters"):
        assert name not in text
    assert request["resources"] == {
        "cpu_cores": 2,
        "preemptible": False,
        "ram_gb": 0.5,
        "disk_gb": 10,
        "zones": ["z1", "z2"],
    }


def test_funnel_gets_no_backend_parameters_since_some_backends_refuse_any() -> None:
    assert "backend_parameters" not in json.dumps(build(FULL, FUNNEL))
    assert "streamable" in json.dumps(build(FULL, FUNNEL))


@pytest.mark.parametrize(("cores", "whole", "any_"), [(0.5, 1, 0.5), (2.0, 2, 2), (2.1, 3, 2.1), (3, 3, 3)])
def test_cores(cores: float, whole: int, any_: float) -> None:
    document = {"executors": [], "resources": {"cpu_cores": cores}}
    assert repr(build(document, FUNNEL)["resources"]["cpu_cores"]) == repr(whole)
    assert repr(build(document, NODE)["resources"]["cpu_cores"]) == repr(any_)


@pytest.mark.parametrize("amount", [0, 0.0, -1, None, True, float("nan"), float("inf"), "2"])
def test_what_is_no_amount_is_left_out(amount: Any) -> None:
    document = {"executors": [], "resources": {"cpu_cores": amount, "ram_gb": amount, "disk_gb": amount}}
    assert "resources" not in build(document)


def test_nothing_empty_and_nothing_of_the_servers_goes_along() -> None:
    document = {
        "id": "x",
        "state": "QUEUED",
        "logs": [],
        "creation_time": "2024",
        "vendor": 1,
        "name": "",
        "description": None,
        "inputs": [{"url": "s3://b/k", "content": "", "path": "/in", "name": "", "streamable": None}],
        "outputs": [],
        "resources": {"zones": [None, ""], "preemptible": None, "backend_parameters": {}},
        "executors": [{"image": "a", "command": ["x", "", None], "stdin": "", "env": {}, "workdir": None}],
        "volumes": [""],
        "tags": None,
    }
    assert build(document) == {
        "inputs": [{"url": "s3://b/k", "path": "/in", "type": "FILE"}],
        "executors": [{"image": "a", "command": ["x", ""]}],
        "tags": OURS,
    }


@pytest.mark.parametrize(
    ("given_input", "sent"),
    [
        ({"url": "u", "content": "c"}, {"content": "c"}),
        ({"url": "u", "content": ""}, {"url": "u"}),
        ({"url": "", "content": ""}, {"content": ""}),
        ({"url": None, "content": "c"}, {"content": "c"}),
        ({"url": "u", "type": "DIRECTORY"}, {"url": "u", "type": "DIRECTORY"}),
        ({"url": "u", "type": None}, {"url": "u"}),
    ],
)
def test_an_input_has_a_type_and_one_source(given_input: dict[str, Any], sent: dict[str, Any]) -> None:
    document = {"executors": [], "inputs": [{"path": "/p", **given_input}]}
    assert build(document)["inputs"] == [{"path": "/p", "type": "FILE", **sent}]


def test_control_tags_and_parameters_of_the_client_stay_here() -> None:
    document = {
        "executors": [],
        "tags": {
            "protes.weight": "1",
            "protes.callback_url": "http://evil",
            "protes_attempt": "forged-1",
            "protes_gateway": "forged",
            "protes_x": "y",
            "protesx": "mine",
            "_WORKER_SA": "root",
            "GROUP_NAME": "g",
            "ms-submitter-name": "cromwell",
            "ms-backend-batch-pool-id": "p",
            "nothing": None,
        },
        "resources": {"backend_parameters": {"PROTES_weight": "1", "protes_x": "1"}, "backend_parameters_strict": True},
    }
    assert build(document, UNKNOWN) == {"tags": {"protesx": "mine", **OURS}}
    assert "resources" not in build(document, NODE)
    assert set(build(document, FUNNEL)["tags"]) >= {"GROUP_NAME", "ms-submitter-name"}
    assert "_WORKER_SA" not in build(document, FUNNEL)["tags"]


def test_a_nested_protes_is_told_what_is_preferred_and_nobody_else_is() -> None:
    preference = {
        "weight": "0.3",
        "carrier": "url",
        "runtime_seconds": 60,
        "allowed_zones": ["aws:eu", "DE"],
        "max_cost": "1 EUR",
        "instances": '{"type": "order"}',
        "callback_url": "http://x",
        "retries": 2,
        "offer": "o",
        "affinity": "",
    }
    document = {"executors": [], "tags": {"protes.weight": "1", "protes.retries": "9"}}
    assert build(document, PROTES, **preference)["tags"] == {
        "protes.weight": "0.3",
        "protes.runtime_seconds": "60",
        "protes.allowed_zones": '["aws:eu", "DE"]',
        "protes.max_cost": "1 EUR",
        **OURS,
    }
    assert build(document, NODE, **preference)["tags"] == OURS


def test_the_marker_begins_the_name_where_names_are_searched() -> None:
    by_name = replace(UNKNOWN, searchable="name_prefix")
    assert build({"name": "sum", "executors": []}, by_name)["name"] == "abc-1 sum"
    assert build({"executors": []}, by_name)["name"] == "abc-1"
    assert build({"name": "sum", "executors": []}, NODE)["name"] == "sum"


texts = st.one_of(st.none(), st.text(max_size=5))
documents_in_the_wild = st.fixed_dictionaries(
    {
        "executors": st.lists(
            st.fixed_dictionaries(
                {"image": texts, "command": st.lists(texts), "env": st.dictionaries(st.text(), texts)}
            )
        )
    },
    optional={
        "name": texts,
        "inputs": st.lists(
            st.fixed_dictionaries({"path": texts}, optional={"url": texts, "content": texts, "type": texts})
        ),
        "outputs": st.lists(st.fixed_dictionaries({"path": texts, "url": texts})),
        "tags": st.none()
        | st.dictionaries(st.sampled_from(["a", "protes.weight", "protes_attempt", "_WORKER_SA", ""]), texts),
        "resources": st.none()
        | st.dictionaries(st.sampled_from(["cpu_cores", "ram_gb"]), st.floats() | st.integers() | st.none()),
        "state": texts,
    },
)


@given(documents_in_the_wild, st.sampled_from(sorted(DIALECTS.values(), key=lambda dialect: dialect.name)))
def test_laws(document: dict[str, Any], dialect: Dialect) -> None:
    request = build(document, dialect, weight="0.5")
    json.dumps(request, allow_nan=False)
    assert None not in _leaves(request)
    assert {key: request["tags"][key] for key in OURS} == OURS
    assert not set(request) & {"id", "state", "logs", "creation_time"}
    for item in request.get("inputs", []):
        assert item["type"]
        assert not {"url", "content"} <= set(item)
    assert len(request.get("executors", [])) == len(document["executors"])
    again = build(request, dialect, weight="0.5")
    if dialect.searchable != "name_prefix":
        assert again == request


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]
