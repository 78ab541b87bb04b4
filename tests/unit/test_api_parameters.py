"""Parameters of queries."""

from typing import Any

import pytest

from protes.api.parameters import ParameterValidator, fault_of, tag_filters
from protes.api.problems import FieldError, Problem


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("", ()),
        ("view=FULL&page_size=3", ()),
        ("tag_key=foo1&tag_value=bar1&tag_key=foo2&tag_value=bar2", (("foo1", "bar1"), ("foo2", "bar2"))),
        ("tag_key=foo1&tag_key=foo2&tag_value=bar1&tag_value=bar2", (("foo1", "bar1"), ("foo2", "bar2"))),
        ("tag_value=bar1&tag_key=foo1", (("foo1", "bar1"),)),
        ("tag_key=foo1", (("foo1", None),)),
        ("tag_key=foo1&tag_value=", (("foo1", None),)),
        ("tag_key=a&tag_value=&tag_key=b&tag_value=2", (("a", None), ("b", "2"))),
        ("tag_key=a&tag_key=b&tag_value=1", (("a", "1"), ("b", None))),
        ("tag_key=a&tag_value=1,2", (("a", "1,2"),)),
        ("tag_key=a,b&tag_value=1", (("a,b", "1"),)),
        ("tag_key=a%20b&tag_value=c+d%26e%3Df", (("a b", "c d&e=f"),)),
        ("tag_key=caf%C3%A9&tag_value=%F0%9F%98%80", (("café", "\U0001f600"),)),
        ("tag_key=café", (("café", None),)),
        ("tag_key=a&tag_value=1&tag_key=a&tag_value=1", (("a", "1"),)),
        ("tag_key=a&tag_key=a&tag_value=&tag_value=1", (("a", "1"),)),
        ("tag_key=a&tag_key=a&tag_value=1", (("a", "1"),)),
        ("tag_key=&tag_value=1", (("", "1"),)),
    ],
)
def test_keys_and_values_are_zipped_by_the_specification(query: str, filters: tuple[tuple[str, str | None]]) -> None:
    assert tag_filters(query) == filters


@pytest.mark.parametrize("query", ["tag_value=1", "tag_key=a&tag_value=1&tag_value=2", "tag_value="])
def test_a_value_without_a_key_is_refused(query: str) -> None:
    with pytest.raises(Problem, match="query parameter tag_value: each tag_value needs a tag_key") as caught:
        tag_filters(query)
    assert caught.value.status == 400


def test_one_tag_cannot_have_two_values() -> None:
    with pytest.raises(Problem, match="two values for the tag 'a'"):
        tag_filters("tag_key=a&tag_value=1&tag_key=a&tag_value=2")


@pytest.mark.parametrize("value", ["0", "256", "-1", "2147483647", "-2147483648"])
def test_whole_numbers_fit(value: str) -> None:
    assert fault_of({"type": "integer"}, value) is None


@pytest.mark.parametrize("value", ["", "abc", "1.0", "1e3", "0x10", "--1", "1_000", "٣", " 1"])
def test_other_numbers_do_not(value: str) -> None:
    assert fault_of({"type": "integer"}, value) == "must be a whole number"


@pytest.mark.parametrize("value", ["2147483648", "-2147483649", "9" * 5000])
def test_numbers_beyond_int32_do_not(value: str) -> None:
    assert fault_of({"type": "integer"}, value) == "must be a 32-bit whole number"


def test_an_enum_names_its_values() -> None:
    schema = {"type": "string", "enum": ["MINIMAL", "FULL"]}
    assert fault_of(schema, "FULL") is None
    assert fault_of(schema, "full") == "must be one of MINIMAL, FULL"


def test_lengths_are_said() -> None:
    schema = {"type": "string", "minLength": 2, "maxLength": 3}
    assert [fault_of(schema, value) for value in ("a", "ab", "abc", "abcd")] == [
        "must have at least 2 characters",
        None,
        None,
        "must have at most 3 characters",
    ]


WHOLE = {"type": "integer"}
TEXTS = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("5", {"name": "page_size", "schema": WHOLE}),
        (None, {"name": "page_size", "schema": WHOLE}),
        (["a,b"], {"name": "tag_key", "schema": TEXTS}),
    ],
)
def test_good_parameters_pass(value: Any, param: dict[str, Any]) -> None:
    ParameterValidator.validate_parameter("query", value, param)


@pytest.mark.parametrize(
    ("kind", "value", "param", "field", "detail"),
    [
        (
            "query",
            "x",
            {"name": "page_size", "schema": WHOLE},
            "query parameter page_size",
            "must be a whole number",
        ),
        (
            "query",
            None,
            {"name": "q", "required": True, "schema": {"type": "string"}},
            "query parameter q",
            "is required",
        ),
        (
            "header",
            "x",
            {"name": "Idempotency-Key", "schema": {"type": "string", "minLength": 16}},
            "header Idempotency-Key",
            "must have at least 16 characters",
        ),
    ],
)
def test_a_fault_names_its_parameter(kind: str, value: Any, param: dict[str, Any], field: str, detail: str) -> None:
    with pytest.raises(Problem) as caught:
        ParameterValidator.validate_parameter(kind, value, param)
    assert caught.value.status == 400
    assert caught.value.errors == (FieldError(field, detail),)
