"""Answers of servers, spoilt: what somebody who means harm, or does not know better, makes of a document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.support.dialects.shapes import camel


def hold(condition: bool) -> None:
    """Fail where a condition does not hold of an error that was raised."""
    assert condition


class Written(str):
    """JSON text that stands for a value, as it is."""

    __slots__ = ()


DEEP = st.sampled_from([20, 200, 600, 800, 850, 900, 930, 950, 980, 5000, 100_000])
RAW = (
    st.sampled_from(
        [
            "NaN",
            "-Infinity",
            "1e400",
            "-1e400",
            "1" * 400,
            "9" * 5000,
            "-0",
            "1e308",
            "0.1",
            "-1",
            "2147483648",
            "9223372036854775808",
            "137.0",
            '"\\ud800"',
            '"\\u0000"',
            '"\\u2028\\r\\n"',
            "null",
            "true",
            "{}",
            "[]",
            "[[]]",
            "[null]",
            '{"": null}',
        ]
    ).map(Written)
    | DEEP.map(lambda depth: Written("[" * depth + "]" * depth))
    | DEEP.map(lambda depth: Written('{"a":' * depth + "1" + "}" * depth))
)
STATES = st.sampled_from(
    [
        "COMPLETE",
        "complete ",
        "RUNNING",
        "CANCELED",
        "Cancelled",
        "PREEMPTED",
        "PAUSED",
        "CANCELING",
        "EXECUTOR_ERROR",
        "SYSTEM_ERROR",
        "UNKNOWN",
        "",
        "FINISHED",
        "COMPLETE\x00",
        "ＣＯＭＰＬＥＴＥ",
        "QUEUED",
        "INITIALIZING",
    ]
)
TIMES = st.sampled_from(
    [
        "2024-05-01T10:00:00Z",
        "2024-05-01 10:00:00.123456789+00:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2024-02-30T10:00:00Z",
        "2024-05-01T25:00:00Z",
        "1714557600",
        "Wed, 01 May 2024 10:00:00 GMT",
        "2024-05-01T10:00",
        "2024-05-01T10:00:00+99:99",
        "2024-05-01T10:00:00.Z",
        "-1",
        "0001-01-01T00:00:00+23:59",
        "２０２４-05-01T10:00:00Z",
    ]
)
TEXTS = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "\r\nX: y",
        "\x1b[2J",
        "\u2028",
        "..",
        "../../etc",
        "[",
        '["a", 1, null]',
        "[" * 950,
        "a" * 100_000,
        "https://user:secret@host/x?sig=abc",
        "http://[::1",
        "file:///etc/passwd",
        "%00",
        "\U0001f9ec",
        "-1",
        "9" * 5000,
    ]
)
JUNK = RAW | STATES | TIMES | TEXTS | st.text(max_size=8) | st.integers() | st.floats() | st.booleans()


@st.composite
def spoilt(draw: st.DrawFn, corpus: Sequence[Any]) -> bytes:
    """One document of a corpus with a few values, names, or bytes changed."""
    document = draw(st.sampled_from(corpus))
    if draw(st.integers(0, 3)) == 0:
        document = camel(document)
    for _ in range(draw(st.integers(0, 4))):
        document = _changed(draw, document)
    return _spoilt_bytes(draw, written(document).encode("utf-8", "surrogatepass"))


def _changed(draw: st.DrawFn, value: Any) -> Any:
    """Change one place: the value itself, or one below it."""
    inner = isinstance(value, dict | list) and len(value) > 0
    if not inner or draw(st.integers(0, 4)) == 0:
        how = draw(st.integers(0, 9))
        if how == 0:
            return [value]
        if how == 1:
            return {"tasks": value}
        if how == 2 and isinstance(value, list):
            return value * draw(st.sampled_from([0, 2, 50]))
        return draw(JUNK)
    if isinstance(value, list):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _changed(draw, value[place]), *value[place + 1 :]]
    name = draw(st.sampled_from(sorted(value)))
    how = draw(st.integers(0, 9))
    if how == 0:
        return {each: kept for each, kept in value.items() if each != name}
    if how == 1:
        return {**value, Duplicate(name): draw(JUNK)}
    if how == 2:
        return {**value, draw(TEXTS): draw(JUNK)}
    return {**value, name: _changed(draw, value[name])}


class Duplicate(str):
    """A name that an object has a second time."""

    __slots__ = ()

    def __hash__(self) -> int:
        """Hash unlike the name, so that both are kept."""
        return hash((str(self), "twice"))

    def __eq__(self, other: object) -> bool:
        """Be equal to itself alone."""
        return self is other


def written(value: Any) -> str:
    """Write JSON, and what is nearly JSON."""
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(name))}:{written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def _spoilt_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """Cut, garble or recode a body now and then."""
    how = draw(st.integers(0, 19))
    place = draw(st.integers(0, max(0, len(body) - 1)))
    changes = {
        0: body[:place],
        1: body[:place] + b"\xff\xfe\xc3" + body[place:],
        2: body[:place] + b"\x00" + body[place + 1 :],
        3: b"\xef\xbb\xbf" + body,
        4: body.decode("utf-8", "replace").encode("utf-16"),
        5: b"<!doctype html><title>" + body[:place],
        6: body + body,
    }
    return changes.get(how, body)
