"""Page tokens, by example."""

import base64
import json

import pytest

from protes.api.page_tokens import read, write
from protes.api.problems import Problem

FILTERS = ("prefix", None, (("key", "value"),), False)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(token: str) -> str:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


def test_a_token_needs_no_quoting_in_a_url() -> None:
    token = write("01hzy3", FILTERS)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()
    assert read(token, FILTERS) == "01hzy3"


@pytest.mark.parametrize(
    "filters",
    [
        ("prefiy", None, (("key", "value"),), False),
        ("prefix", "RUNNING", (("key", "value"),), False),
        ("prefix", None, (("key", None),), False),
        ("prefix", None, (("key", "value"), ("more", None)), False),
        ("prefix", None, (), False),
        ("prefix", None, (("key", "value"),), True),
    ],
)
def test_a_token_belongs_to_its_filters(filters: tuple[object, ...]) -> None:
    with pytest.raises(Problem, match="query parameter page_token: belongs to a list with other filters") as caught:
        read(write("01hzy3", FILTERS), filters)
    assert caught.value.status == 400


def forged(before: object) -> str:
    version, _, digest = json.loads(decoded(write("01hzy3", FILTERS)))
    return encoded(json.dumps([version, before, digest]))


@pytest.mark.parametrize(
    "token",
    [
        "a",
        "abcd",
        "!!!!",
        "é",
        "\ud800",
        "%",
        " ",
        "12345",
        encoded("5"),
        encoded("null"),
        encoded('"abc"'),
        encoded("{}"),
        encoded('{"a": 1, "b": 2, "c": 3}'),
        encoded("[1, 2]"),
        encoded('[2, "01hzy3", "x"]'),
        encoded("[" * 20_000),
        encoded("9" * 5000),
        base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode(),
        forged(5),
        forged(None),
        forged(""),
        forged("\ud800"),
        forged("a\0b"),
        forged("' OR 1=1 --"),
        forged("x" * 100),
    ],
)
def test_what_is_no_token_of_ours_is_refused(token: str) -> None:
    with pytest.raises(Problem, match="query parameter page_token: is not a token of this server") as caught:
        read(token, FILTERS)
    assert caught.value.status == 400
