"""Every operation of every document, fuzzed by schemathesis: no 5xx, and each answer is what the document says.

Bounded in `make test`, with the same inputs each time; `make fuzz EXAMPLES=500` tries more, and others each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.fuzz import documents
from tests.fuzz.bodies import NEARLY_RIGHT
from tests.fuzz.gateways import ROLES, Fuzzed, fuzzed
from tests.support.inputs_tried import Tried, examples

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
STREAM = "/events"
"""Tried by itself: its answer does not end."""

LENIENT = frozenset({"/tasks:create", "/requests", "/offersets", "/direct"})
"""A batch tells of each task by itself; of a request to the broker, what it does not read may be anything."""

_ID = re.compile(r"\{\w+\}")
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "TRACE")
FEW, SLOW = 4, 2
"""Inputs of each kind for an operation; those of the broker's long bodies take half a second each to draw."""


@pytest.fixture(scope="module", name="gateways")
def _gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Fuzzed]]:
    """Return what starts a gateway for a role, once each, whatever the order of tests."""
    with ExitStack() as stack:
        yield cache(lambda role: stack.enter_context(fuzzed(role, tmp_path_factory.mktemp(role))))


@pytest.fixture(name="gateway", params=ROLES)
def _gateway(request: pytest.FixtureRequest, gateways: Callable[[str], Fuzzed]) -> Fuzzed:
    return gateways(request.param)


def bounded(usual: int) -> settings:
    """Settings of one round of inputs."""
    by_hand = "EXAMPLES" in os.environ
    return settings(
        max_examples=examples(usual),
        derandomize=not by_hand,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if by_hand else [Phase.generate],
    )


def _can_be_wrong(operation: Any) -> bool:
    """Whether there is an input that the document forbids: where all is text, there is none."""
    definition = operation.definition.raw
    typed = {"enum", "$ref", "items", "minLength", "pattern"}
    parameters = [each.get("schema", {}) for each in definition.get("parameters", ())]
    views = [each for each in definition.get("parameters", ()) if each.get("$ref", "").endswith("/view")]
    return (
        "requestBody" in definition
        or bool(views)
        or any(typed & set(each) or each["type"] != "string" for each in parameters if each)
    )


def _rounds(operation: Any, path: str, ids: tuple[str, ...]) -> Iterator[tuple[Any, int]]:
    """Kinds of inputs for an operation, and how many of each."""
    drawn = SLOW if path in LENIENT else FEW
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    inputs = operation.definition.raw.get("parameters") or path in NEARLY_RIGHT
    yield right, drawn if inputs else 1
    if _can_be_wrong(operation):
        yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), drawn
    known = {"id": ids[0]} if "{id}" in path else {}
    if path in NEARLY_RIGHT and operation.method.upper() in ("POST", "PUT"):
        bodies = NEARLY_RIGHT[path]
        fixed = operation.as_strategy(path_parameters=known, body={}, media_type="application/json")
        yield st.tuples(fixed, bodies).map(_with_body), 2 * FEW
    elif known:
        yield st.one_of(*(operation.as_strategy(path_parameters={"id": each}) for each in ids)), FEW


def _with_body(drawn: tuple[Any, Any]) -> Any:
    case, body = drawn
    case.body = body
    return case


def _fault(gateway: Fuzzed, path: str, inputs: Any, count: int, tried: Tried) -> str:
    """Send one round of inputs to an operation; return what is wrong with an answer, or ""."""

    @bounded(count)
    @given(case=inputs)
    def send(case: Any) -> None:
        tried()
        answer = case.call(headers=dict(gateway.headers))
        may_be_wrong = path in LENIENT or _holds_null(case.body)
        case.validate_response(answer, checks=CHECKS if may_be_wrong else [*CHECKS, checks.negative_data_rejection])
        if answer.status_code >= 400 and path != "/direct":
            assert answer.headers["content-type"] == ["application/problem+json"]
            assert answer.json()["status"] == answer.status_code

    try:
        send()
    except (AssertionError, BaseExceptionGroup) as fault:
        return "\n".join([str(fault), *getattr(fault, "__notes__", ())])
    return ""


@pytest.mark.parametrize("name", documents.SERVED)
def test_every_answer_is_what_the_document_says(gateway: Fuzzed, name: str, tried: Tried) -> None:
    served = documents.schema(name, gateway.app)
    faults = [
        f"{method} {path}: {fault}"
        for method, path in documents.operations(name)
        if path != STREAM
        for inputs, count in _rounds(served[path][method], path, gateway.ids)
        if (fault := _fault(gateway, path, inputs, count, tried))
    ]
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize("name", documents.SERVED)
def test_methods_that_no_document_has_are_405(gateway: Fuzzed, name: str, tried: Tried) -> None:
    base = documents.SERVED[name][0]
    there = documents.operations(name)
    for path in sorted({path for _, path in there}):
        plain = _ID.sub("a", path)
        for method in METHODS:
            if any(method == known and _fits(template, plain) for known, template in there):
                continue
            tried()
            answer = gateway.call(method, base + plain)
            if gateway.role == "reader" and answer.status_code == 403:
                continue  # who may change nothing is told that first
            assert answer.status_code == 405, (method, path, answer.status_code)
            assert answer.mimetype == "application/problem+json"
            assert answer.headers["Allow"]


def _holds_null(value: Any) -> bool:
    """Tell whether some field is null, which counts as absent in most bodies."""
    if isinstance(value, dict):
        return any(each is None or _holds_null(each) for each in value.values())
    return isinstance(value, list) and any(map(_holds_null, value))


def _fits(template: str, path: str) -> bool:
    return re.fullmatch("[^/]+".join(map(re.escape, _ID.split(template))), path) is not None


def test_the_event_stream_begins_or_is_refused(gateway: Fuzzed, tried: Tried) -> None:
    served = documents.schema("protes", gateway.app)
    operation = served[STREAM]["GET"]
    known = st.fixed_dictionaries({"id": st.sampled_from(gateway.ids)})
    both = operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @bounded(4 * FEW)
    @given(case=both, query=st.none() | known)
    def stream(case: Any, query: dict[str, str] | None) -> None:
        tried()
        data = case.as_transport_kwargs()
        options = {"query_string": {**(data["query_string"] or {}), **(query or {})}, "headers": data["headers"]}
        answer = gateway.call("GET", "/protes/v1" + STREAM, **options)
        try:
            assert answer.status_code in (200, 400), answer.status_code
            if answer.status_code == 200:
                assert answer.mimetype == "text/event-stream"
                first = next(iter(answer.response))
                assert bytes(first).startswith((b"retry:", b"event:", b"id:", b":"))  # type: ignore[arg-type]
            else:
                assert answer.mimetype == "application/problem+json"
        finally:
            answer.close()

    stream()
