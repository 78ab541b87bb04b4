"""The time that passes under our own eyes."""

from protes.clock import ManualClock
from protes.dispatch import sightings
from protes.dispatch.sightings import Sightings


def test_time_is_counted_from_the_first_look_at_each_attempt() -> None:
    clock = ManualClock()
    seen = Sightings(clock)
    assert seen.see("a", 1) == 0
    clock.advance(3)
    assert (seen.see("a", 1), seen.see("a", 2), seen.see("b", 1)) == (3, 0, 0)
    seen.forget("a", 1)
    seen.forget("never-seen", 1)
    assert (seen.see("a", 1), seen.see("a", 2)) == (0, 0)


def test_those_seen_first_stay_where_there_are_too_many() -> None:
    clock = ManualClock()
    seen = Sightings(clock)
    seen.see("first", 1)
    for number in range(sightings.MOST - 1):
        seen.see(f"task-{number}", 1)
    clock.advance(1)
    assert seen.see("first", 1) == 1
    assert seen.see("one-more", 1) == 0
    clock.advance(1)
    assert (seen.see("one-more", 1), seen.see("first", 1)) == (0, 2)
    seen.forget("first", 1)
    assert seen.see("one-more", 1) == 0
    clock.advance(1)
    assert seen.see("one-more", 1) == 1
