"""Validators and preferences of requests (RFC 9110 section 13, RFC 7240)."""

import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st

from protes.api.conditional import entity_tag, marked, wait_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("WAIT=10", 10),
        ("wait = 10", 10),
        ('wait="10"', 10),
        ("wait=10; foo=bar", 10),
        ("respond-async, wait=10", 10),
        ('handling="a, wait=9", wait=10', 10),
        ("wait=10, wait=20", 10),
        ("wait=30", 30),
        ("wait=31", 30),
        ("wait=999999999", 30),
        ("wait=0", 0),
        ("wait", 0),
        ("wait=", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=ten", 0),
        ("wait=\N{ARABIC-INDIC DIGIT ONE}", 0),
        ("wait=9999999999", 0),
        ("await=10", 0),
        ("wait=soon, wait=10", 0),
        (",,;=", 0),
    ],
)
def test_the_first_preference_to_wait_counts_and_is_bounded(header: str | None, seconds: int) -> None:
    assert wait_seconds(header, 30) == seconds


@given(st.text())
def test_no_header_is_an_error(header: str) -> None:
    assert 0 <= wait_seconds(header, 30) <= 30


@given(st.text("ab"), st.text("ab"))
def test_tags_are_equal_where_what_decides_is(one: str, other: str) -> None:
    assert (entity_tag(one) == entity_tag(other)) == (one == other)


def test_what_is_marked_may_be_kept_by_who_asked_alone_and_is_asked_for_again() -> None:
    response = marked(Response("{}"), "abc")
    assert response.headers["ETag"] == '"abc"'
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert response.headers["Vary"] == "Authorization"
    assert "Preference-Applied" not in response.headers
    assert marked(Response("{}"), "abc", 7).headers["Preference-Applied"] == "wait=7"
