"""Laws of the normal form, and of what the ingress layer drops."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protes.api.ingress import drop_nulls, parse_task, write_task
from protes.tes.documents import (
    EXECUTOR_FIELDS,
    INPUT_FIELDS,
    OUTPUT_FIELDS,
    RESOURCE_FIELDS,
    TASK_FIELDS,
    normalise,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAF = st.booleans() | st.integers(-10, 10) | st.floats(-10, 10) | TEXT
UNKNOWN = st.dictionaries(TEXT.map("x_".__add__), LEAF, max_size=2)
JSON = st.recursive(
    st.none() | LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner), max_leaves=12
)


def objects(fields: tuple[str, ...], **known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the fields and some that no specification knows."""
    values = st.fixed_dictionaries({}, optional={field: known.get(field, LEAF) for field in fields})
    return st.tuples(UNKNOWN, values).map(lambda both: {**both[0], **both[1]})


TASKS = objects(
    TASK_FIELDS,
    inputs=st.lists(objects(INPUT_FIELDS), max_size=2),
    outputs=st.lists(objects(OUTPUT_FIELDS), max_size=2),
    executors=st.lists(objects(EXECUTOR_FIELDS, env=st.dictionaries(TEXT, TEXT, max_size=2)), max_size=2),
    resources=objects(RESOURCE_FIELDS, cpu_cores=st.integers(0, 9) | st.floats(0, 9)),
    tags=st.dictionaries(TEXT, TEXT, max_size=2),
)


@given(TASKS)
def test_the_normal_form_is_its_own(task: dict[str, Any]) -> None:
    once = normalise(task)
    assert normalise(once) == once
    assert normalise(json.loads(json.dumps(once))) == once


@given(TASKS)
def test_every_known_field_keeps_its_value_but_for_whole_cores(task: dict[str, Any]) -> None:
    kept = normalise(task)
    assert set(kept) == set(task) & set(TASK_FIELDS)
    for field in set(kept) & {"name", "description", "volumes", "tags"}:
        assert kept[field] == task[field]
    for field in set(kept) & {"inputs", "outputs", "executors"}:
        for before, after in zip(task[field], kept[field], strict=True):
            assert all(before.get(key, "FILE") == value for key, value in after.items())
    if "cpu_cores" in kept.get("resources", {}):
        assert kept["resources"]["cpu_cores"] == task["resources"]["cpu_cores"]


def holds_null(value: Any) -> bool:
    """Whether some object member is null."""
    if isinstance(value, dict):
        return any(each is None or holds_null(each) for each in value.values())
    return isinstance(value, list) and any(holds_null(each) for each in value)


@given(JSON)
def test_after_dropping_nulls_no_object_has_one(value: Any) -> None:
    dropped = drop_nulls(value)
    assert not holds_null(dropped)
    assert drop_nulls(dropped) == dropped
    if not holds_null(value):
        assert dropped == value


@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_what_was_parsed_is_written_and_read_the_same(document: dict[str, Any]) -> None:
    parsed = parse_task(json.dumps(document).encode(), "application/json")
    assert json.loads(write_task(parsed)) == parsed
