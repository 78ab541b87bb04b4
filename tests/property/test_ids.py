"""Laws of task ids and tokens."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.store.ids import TaskIds, new_task_id, new_token
from tests.support.waiting import at_once

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


def no_chance(count: int) -> bytes:
    """Stand in for randomness, so that only the rest can tell ids apart."""
    return bytes(count)


def _given(chance: bytes, count: int) -> bytes:
    assert len(chance) == count
    return chance


@given(st.lists(moments, min_size=2, max_size=50))
def test_ids_ascend_whatever_the_clock_does(times: list[datetime]) -> None:
    ids = TaskIds()
    made = [ids.new(moment, no_chance) for moment in times]
    assert all(earlier < later for earlier, later in itertools.pairwise(made))


@given(moments, moments)
def test_ids_of_different_processes_sort_by_time(one: datetime, two: datetime) -> None:
    early, late = sorted((one, two))
    if late - early >= timedelta(milliseconds=1):
        assert TaskIds().new(early, b"\xff".__mul__) < TaskIds().new(late, no_chance)


@given(moments, st.binary(min_size=10, max_size=10))
def test_ids_are_of_the_alphabet_and_of_one_length(moment: datetime, chance: bytes) -> None:
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{28}", TaskIds().new(moment, lambda _: chance))


@given(moments, st.lists(st.binary(min_size=10, max_size=10), unique=True, min_size=2, max_size=9))
def test_all_of_the_randomness_is_in_the_id(moment: datetime, chances: list[bytes]) -> None:
    assert len({TaskIds().new(moment, partial(_given, chance)) for chance in chances}) == len(chances)


def test_more_than_fit_into_a_millisecond() -> None:
    ids = TaskIds()
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    made = [ids.new(moment, no_chance) for _ in range(3000)]
    assert made == sorted(set(made))


def test_ids_are_unique_under_threads() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    ids = TaskIds()
    made = at_once([lambda: [ids.new(moment, no_chance) for _ in range(500)]] * 8)
    assert len(set(itertools.chain(*made))) == 4000  # type: ignore[arg-type]


def test_times_that_make_no_id() -> None:
    with pytest.raises(ValueError, match="1970"):
        new_task_id(datetime(1969, 12, 31, tzinfo=UTC))
    with pytest.raises(TypeError):
        new_task_id(datetime(2030, 1, 1))


def test_tokens_differ() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", token) for token in tokens)


def test_a_token_is_never_taken_for_an_option() -> None:
    assert not [each for each in (new_token() for _ in range(2000)) if each.startswith("-")]
