"""What is badly written is refused with 400 and the name of the field, whatever it is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Api, problem_of
from tests.support.offering import BROKER, REQUEST, TASK, offering

KIND = "urn:ga4gh:tes:1.1:task"
DOCKER = "urn:docker-container-0.1"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
LONG = f"a: &a {'x' * 500_000}\nb: [{', '.join(['*a'] * 1000)}]\n"


@pytest.fixture(scope="module", name="served")
def _served() -> Iterator[Api]:
    with offering() as api:
        yield api


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "body"),
        ("text", "body"),
        (3, "body"),
        ({}, "executable"),
        ({"executable": []}, "executable"),
        ({"executable": {}}, "executable.kind"),
        ({"executable": {"kind": 3}}, "executable.kind"),
        ({"executable": {"kind": KIND}}, "executable.task"),
        ({"executable": {"kind": KIND, "task": [1]}}, "executable.task"),
        ({"executable": {"kind": KIND, "task": {"executors": []}}}, "executable.task.executors"),
        ({"executable": {"kind": KIND, "task": {**TASK, "tags": "a"}}}, "executable.task.tags"),
        (
            {"executable": {"kind": KIND, "task": {**TASK, "tags": {"protes.weight": "2"}}}},
            "executable.task.tags.protes.weight",
        ),
        ({"executable": {"kind": KIND, "task": {**TASK, "resources": 3}}}, "executable.task.resources"),
        ({"executable": {"kind": DOCKER, "command": ["a"]}}, "executable.image.locations"),
        ({"executable": {"kind": DOCKER, "image": {"locations": "a"}}}, "executable.image.locations"),
        ({"executable": {"kind": DOCKER, "image": "a", "command": [{}]}}, "executable.command[0]"),
        ({"executable": {"kind": DOCKER, "image": "a", "command": ["a"], "environment": []}}, "executable.environment"),
        ({"executable": {"kind": DOCKER, "image": "a", "command": ["a"]}, "data": [{}]}, "data[0].location"),
        ({**REQUEST, "compute": []}, "compute"),
        ({**REQUEST, "compute": {"cores": 4}}, "compute.cores"),
        ({**REQUEST, "compute": {"cores": {"min": "4"}}}, "compute.cores.min"),
        ({**REQUEST, "compute": {"cores": {"min": -1}}}, "compute.cores.min"),
        ({**REQUEST, "compute": {"cores": {"min": True}}}, "compute.cores.min"),
        ({**REQUEST, "compute": {"cores": {"min": 4, "max": 2}}}, "compute.cores.max"),
        ({**REQUEST, "storage": {}}, "storage"),
        ({**REQUEST, "storage": [3]}, "storage[0]"),
        ({**REQUEST, "schedule": {"requested": {"start": "soon"}}}, "schedule.requested.start"),
        ({**REQUEST, "schedule": {"requested": {"duration": "P1H"}}}, "schedule.requested.duration"),
        ({**REQUEST, "schedule": {"requested": {"duration": "PT0S"}}}, "schedule.requested.duration"),
        ({**REQUEST, "schedule": {"requested": {"duration": 60}}}, "schedule.requested.duration"),
        ({**REQUEST, "costs": {}}, "costs"),
        ({**REQUEST, "costs": [{"max": 3}]}, "costs[0].type"),
        ({**REQUEST, "costs": [{"type": "urn:ivoa:calycopis:cost:monetary", "max": -3}]}, "costs[0].max"),
        ({**REQUEST, "costs": [{"type": "urn:ivoa:calycopis:cost:monetary", "currency": "eur"}]}, "costs[0].currency"),
        ({**REQUEST, "preferences": {"weight": 1}}, "preferences.weight"),
        ({**REQUEST, "preferences": {"cost_time_weight": 1.5}}, "preferences.cost_time_weight"),
        ({**REQUEST, "preferences": {"cost_time_weight": "cheap"}}, "preferences.cost_time_weight"),
        ({**REQUEST, "preferences": {"cost_time_weight": 1e-7}}, "preferences.cost_time_weight"),
        ({**REQUEST, "preferences": {"value_of_time": {"amount": 3}}}, "preferences.value_of_time.currency"),
        ({**REQUEST, "preferences": {"tes_urls": "https://x.example.org"}}, "preferences.tes_urls"),
        ({**REQUEST, "preferences": {"max_offers": 0}}, "preferences.max_offers"),
        ({**REQUEST, "preferences": {"max_offers": 1.5}}, "preferences.max_offers"),
    ],
)
def test_the_field_at_fault_is_named(served: Api, document: Any, field: str) -> None:
    problem = problem_of(served.call("POST", BROKER + "/requests", json=document), 400)
    assert field in [error["field"] for error in problem["errors"]], problem


def test_a_wish_and_a_tag_that_differ_are_refused(served: Api) -> None:
    tagged = {"kind": KIND, "task": {**TASK, "tags": {"protes.weight": "0.5"}}}
    document = {"executable": tagged, "preferences": {"cost_time_weight": 0.4}}
    problem = problem_of(served.post(BROKER + "/requests", document), 400)
    assert [error["field"] for error in problem["errors"]] == ["preferences.cost_time_weight"]
    document["preferences"] = {"cost_time_weight": 0.5}
    assert served.post(BROKER + "/requests", document).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        LONG,
        "a: &a [*a]",
        "1: 2",
        "? [a]\n: 1",
        "a: !!python/object/apply:os.system [ls]",
        "a: *nothing",
        "a: 1\n---\nb: 2",
        "[" * 5000,
        "a: .nan",
        "a: 1e999",
        "a: [1",
        "\t- x",
        "",
        "2030-01-01",
        "executable: 2030-01-01",
        "a: \ud800".encode("utf-8", "surrogatepass"),
        b"\xff\xfe\x00",
        b"\x00",
        "9" * 5000,
    ],
)
@pytest.mark.parametrize("path", ["/requests", "/direct"])
def test_bad_yaml_is_400(served: Api, path: str, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    problem_of(served.call("POST", BROKER + path, data=data, headers={"Content-Type": "application/yaml"}), 400)


@pytest.mark.parametrize(
    "text", ["{", "", "NaN", '{"a": 1e999}', "[" * 5000, '{"executable": {"kind": "\\ud800"}}', "a: 1", "9" * 5000]
)
def test_bad_json_is_400(served: Api, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    problem_of(served.call("POST", BROKER + "/requests", data=text.encode(), headers=headers), 400)


@pytest.mark.parametrize("media_type", ["application/xml", "text/plain", "application/x-www-form-urlencoded", "x"])
def test_other_media_types_are_415(served: Api, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    problem_of(served.call("POST", BROKER + "/requests", data=json.dumps(REQUEST), headers=headers), 415)


def test_a_large_body_is_413(served: Api) -> None:
    executor = {"image": "alpine", "command": ["x" * 1024 * 1024]}
    document = {"executable": {"kind": KIND, "task": {"executors": [executor]}}}
    problem_of(served.post(BROKER + "/requests", document), 413)


def test_a_signed_url_is_not_shown(served: Api) -> None:
    signed = [
        {"path": "/in", "url": "https://user:secret@example.org/in?X-Amz-Signature=secret"},
        {"path": "/b", "url": "http://["},
    ]
    answer = served.post(BROKER + "/requests", {"executable": {"kind": KIND, "task": {**TASK, "inputs": signed}}})
    assert answer.status_code == 200
    data = answer.json()["offers"][0]["data"]
    assert [each.get("location") for each in data] == ["https://example.org/in", None]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = ("executable", "compute", "storage", "data", "schedule", "costs", "metrics", "preferences", "resources")
_REQUESTS = st.builds(
    lambda base, changes: {**base, **changes},
    st.just(dict(REQUEST)),
    st.dictionaries(
        st.sampled_from(_FIELDS),
        _VALUES | st.dictionaries(st.sampled_from(("kind", "task", "requested", "cores", "min")), _VALUES),
        max_size=3,
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=_REQUESTS, as_yaml=st.booleans())
def test_whatever_comes_is_answered_or_refused(served: Api, document: dict[str, Any], as_yaml: bool) -> None:
    text = yaml.safe_dump(document) if as_yaml else json.dumps(document)
    headers = {"Content-Type": "application/yaml" if as_yaml else "application/json"}
    answer = served.call("POST", BROKER + "/requests", data=text.encode(), headers=headers)
    assert answer.status_code in (200, 400), answer.text
