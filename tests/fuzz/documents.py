"""Our OpenAPI documents as they are served, for schemathesis."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import schemathesis
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig

import openapi
from protes.api.ingress import WsgiApp

SERVED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tes": ("/ga4gh/tes/v1", ("tes.yaml", "task-info.yaml")),
    "tes-compat": ("/v1", ("tes.yaml", "task-info.yaml", "tes-compat.yaml")),
    "service-registry": ("/ga4gh/registry/v1", ("service-registry.yaml",)),
    "protes": ("/protes/v1", ("protes.yaml",)),
    "execution-broker": ("/ivoa/execution-broker/v1", ("execution-broker.yaml",)),
}
"""Base paths, and the documents that are merged under each."""


def merged(name: str) -> dict[str, Any]:
    """Return what is served under a base path as one document."""
    base, files = SERVED[name]
    whole: dict[str, Any] = copy.deepcopy(dict(openapi.document(files[0])))
    for file in files[1:]:
        further = openapi.document(file)
        whole["paths"].update(further["paths"])
        whole["components"]["schemas"].update(further["components"]["schemas"])
    whole["servers"] = [{"url": base}]
    if "tesTask" in whole["components"]["schemas"]:
        _allow_minimal_views(whole)
    return whole


def _allow_minimal_views(whole: dict[str, Any]) -> None:
    """Have answers hold tasks without executors: the specification requires them, and its view MINIMAL has none."""
    schemas = whole["components"]["schemas"]
    schemas["shownTask"] = {**schemas["tesTask"], "required": []}
    shown = {"$ref": "#/components/schemas/shownTask"}
    schemas["tesListTasksResponse"]["properties"]["tasks"]["items"] = shown
    whole["paths"]["/tasks/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = shown


def operations(name: str) -> list[tuple[str, str]]:
    """List methods and paths of a document."""
    return [
        (method.upper(), path)
        for path, item in merged(name)["paths"].items()
        for method in item
        if method in ("get", "put", "post", "delete", "patch")
    ]


def schema(name: str, app: WsgiApp) -> Any:
    """Return a document as schemathesis wants it, with what answers its requests."""
    generation = GenerationConfig(with_security_parameters=False, deterministic=True)
    project = ProjectConfig(generation=generation)
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    loaded = schemathesis.openapi.from_dict(merged(name), config=config)
    loaded.app = app
    return loaded
