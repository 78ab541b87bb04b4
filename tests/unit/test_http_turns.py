"""Reads are taken up a few at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.http_turns import AT_ONCE, LONG_SECONDS, Turns, is_read

_TASK = b"GET /ga4gh/tes/v1/tasks/1 HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (_TASK + b"\r\n", True),
        (_TASK.replace(b"GET", b"HEAD") + b"\r\n", True),
        (_TASK + b"Accept: application/json\r\n\r\n", True),
        (_TASK + b"X-Prefer: wait=20\r\n\r\n", True),
        (_TASK + b"Prefer: wait=20\r\n\r\n", False),
        (_TASK + b"pREFER:wait=20\r\n\r\n", False),
        (_TASK + b"Accept: text/html, Text/Event-Stream\r\n\r\n", False),
        (_TASK.replace(b"GET", b"POST") + b"\r\n", False),
        (_TASK.replace(b"GET", b"DELETE") + b"\r\n", False),
    ],
)
def test_what_reads_and_does_not_wait(head: bytes, expected: bool) -> None:
    assert is_read(head) is expected


def test_the_next_one_begins_when_one_has_left() -> None:
    turns: Turns[str] = Turns(at_once=2)
    for each in "abcd":
        turns.line_up(each)
    assert list(turns.begin(0.0)) == ["a", "b"]
    assert list(turns.begin(0.001)) == []
    turns.leave("b")
    turns.leave("of another kind")
    assert list(turns.begin(0.002)) == ["c"]


def test_one_that_takes_long_makes_way() -> None:
    turns: Turns[str] = Turns(at_once=1)
    assert turns.pause(0.0) is None
    for each in "abc":
        turns.line_up(each)
    assert list(turns.begin(10.0)) == ["a"]
    assert turns.pause(10.0) == pytest.approx(LONG_SECONDS)
    assert turns.pause(10.0 + LONG_SECONDS / 2) == pytest.approx(LONG_SECONDS / 2)
    assert list(turns.begin(10.0 + LONG_SECONDS)) == ["b"]
    turns.leave("a")
    assert list(turns.begin(10.0 + LONG_SECONDS)) == []
    assert turns.pause(11.0) == 0.0, "somebody's turn has come and nobody has looked yet"
    assert list(turns.begin(11.0)) == ["c"]
    assert turns.pause(11.0) is None


@given(st.lists(st.sampled_from(["come", "leave", "later"]), max_size=200))
def test_all_get_their_turn_in_order_and_few_at_a_time(moves: list[str]) -> None:
    turns: Turns[int] = Turns()
    now, came, begun, inside = 0.0, 0, list[int](), dict[int, float]()
    for move in moves:
        if move == "come":
            turns.line_up(came)
            came += 1
        elif move == "leave" and inside:
            first = next(iter(inside))
            del inside[first]
            turns.leave(first)
        elif move == "later":
            now += LONG_SECONDS / 3
        for each in turns.begin(now):
            begun.append(each)
            inside[each] = now
        assert sum(now - since < LONG_SECONDS for since in inside.values()) <= AT_ONCE
    while len(begun) < came:
        pause = turns.pause(now)
        assert pause is not None
        now += pause + 1e-6
        begun += turns.begin(now)
    assert begun == list(range(came))
