"""`docs/http-api.md`: all operations and schemas of our OpenAPI documents, as one page that needs no viewer."""

from collections.abc import Iterator, Mapping
from typing import Any

import openapi

DOCUMENTS = (
    ("tes", "tes.yaml"),
    ("task-info", "task-info.yaml"),
    ("tes-compat", "tes-compat.yaml"),
    ("protes", "protes.yaml"),
    ("registry", "service-registry.yaml"),
    ("broker", "execution-broker.yaml"),
)
_METHODS = ("get", "post", "put", "patch", "delete")

_HEAD = """# HTTP API

All endpoints of the gateway, from its OpenAPI documents (`openapi/` in the package; a running gateway serves them,
with Swagger UI, at `/ga4gh/tes/v1/ui/`). Everything here can have `/w/<weight>` or `/profiles/<name>` in front
([wishes](preferences.md)). What is not TES is explained in [the API beyond TES](api.md), refusals in
[errors](errors.md).

Outside these documents: `GET /healthz` (this process answers), `GET /readyz` (it reaches its store), `GET /metrics`
([metrics](metrics.md)), and the dashboard at `/`.

This page is made from the documents: `python -m tests.docs.generate`.
"""


def render() -> str:
    """Return the page."""
    parts = [_HEAD, "\n| operation | |\n|---|---|\n"]
    for name, file in DOCUMENTS:
        document = openapi.document(file)
        for path, method, operation in operations(document):
            link = _slug(f"{method.upper()} {_base(document)}{path}")
            parts.append(
                f"| [`{method.upper()} {_base(document)}{path}`](#{link}) | {operation.get('summary', name)} |\n"
            )
    for name, file in DOCUMENTS:
        parts += _document(name, openapi.document(file))
    return "".join(parts)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield path, method and operation of a document."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                shared = item.get("parameters", [])
                own = item[method].get("parameters", [])
                yield path, method, {**item[method], "parameters": [*shared, *own]}


def _document(name: str, document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"\n## {info['title']} (`{_base(document)}`)\n\n{info.get('description', '').strip()}\n"
    for path, method, operation in operations(document):
        yield from _operation(name, document, path, method, operation)
    schemas = document.get("components", {}).get("schemas", {})
    for schema, content in schemas.items():
        yield from _schema(name, document, schema, content)


def _operation(
    name: str, document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    yield f"\n### {method.upper()} {_base(document)}{path}\n\n{_sentence(operation.get('summary', ''))}"
    description = _text(operation.get("description", ""))
    yield f" {description}\n" if description else "\n"
    parameters = [_resolved(document, each) for each in operation["parameters"]]
    if parameters:
        yield "\n| parameter | in | type | meaning |\n|---|---|---|---|\n"
        for each in parameters:
            needed = ", required" if each.get("required") else ""
            kind = _type(name, document, each.get("schema", {}))
            yield f"| `{each['name']}` | {each['in']}{needed} | {kind} | {_text(each.get('description', ''))} |\n"
    body = _resolved(document, operation.get("requestBody", {}))
    if body:
        kinds = ", ".join(
            f"`{media}`: {_type(name, document, content.get('schema', {}))}"
            for media, content in body["content"].items()
        )
        yield f"\nBody: {kinds}. {_text(body.get('description', ''))}".rstrip() + "\n"
    yield "\n| status | answer | body |\n|---|---|---|\n"
    for status, response in operation["responses"].items():
        response = _resolved(document, response)
        bodies = {_type(name, document, each.get("schema", {})) for each in response.get("content", {}).values()}
        yield f"| {status} | {_text(response.get('description', ''))} | {', '.join(sorted(bodies))} |\n"


def _schema(name: str, document: Mapping[str, Any], schema: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n#### {name} {schema}\n\n"
    description = _text(content.get("description", ""))
    if description:
        yield f"{description}\n\n"
    properties = dict(_properties(document, content))
    if not properties:
        yield f"{_type(name, document, content)}\n"
        return
    required = set(content.get("required", ()))
    yield "| field | type | meaning |\n|---|---|---|\n"
    for field, each in properties.items():
        resolved = _resolved(document, each) if "$ref" in each else each
        kind = _type(name, document, each) + (", required" if field in required else "")
        yield f"| `{field}` | {kind} | {_text(resolved.get('description', ''))} |\n"


def _properties(document: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for each in content.get("allOf", ()):
        yield from _properties(document, _resolved(document, each))
    yield from content.get("properties", {}).items()


def _type(name: str, document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        known = target in document.get("components", {}).get("schemas", {})
        # A document that is merged with another one when served refers to that one's schemas.
        owner = name if known else "tes"
        return f"[{target}](#{_slug(f'{owner} {target}')})"
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(name, document, each) for each in schema[several]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(name, document, schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map to {_type(name, document, schema['additionalProperties'])}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _resolved(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in value:
        return value
    for source in (document, openapi.document("tes.yaml")):
        found: Any = source
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found.get(part) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping):
            return found
    raise LookupError(value["$ref"])


def _base(document: Mapping[str, Any]) -> str:
    base: str = document["servers"][0]["url"]
    return base


def _sentence(text: str) -> str:
    text = _text(text)
    return f"**{text}.**" if text else ""


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _slug(text: str) -> str:
    """As Python-Markdown's `toc` makes the ids of headings."""
    kept = "".join(each for each in text.lower() if each.isalnum() or each in "_- ")
    return "-".join(kept.replace("-", " ").split())
