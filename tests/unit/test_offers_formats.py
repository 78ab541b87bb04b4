"""JSON and YAML, both ways."""

import json
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from protes.offers.formats import JSON, YAML, format_of, parse, write

_TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4), max_leaves=12
)


@given(document=st.dictionaries(_TEXT, _VALUES, max_size=4), media_type=st.sampled_from((JSON, YAML)))
def test_what_is_written_is_read_again(document: dict[str, Any], media_type: str) -> None:
    assert parse(write(document, media_type), media_type) == document


@given(document=_VALUES)
def test_json_is_read_as_yaml_too(document: Any) -> None:
    assert parse(json.dumps(document).encode(), YAML) == document


@given(text=st.text(max_size=40))
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    for media_type in (JSON, YAML):
        with suppress(ValueError):
            parse(text.encode("utf-8", "surrogatepass"), media_type)


def test_yaml_stands_for_json() -> None:
    text = "a: 2030-01-01\nb: [no, on, 1, 0x1F, 0o17, 1.5, -2e3, ~, 'x', !!str 5, \"1\", 010]\nc: &x {d: 1}\ne: *x\n"
    assert parse(text.encode(), YAML) == {
        "a": "2030-01-01",
        "b": ["no", "on", 1, 31, 15, 1.5, -2000.0, None, "x", "5", "1", 10],
        "c": {"d": 1},
        "e": {"d": 1},
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &a [*a]", "refers to nothing before it"),
        ("a: !x 1", "no place for tags"),
        ("!x [1]", "no place for tags"),
        ("1: 2", "not a text"),
        ("true: 2", "not a text"),
        ("? {a: 1}\n: 2", "not a text|list or an object"),
        ("a: 1\na: 2", "twice"),
        ("a: .inf", "not a JSON number"),
        ("a: 1\n---\nb: 1", "more than one"),
        ("# nothing", "empty"),
        ("a: [1", "not YAML at line"),
        ("[" * 40 + "]" * 40, "too deep"),
        ("- " * 40 + "a", "too deep"),
        ("\x07", "not YAML"),
    ],
)
def test_other_yaml_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text.encode(), YAML)


@pytest.mark.parametrize("aliases", [list[str](), ["*a"] * 3])
def test_aliases_count_as_what_they_stand_for(aliases: list[str]) -> None:
    small = f"a: &a [{', '.join(['x'] * 1000)}]\nb: [{', '.join(aliases)}]"
    assert len(parse(small.encode(), YAML)["b"]) == len(aliases)
    for text in (
        f"a: &a [{', '.join(['x'] * 1000)}]\nb: [{', '.join(['*a'] * 1000)}]",
        f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]",
    ):
        with pytest.raises(ValueError, match="aliases expanded"):
            parse(text.encode(), YAML)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("", YAML),
        ("application/yaml", YAML),
        ("application/x-yaml; charset=utf-8", YAML),
        ("text/yaml", YAML),
        ("application/openapi+yaml", YAML),
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        ("application/problem+json", JSON),
        ("text/plain", None),
        ("application/xml", None),
        ("application/x-www-form-urlencoded", None),
    ],
)
def test_the_type_of_a_body(content_type: str, expected: str | None) -> None:
    assert format_of(content_type) == expected


def test_answers_in_yaml_have_no_anchors_and_texts_stay_texts() -> None:
    shared = {"a": "NO"}
    written = write({"one": shared, "two": shared, "time": "2030-01-01T00:00:00Z"}, YAML)
    assert b"&" not in written
    assert yaml.safe_load(written) == {"one": shared, "two": shared, "time": "2030-01-01T00:00:00Z"}
