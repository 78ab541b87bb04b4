"""The schema of the chart's values: made from the code, closed everywhere, and what the chart's own values keep to."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import protes
from tests.deployment.chart_schema import CHART, FILE, is_secret, render, schema, settings_schema

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def test_the_schema_is_made_from_the_code() -> None:
    """Where it is not: `python -m tests.deployment.chart_schema > deployment/helm/protes/values.schema.json`."""
    assert FILE.read_text(encoding="utf-8") == render()


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == protes.__version__


def test_every_object_is_closed_or_a_map_of_one_kind() -> None:
    Draft202012Validator.check_schema(schema())
    # A step's options are its own; they are checked when the chain is built.
    still_open = [where for where, each in _objects(schema(), "") if not _is_closed(each)]
    assert still_open == ["/$defs/StepSettings/properties/options"]


def test_no_secret_can_be_given() -> None:
    assert not is_secret(settings_schema())


def test_every_value_has_its_default_in_the_file() -> None:
    Draft202012Validator(schema()).validate(VALUES)
    assert _missing(schema(), VALUES, "") == []


@pytest.mark.parametrize("section", sorted(VALUES))
def test_a_key_nobody_knows_is_refused_at_every_level(section: str) -> None:
    value = VALUES[section]
    if isinstance(value, dict) and section not in ("podLabels", "podAnnotations", "nodeSelector"):
        changed = {**VALUES, section: {**value, "nobody_knows": 1}}
        assert not Draft202012Validator(schema()).is_valid(changed)


def _objects(part: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield where, part
        for name, each in part.items():
            yield from _objects(each, f"{where}/{name}")
    elif isinstance(part, list):
        for number, each in enumerate(part):
            yield from _objects(each, f"{where}/{number}")


def _is_closed(part: dict[str, Any]) -> bool:
    rest = part.get("additionalProperties", True)
    return rest is False or (isinstance(rest, dict) and bool(rest) and "properties" not in part)


def _missing(part: dict[str, Any], values: dict[str, Any], where: str) -> list[str]:
    """List keys that the schema knows and the file does not show; the gateway's settings have defaults of their own."""
    found = []
    for name, each in part.get("properties", {}).items():
        if name not in values:
            found.append(f"{where}{name}")
        elif name != "config" and isinstance(values[name], dict):
            found += _missing(each, values[name], f"{where}{name}.")
    return found
