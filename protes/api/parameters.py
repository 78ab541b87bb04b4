"""Query, path and header parameters: checked by their schema, refused by name with what would be right."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from connexion.decorators.validation import ParameterValidator as ConnexionParameterValidator

from protes.api.problems import FieldError, invalid

_INT32 = 2**31
_INT32_LENGTH = len("-2147483648")
_WHOLE = re.compile(r"-?[0-9]+")


class ParameterValidator(ConnexionParameterValidator):  # type: ignore[misc]
    """connexion's parameter validation in our words, without building a schema validator for each request."""

    @staticmethod
    def validate_parameter(
        parameter_type: str, value: Any, param: Mapping[str, Any], param_name: str | None = None
    ) -> None:
        """Check a parameter.

        Raises:
            Problem: 400 with what is wrong with it.
        """
        if value is None:
            fault = "is required" if param.get("required") else None
        else:
            fault = fault_of(param.get("schema", param), value)
        if fault:
            kind = "header" if parameter_type == "header" else f"{parameter_type} parameter"
            raise invalid([FieldError(f"{kind} {param_name or param['name']}", fault)])


def fault_of(schema: Mapping[str, Any], value: Any) -> str | None:
    """Say why a parameter's text does not fit its schema; the kinds of schema are those our documents use."""
    if "enum" in schema and value not in schema["enum"]:
        return f"must be one of {', '.join(schema['enum'])}"
    if schema.get("type") == "integer":
        if not _WHOLE.fullmatch(value):
            return "must be a whole number"
        if len(value) > _INT32_LENGTH or not -_INT32 <= int(value) < _INT32:
            return "must be a 32-bit whole number"
    if schema.get("type") == "string" and isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            return f"must have at least {schema['minLength']} characters"
        if len(value) > schema.get("maxLength", len(value)):
            return f"must have at most {schema['maxLength']} characters"
    return None


def tag_filters(query: str) -> tuple[tuple[str, str | None], ...]:
    """Zip `tag_key` and `tag_value` of a raw query string by the rules of TES 1.1.0, `ListTasks`.

    Read raw because connexion splits values at commas. A key without a value, or with an empty one, matches any value.

    Returns:
        `(key, value)` pairs; value None matches any.

    Raises:
        Problem: 400 where there are more values than keys, or one key has two different values.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    keys = [value for name, value in pairs if name == "tag_key"]
    values = [value for name, value in pairs if name == "tag_value"]
    if len(values) > len(keys):
        raise invalid([FieldError("query parameter tag_value", "each tag_value needs a tag_key before it")])
    return _paired(keys, values)


def _paired(keys: Sequence[str], values: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    wanted: dict[str, str | None] = {}
    for index, key in enumerate(keys):
        value = values[index] if index < len(values) else ""
        if wanted.get(key) and value and wanted[key] != value:
            raise invalid([FieldError("query parameter tag_value", f"two values for the tag {key[:60]!r}")])
        wanted[key] = value or wanted.get(key)
    return tuple(wanted.items())
