"""The structure of an OpenAPI document as flat facts: what must be equal between ours and the published one.

A fact is a place, such as `schema tesTask.name`, with what is structural there: type, format, enum, default, required,
readOnly. Words (descriptions, examples, summaries) and answers beyond 200 do not count.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Facts = dict[str, dict[str, Any]]
_STRUCTURAL = ("type", "format", "enum", "default", "readOnly")
_METHODS = ("get", "put", "post", "delete", "patch")


def facts(document: Mapping[str, Any], foreign: Mapping[str, Any] | None = None) -> Facts:
    """Return the structure of a document.

    Args:
        document: the parsed document.
        foreign: the document that references to other hosts lead into.
    """
    reader = _Reader(document, foreign or document)
    return dict(reader.operations()) | dict(reader.schemas())


def schema_facts(found: Facts) -> Facts:
    """Return the facts about schemas alone."""
    return {place: fact for place, fact in found.items() if place.startswith("schema ")}


class _Reader:
    def __init__(self, document: Mapping[str, Any], foreign: Mapping[str, Any]) -> None:
        self._document = document
        self._foreign = foreign

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method in item:
                    yield from self._operation(f"{method} {path}", item[method])

    def _operation(self, place: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield place, {"operationId": operation["operationId"]}
        for parameter in operation.get("parameters", ()):
            each = self._resolved(parameter)
            if each["in"] == "header":
                continue  # headers are ours: the specification has none
            fact = {"in": each["in"], "required": each.get("required", False)}
            yield f"{place} parameter {each['name']}", fact | self._fact(each["schema"])
        body = operation.get("requestBody")
        if body:
            yield f"{place} body", {"required": body.get("required", False)} | self._content(body)
        answers = {str(status): answer for status, answer in operation["responses"].items()}
        yield f"{place} 200", self._content(self._resolved(answers["200"]))

    def _content(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"content": {kind: _name(media["schema"]) for kind, media in body.get("content", {}).items()}}

    def schemas(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, schema in self._document["components"]["schemas"].items():
            yield from self._schema(f"schema {name}", schema)

    def _schema(self, place: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        flat = self._flat(schema)
        yield place, self._fact(flat) | {"required": sorted(flat.get("required", ()))}
        for name, each in flat.get("properties", {}).items():
            yield f"{place}.{name}", self._fact(each)
            inner = self._flat(each)
            if "properties" in inner and "$ref" not in each:
                yield from self._schema(f"{place}.{name}", each)

    def _fact(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        flat = self._flat(schema)
        fact = {key: flat[key] for key in _STRUCTURAL if key in flat}
        if "$ref" in schema:
            fact["ref"] = _name(schema)
        if "enum" in fact:
            fact["enum"] = sorted(fact["enum"])
        for key in ("items", "additionalProperties"):
            if isinstance(flat.get(key), Mapping):
                fact[key] = _name(flat[key]) or self._fact(flat[key])
        return fact

    def _flat(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Resolve a reference and join `allOf` into one schema."""
        schema = self._resolved(schema)
        if "allOf" not in schema:
            return schema
        flat: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        for part in map(self._flat, schema["allOf"]):
            flat["properties"] |= part.get("properties", {})
            flat["required"] = sorted({*flat["required"], *part.get("required", ())})
        return flat

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            base, _, pointer = node["$ref"].partition("#/")
            found: Any = self._foreign if base else self._document
            for part in pointer.split("/"):
                found = found[part]
            node = found
        return node


def _name(schema: Mapping[str, Any]) -> str:
    """Return the name of the schema that is referred to, "" where it is written out."""
    return str(schema.get("$ref", "")).rpartition("/")[2]
