"""Who sweeps an instance: one at a time, for as long as it keeps its lease."""

from pathlib import Path

import pytest

from protes.clock import ManualClock
from protes.relay.leasing import LASTING, Progress, SweepLease, SweepLeases, SweepLost
from protes.store.factory import create_stores
from protes.store.memory import MemoryRecords
from protes.tes.listing import Place
from tests.support.waiting import at_once

URL = "https://one.example"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def leases(clock: ManualClock) -> SweepLeases:
    return SweepLeases(MemoryRecords(), clock)


def taken(leases: SweepLeases) -> SweepLease:
    """Take the lease, which is free."""
    lease = leases.take(URL)
    assert lease is not None
    return lease


def test_one_at_a_time_and_each_instance_has_its_own(leases: SweepLeases) -> None:
    lease = taken(leases)
    assert leases.take(URL) is None
    assert leases.take("https://two.example") is not None
    lease.give_back()
    taken(leases)


def test_progress_is_what_the_last_one_left(leases: SweepLeases) -> None:
    lease = taken(leases)
    assert lease.progress == Progress()
    lease.leave_off(place=Place(1, "token"))
    lease.leave_off(after="task")
    lease.give_back()
    assert taken(leases).progress == Progress(Place(1, "token"), "task")


def test_a_lease_that_is_kept_lasts(leases: SweepLeases, clock: ManualClock) -> None:
    lease = taken(leases)
    for _ in range(10):
        clock.advance(LASTING.total_seconds() * 0.9)
        lease.keep()
        assert leases.take(URL) is None


def test_who_sleeps_too_long_finds_out(leases: SweepLeases, clock: ManualClock) -> None:
    lease = taken(leases)
    lease.leave_off(after="late")
    clock.advance(LASTING.total_seconds())
    other = taken(leases)
    with pytest.raises(SweepLost):
        lease.keep()
    lease.give_back()
    assert leases.take(URL) is None, "what is lost cannot be given back"
    other.give_back()
    assert taken(leases).progress == Progress()


def test_who_sleeps_and_is_not_missed_goes_on(leases: SweepLeases, clock: ManualClock) -> None:
    lease = taken(leases)
    clock.advance(10 * LASTING.total_seconds())
    lease.keep()
    assert leases.take(URL) is None


def test_of_many_workers_one_gets_it(tmp_path: Path) -> None:
    stores = create_stores(str(tmp_path))
    leases = SweepLeases(stores.records, ManualClock())
    outcomes = at_once([lambda: leases.take(URL)] * 8)
    stores.close()
    assert sum(isinstance(each, SweepLease) for each in outcomes) == 1
    assert sum(each is None for each in outcomes) == 7


def test_it_shows_no_token(leases: SweepLeases) -> None:
    assert "token" not in repr(taken(leases))
