"""Bodies in JSON and YAML, both ways (STANDARDS.md 5.1: a body without a declared type is YAML).

YAML is read as the JSON it stands for: the core schema of YAML 1.2, so that a date stays a text and `no` is no boolean;
keys are texts; what aliases expand to is counted, so that a small body cannot become a large document.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

JSON, YAML = "application/json", "application/yaml"
YAML_TYPES = (YAML, "application/x-yaml", "text/yaml", "text/x-yaml")
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_YAML_TYPE = re.compile(r"(?:application|text)/(?:[\w.+-]+\+|x-)?yaml", re.IGNORECASE)

_MOST_NODES = 100_000
_CHARACTERS_A_NODE = 64
"""So many characters of a text count as another node: an alias can stand for a long one."""
_DEEPEST = 32
_STRING_TAGS = ("tag:yaml.org,2002:str", "!")
_KEYWORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}")
_HEXADECIMAL, _OCTAL = re.compile(r"0x[0-9a-fA-F]{1,1000}"), re.compile(r"0o[0-7]{1,1000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def format_of(content_type: str) -> str | None:
    """Return `JSON` or `YAML` for the value of a Content-Type header, YAML where it is empty, None for other types."""
    media_type = content_type.partition(";")[0].strip()
    if not media_type or _YAML_TYPE.fullmatch(media_type):
        return YAML
    return JSON if _JSON_TYPE.fullmatch(media_type) else None


def parse(raw: bytes, media_type: str) -> Any:
    """Read a body.

    Raises:
        ValueError: it is not of the type, not UTF-8, too deep, too large when expanded, or has what JSON cannot say.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None
    if media_type == JSON:
        return _parse_json(text)
    try:
        return _parse_json(text)  # nearly all JSON is YAML, and this reads it a hundred times as fast
    except ValueError:
        return _parse_yaml(text)


def write(document: Mapping[str, Any], media_type: str) -> bytes:
    """Write an answer, in ASCII."""
    if media_type == YAML:
        text: str = yaml.dump(dict(document), Dumper=_Plain, sort_keys=False, default_flow_style=False)
        return text.encode()
    return json.dumps(document, separators=(",", ":")).encode()


class _Plain(yaml.SafeDumper):
    """Writes what is the same object twice, twice: readers need not know anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (PyYAML's signature)
        """Say yes."""
        return True


def _parse_json(text: str) -> Any:
    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    return _at_most_as_deep(document, 0)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _at_most_as_deep(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("the body is nested too deeply")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _at_most_as_deep(each, depth + 1)
    return value


def _parse_yaml(text: str) -> Any:
    try:
        return _Builder(text).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise ValueError(
            f"the body is not YAML{where}: {getattr(error, 'problem', None) or 'a bad character'}"
        ) from None


class _Builder:
    """Builds a document from the events of the YAML parser."""

    def __init__(self, text: str) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def document(self) -> Any:
        """Return the only document of the text."""
        event = next(self._events)
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            raise ValueError("the body is empty")
        value = self._node(event, 0)
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise ValueError("the body holds more than one YAML document")
        return value

    def _node(self, event: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("the body is nested too deeply")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor))
        before = self._nodes
        self._count(1)
        if isinstance(event, yaml.ScalarEvent):
            self._count(len(event.value) // _CHARACTERS_A_NODE)
            value: Any = _scalar(event)
        elif event.tag not in (None, "!"):
            raise ValueError(f"the body has the YAML tag {event.tag[:60]}; there is no place for tags here")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _alias(self, anchor: str) -> Any:
        if anchor not in self._anchors:
            raise ValueError(f"the body has the YAML alias *{anchor[:60]}, which refers to nothing before it")
        value, nodes = self._anchors[anchor]
        self._count(nodes)
        return value

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            raise ValueError("the body is too large, its YAML aliases expanded")

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise ValueError("the body has a key that is a list or an object, or an alias")
            self._count(1)
            key = _scalar(event)
            if not isinstance(key, str):
                raise ValueError(f"the body has the key {event.value[:60]} that is not a text; put it in quotes")
            if key in items:
                raise ValueError(f"the body has the key {key[:60]} twice in one place")
            items[key] = self._node(next(self._events), depth + 1)
        return items


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.tag is not None:
        if event.tag not in _STRING_TAGS:
            raise ValueError(f"the body has the YAML tag {event.tag[:60]}; there is no place for tags here")
        return text
    if not event.implicit[0]:
        return text  # in quotes
    if text in _KEYWORDS:
        return _KEYWORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text) or _OCTAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a JSON number")
    return text
