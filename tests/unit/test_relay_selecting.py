"""Which tasks are asked for one by one, and in which order: pure, and none is left out for ever."""

from hypothesis import given
from hypothesis import strategies as st

from protes.relay.looking import Wanted
from protes.relay.selecting import Selection, one_by_one, rest
from protes.store.records import Followed
from protes.tes.states import State
from tests.unit.test_relay_matching import followed


def ids(selection: Selection) -> list[str]:
    """Return the ids of the tasks asked for, in order."""
    return [each.followed.task_id for each in selection.wanted]


def tasks(*numbers: int) -> list[Followed]:
    """Make several."""
    return [followed(number) for number in numbers]


def test_one_by_one_goes_on_where_the_last_pass_was_left() -> None:
    assert ids(one_by_one(tasks(1, 2, 3), (), "")) == ["task0001", "task0002", "task0003"]
    assert ids(one_by_one(tasks(1, 2, 3), (), "task0001")) == ["task0002", "task0003"]
    assert ids(one_by_one(tasks(1, 2, 3), (), "task0003")) == ["task0001", "task0002", "task0003"]


def test_a_pass_that_was_left_is_taken_up_at_once() -> None:
    selection = one_by_one(tasks(1, 2, 3), (), "")
    assert (selection.after(2, ""), selection.urgent(2)) == ("task0002", True)
    assert selection.after(3, "") == ""
    assert selection.after(0, "task0009") == "task0009", "where nothing was done nothing has changed"


def test_logs_that_are_read_are_fetched_in_passing() -> None:
    selection = one_by_one(tasks(1, 2), tasks(2), "")
    assert selection.wanted == (Wanted(followed(1)), Wanted(followed(2), view="FULL", logs=True))
    selection = rest((), tasks(1), "MINIMAL", tasks(1, 2), "")
    assert selection.wanted == (Wanted(followed(1)), Wanted(followed(2), view="FULL", logs=True))


def test_what_has_ended_comes_in_full_whatever_is_missing() -> None:
    ended = [(followed(5), State.COMPLETE), (followed(1), State.EXECUTOR_ERROR)]
    selection = rest(ended, tasks(2, 3, 4), "FULL", (), "task0003", most_missing=2)
    assert ids(selection) == ["task0004", "task0005", "task0001", "task0002"]
    assert selection.after(4, "task0003") == "task0002", "3 is left out, and comes first in the next sweep"
    assert selection.urgent(1)
    assert not selection.urgent(3), "what is only missing can wait for the next sweep"


def test_where_nothing_is_left_out_the_next_sweep_begins_anew() -> None:
    assert rest((), tasks(1, 2), "MINIMAL", (), "").after(2, "") == ""
    assert rest((), (), "MINIMAL", (), "").after(0, "") == ""


@given(
    missing=st.sets(st.integers(0, 40), min_size=1),
    most=st.integers(1, 10),
    budgets=st.lists(st.integers(1, 10), min_size=45, max_size=45),
)
def test_no_missing_task_waits_for_ever(missing: set[int], most: int, budgets: list[int]) -> None:
    after, asked = "", set[str]()
    for budget in budgets:
        selection = rest((), tasks(*sorted(missing)), "MINIMAL", (), after, most)
        assert len(selection.wanted) <= most
        done = min(budget, len(selection.wanted))
        asked.update(ids(selection)[:done])
        after = selection.after(done, after)
    assert asked == {each.task_id for each in tasks(*missing)}
