"""A time of day that jumps by an hour makes nothing run twice and keeps nothing waiting (docs/reliability.md)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protes.dispatch.dispatcher import Dispatcher
from protes.dispatch.outcome import Outcome
from protes.store.records import FURTHEST_AHEAD, Lease, Phase
from tests.support.behaviours import Behaviour, Delayed
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.http_messages import Request
from tests.support.jumping_clock import JumpingClock

HOUR = 3600.0


def _two(first: FakeTes, second: FakeTes, clock: JumpingClock) -> Harness:
    cheap, dear = {"prices": {"cpu_core_hour": "0.01"}}, {"prices": {"cpu_core_hour": "9"}}
    return Harness(instance("first", first, **cheap), instance("second", second, **dear), clock=clock)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_absence_is_believed_by_what_has_passed_and_not_by_the_time_of_day(seconds: float) -> None:
    clock = JumpingClock()
    with FakeTes() as fake, FakeTes() as other, _two(fake, other, clock) as gateway:
        gateway.probe()
        fake.fault("create", "late_commit")
        task_id = gateway.post(weight="0")
        gateway.turn()
        clock.jump(seconds)
        gateway.turns(4, 1.1)  # within late_commit_seconds (5)
        assert gateway.record(task_id).attempts[-1].phase is Phase.UNKNOWN
        fake.land()
        gateway.turns(2, 2.1)
        assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED
        assert (fake.creates(), other.posts) == (1, 0)


def test_a_sender_may_still_be_sending_whatever_time_of_day_the_next_process_sees() -> None:
    """The worst moment: the clock is set forward while a POST is on its way, and its lease seems to have ended."""
    clock = JumpingClock()
    with FakeTes() as fake, FakeTes() as other, _two(fake, other, clock) as gateway:
        gateway.probe()
        fake.fault("create", "late_commit")
        task_id = gateway.post(weight="0")
        gateway.turn()
        tasks, sent = gateway.stores.tasks, gateway.record(task_id)
        lease = Lease("the sender", "its token", clock.now() + timedelta(seconds=10))
        assert tasks.claim(task_id, lease, clock.now()) is not None
        tasks.save_attempt(task_id, lease.token, replace(sent.attempts[-1], closed_at=None), clock.now())
        clock.jump(HOUR)
        after = gateway.restarted()
        after.turns(5, 2.1)  # its POST may take 5 s to begin and 1.5 s, and be committed 5 s later
        assert after.record(task_id).attempts[-1].phase is Phase.UNKNOWN
        fake.land()
        after.turns(2, 2.1)
        assert after.record(task_id).attempts[-1].phase is Phase.ACCEPTED
        assert (fake.creates(), other.posts) == (1, 0)
        after.services.federation.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_put_back_keeps_nothing_waiting(*, restarted: bool) -> None:
    clock = JumpingClock()
    with FakeTes() as fake, Harness(instance("one", fake), clock=clock) as gateway:
        gateway.probe()
        running = gateway.post()
        gateway.turns(2, 1)
        fake.refuse()
        waiting = gateway.post()
        gateway.turns(3, 1)
        assert gateway.record(waiting).live_attempt is None
        clock.jump(-HOUR)
        fake.resume()
        fake.auto(1)
        after = gateway.restarted() if restarted else gateway
        after.turns(20, 2)
        assert (after.state(running), after.state(waiting)) == ("COMPLETE", "COMPLETE")
        assert fake.creates() == 2
        if restarted:
            after.services.federation.close()


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_clock_that_is_set_in_the_middle_of_a_turn_puts_off_nothing(seconds: float) -> None:
    clock = JumpingClock()

    def set_meanwhile(_: Request) -> Behaviour:
        clock.jump(seconds)
        return Delayed(0)

    with FakeTes() as fake, Harness(instance("one", fake), clock=clock) as gateway:
        gateway.probe()
        fake.fault("create", "late_commit")
        task_id = gateway.post()
        gateway.turn()
        fake.fault("list", set_meanwhile)
        gateway.turn(2.1)
        due_at = gateway.record(task_id).due_at
        assert due_at is not None
        assert due_at - clock.now() <= timedelta(seconds=2)
        fake.land()
        gateway.turns(2, 2.1)
        assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED


def test_a_turn_that_fails_while_the_clock_is_put_back_puts_off_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = JumpingClock()

    def broken(*_: object) -> Outcome:
        clock.jump(-600)  # less than what would be taken for a mistake
        raise RuntimeError("a mistake of ours")

    with FakeTes() as fake, Harness(instance("one", fake), clock=clock) as gateway:
        gateway.probe()
        task_id = gateway.post()
        monkeypatch.setattr(Dispatcher, "advance", broken)
        with pytest.raises(RuntimeError, match="mistake"):
            gateway.turn()
        due_at = gateway.record(task_id).due_at
        assert due_at is not None
        assert due_at <= clock.now()
        assert gateway.record(task_id).lease is None


def test_no_pause_is_so_long_that_it_would_be_taken_for_a_mistake() -> None:
    clock = JumpingClock()
    with FakeTes() as fake:
        long = {"first_retry_seconds": 2 * HOUR, "last_retry_seconds": 2 * HOUR}
        with Harness(instance("one", fake), clock=clock, dispatch=long) as gateway:
            gateway.probe()
            fake.refuse()
            task_id = gateway.post()
            gateway.turns(3, 1)
            due_at = gateway.record(task_id).due_at
            assert due_at is not None
            assert timedelta(minutes=5) < due_at - clock.now() < FURTHEST_AHEAD
            fake.resume()
