"""Answers held against `openapi/tes.yaml`: every field known and of its type, no nulls."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft4Validator

import openapi

_OBJECTS = (
    "tesTask",
    "tesInput",
    "tesOutput",
    "tesResources",
    "tesExecutor",
    "tesTaskLog",
    "tesExecutorLog",
    "tesOutputFileLog",
    "tesListTasksResponse",
    "tesCreateTaskResponse",
)


def tes_document() -> Mapping[str, Any]:
    """The document as it is published."""
    return openapi.document("tes.yaml")


@cache
def _validator(schema: str) -> Draft4Validator:
    schemas = dict(tes_document()["components"]["schemas"])
    for name in _OBJECTS:
        schemas[name] = {**schemas[name], "additionalProperties": False}
    return Draft4Validator({"$ref": f"#/components/schemas/{schema}", "components": {"schemas": schemas}})


def assert_fits(schema: str, answer: Any) -> None:
    """Assert that an answer fits a schema of the document and has no field beyond it.

    In views but MINIMAL all that the schema requires is required; a MINIMAL task is not a `tesTask` to this function.
    """
    faults = [f"{list(error.absolute_path)}: {error.message}" for error in _validator(schema).iter_errors(answer)]
    assert not faults, faults


def service_info_fields() -> set[str]:
    """The names that TES 1.1.0 service-info may have."""
    schemas = tes_document()["components"]["schemas"]
    own = schemas["tesServiceInfo"]["allOf"][1]["properties"]
    return {*schemas["Service"]["properties"], *own}
