"""One process leads; another takes over when it no longer renews."""

from datetime import timedelta

from protes.clock import ManualClock
from protes.config.settings import Settings
from protes.identity import gateway_id
from protes.leader import Leadership
from protes.store.memory import MemoryRecords
from tests.support.jumping_clock import JumpingClock
from tests.support.task_records import START


def test_one_leads_and_another_takes_over_after_its_time() -> None:
    records, clock = MemoryRecords(), ManualClock()
    first, second = Leadership(records, clock, "first"), Leadership(records, clock, "second")
    assert first.held()
    assert not second.held()
    for _ in range(10):
        clock.advance(2)
        assert first.held()
        assert not second.held()
    clock.advance(7)
    assert second.held()
    assert not first.held()


def test_a_leader_that_resigns_is_followed_at_once_and_only_the_holder_can() -> None:
    records, clock = MemoryRecords(), ManualClock()
    first, second = Leadership(records, clock, "first"), Leadership(records, clock, "second")
    assert first.held()
    second.resign()
    assert not second.held()
    first.resign()
    assert second.held()


def test_a_claim_by_a_clock_that_was_wrong_keeps_nobody_from_leading() -> None:
    """The leader died, and the clock was put back by an hour: nothing would be relayed for an hour."""
    records, ahead, right = MemoryRecords(), ManualClock(START + timedelta(hours=1)), ManualClock(START)
    assert Leadership(records, ahead, "first").held()
    second = Leadership(records, right, "second")
    assert second.held()
    assert not Leadership(records, right, "third").held()


def test_a_leader_renews_by_what_has_passed_and_not_by_the_time_of_day() -> None:
    records, clock = MemoryRecords(), JumpingClock()
    first, second = Leadership(records, clock, "first"), Leadership(records, clock, "second")
    assert first.held()
    clock.jump(-3600)
    clock.advance(4)
    assert first.held()
    assert not second.held()


def test_the_gateway_id_is_made_once_and_kept() -> None:
    records, clock = MemoryRecords(), ManualClock()
    made = gateway_id(Settings(), records, clock)
    assert gateway_id(Settings(), records, clock) == made
    assert gateway_id(Settings(gateway_id="configured-id"), records, clock) == "configured-id"
