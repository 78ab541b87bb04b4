"""What pages of a list say about followed tasks: pure."""

from hypothesis import given
from hypothesis import strategies as st

from protes.relay.matching import Awaited
from protes.store.records import Followed
from protes.tes.dialects.base import Listing
from protes.tes.read import SeenTask
from protes.tes.states import State
from tests.support.task_records import START

BY_TIME = Listing(newest_first=True)
BY_STATE = Listing(states=("QUEUED", "RUNNING"))
PLAIN = Listing()


def followed(number: int, instance_task_id: str | None = None) -> Followed:
    """Make what is followed of a task."""
    return Followed(f"task{number:04}", 1, instance_task_id or f"there{number:04}", "funnel", State.QUEUED, START)


def page(*numbers: int) -> list[SeenTask]:
    """Make a page of a list that shows these tasks as running."""
    return [SeenTask(f"there{number:04}", State.RUNNING) for number in numbers]


def awaiting(*numbers: int, listing: Listing = PLAIN) -> Awaited:
    """Await these tasks."""
    return Awaited(map(followed, numbers), listing)


def test_a_page_takes_out_what_it_shows() -> None:
    awaited = awaiting(1, 2, 3)
    assert awaited.see(page(9, 3, 1)) == [(followed(3), State.RUNNING), (followed(1), State.RUNNING)]
    assert awaited.see(page(3, 1)) == [], "what moves between pages counts once"
    assert awaited.left() == [followed(2)]


def test_it_is_over_when_all_have_been_seen() -> None:
    awaited = awaiting(1, 2)
    awaited.see(page(2))
    assert not awaited.is_over(page(2))
    awaited.see(page(1))
    assert awaited.is_over(page(1))


def test_a_list_sorted_by_time_is_over_when_all_have_been_passed() -> None:
    awaited = awaiting(3, 4, 5, 9, listing=BY_TIME)
    awaited.see(page(9, 8, 7))
    assert not awaited.is_over(page(9, 8, 7))
    awaited.see(page(6))
    assert not awaited.is_over(page(6)), "5 may follow"
    awaited.see(page(2, 1))
    assert awaited.is_over(page(2, 1))
    assert awaited.left() == [followed(3), followed(4), followed(5)]


def test_an_empty_page_of_a_list_sorted_by_time_is_not_its_end() -> None:
    awaited = awaiting(*range(5), listing=BY_TIME)
    awaited.see([])
    assert not awaited.is_over([])


def test_a_page_that_is_only_partly_older_is_not_the_end() -> None:
    awaited = awaiting(5, 9, listing=BY_TIME)
    awaited.see(page(4, 6))
    assert not awaited.is_over(page(4, 6)), "the order may be of seconds, not of ids"


def test_pages_in_vain_are_worth_as_much_as_single_requests() -> None:
    awaited = awaiting(1, 2, 3)
    awaited.see(page(3))
    verdicts = []
    for number in range(10, 13):
        awaited.see(page(number))
        verdicts.append(awaited.is_over(page(number)))
    assert verdicts == [False, True, True], "two tasks are left: after two pages in vain they are asked for"


def test_a_list_by_state_is_gone_through_to_its_end() -> None:
    awaited = awaiting(1, listing=BY_STATE)
    for number in range(10, 20):
        awaited.see(page(number))
        assert not awaited.is_over(page(number))


def test_tasks_that_share_an_id_are_never_told_by_a_list() -> None:
    twins = [followed(number, "task_id") for number in range(3)]
    awaited = Awaited([*twins, followed(7)], PLAIN)
    assert awaited.see([SeenTask("task_id", State.COMPLETE)]) == []
    assert awaited.left() == [*twins, followed(7)]


def test_the_oldest_is_that_of_those_left() -> None:
    awaited = awaiting(1, 2, 3)
    assert awaited.oldest == "there0001"
    awaited.see(page(1))
    assert awaited.oldest == "there0002"
    awaited.see(page(2, 3))
    assert awaited.oldest is None


@given(
    st.sets(st.integers(0, 30)),
    st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=8),
    st.sampled_from([PLAIN, BY_TIME, BY_STATE]),
)
def test_every_task_is_seen_once_or_left(mine: set[int], pages: list[list[int]], listing: Listing) -> None:
    awaited = Awaited(map(followed, sorted(mine)), listing)
    seen: list[Followed] = []
    for numbers in pages:
        seen += [each for each, _ in awaited.see(page(*numbers))]
        if awaited.is_over(page(*numbers)):
            break
    assert sorted([*seen, *awaited.left()], key=lambda each: each.task_id) == [followed(each) for each in sorted(mine)]
