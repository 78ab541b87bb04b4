"""Laws of page tokens."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.api.page_tokens import read, write
from protes.api.problems import Problem

TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
IDS = st.from_regex(TASK_ID, fullmatch=True)
FILTERS = st.tuples(
    st.text(max_size=20),
    st.none() | st.sampled_from(["QUEUED", "COMPLETE"]),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.text(max_size=5)), max_size=3).map(tuple),
    st.booleans(),
)


@given(IDS, FILTERS)
def test_a_token_gives_back_its_place(before: str, filters: tuple[object, ...]) -> None:
    assert read(write(before, filters), filters) == before


@given(IDS, FILTERS, FILTERS)
def test_a_token_fits_no_other_filters(before: str, made: tuple[object, ...], used: tuple[object, ...]) -> None:
    token = write(before, made)
    if made == used:
        assert read(token, used) == before
    else:
        with pytest.raises(Problem):
            read(token, used)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")), FILTERS)
def test_anything_is_read_or_refused(token: str, filters: tuple[object, ...]) -> None:
    with pytest.raises(Problem, match="page_token"):
        read(token, filters)


@given(IDS, FILTERS, st.data())
def test_a_damaged_token_never_leads_elsewhere_unnoticed(
    before: str, filters: tuple[object, ...], data: st.DataObject
) -> None:
    token = write(before, filters)
    place = data.draw(st.integers(0, len(token) - 1))
    damaged = token[:place] + token[place + 1 :]
    with suppress(Problem):
        assert TASK_ID.fullmatch(read(damaged, filters))  # at worst another place in the caller's own list
