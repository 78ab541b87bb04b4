"""An instance that takes eight tasks at once, and more tasks than that: whose go first, and at what cost."""

from __future__ import annotations

from collections import Counter

from protes.api.callers import Caller
from protes.api.submission import Submission, submit
from protes.dispatch.waiting_list import KIND, LOOK_SECONDS
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance

LIMIT = 8
TURN_SECONDS = 0.3


def post(gateway: Harness, subject: str, count: int) -> list[str]:
    """Submit tasks of one owner."""
    submission = Submission(dict(TASK), "/ga4gh/tes/v1")
    return [submit(gateway.services, Caller(subject), submission) for _ in range(count)]


def placed(gateway: Harness) -> Counter[str]:
    """Count what has been sent, by owner."""
    attempts = [gateway.stores.tasks.get(task_id) for task_id in sent_tasks(gateway)]
    return Counter(each.owner for each in attempts if each is not None)


def sent_tasks(gateway: Harness) -> list[str]:
    urls = [each.base_url or "" for each in gateway.services.federation.view().instances]
    return [each.id for url in urls for each in gateway.stores.tasks.active(url, None, 1000)]


def in_flight(fake: FakeTes) -> int:
    return sum(task.state in ("QUEUED", "RUNNING") for task in fake.tasks.values())


def finish(fake: FakeTes, count: int) -> None:
    """End the oldest tasks of the instance that have not ended."""
    for task in [each for each in fake.tasks.values() if each.state == "QUEUED"][:count]:
        fake.finish(task.id)


def test_ten_tasks_do_not_wait_for_hundreds_of_somebody_else() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": LIMIT})) as gateway:
        gateway.probe()
        many = post(gateway, "ada", 250)
        gateway.turn(TURN_SECONDS)
        assert in_flight(fake) == LIMIT
        few = post(gateway, "bob", 10)
        rounds = 0
        while any(not gateway.record(each).state.finished for each in few):
            rounds += 1
            assert rounds <= 12, "ten tasks of one owner should be through after a few rounds"
            finish(fake, LIMIT // 2)
            gateway.turns(3, TURN_SECONDS)
            assert in_flight(fake) == LIMIT, "a place is free while tasks wait"
        assert sum(gateway.record(each).state.finished for each in many) < 60
        assert fake.posts <= LIMIT + rounds * LIMIT // 2, "nothing is sent that is not run"


def test_weights_decide_who_gets_how_much() -> None:
    quotas = {"weights": {"ada": 3}}
    with FakeTes() as fake:
        one = instance("one", fake, limits={"max_in_flight": LIMIT})
        with Harness(one, quotas=quotas) as gateway:
            gateway.probe()
            post(gateway, "ada", 60)
            gateway.turn(TURN_SECONDS)
            post(gateway, "bob", 60)
            for _ in range(6):
                finish(fake, LIMIT // 2)
                gateway.turns(3, TURN_SECONDS)
            assert placed(gateway) == {"ada": 6, "bob": 2}


def test_those_who_wait_are_left_in_peace() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": LIMIT})) as gateway:
        gateway.probe()
        ids = post(gateway, "ada", 120)
        gateway.turn(TURN_SECONDS)
        versions = dict(gateway.stores.tasks.versions(ids))
        gateway.turns(20, TURN_SECONDS)  # nothing ends meanwhile
        now, running = gateway.stores.tasks.versions(ids), {*sent_tasks(gateway)}
        changed = [each for each in ids if now[each] != versions[each] and each not in running]
        assert len(changed) <= 2, "only the first in line looks around now and then"


def test_who_comes_later_does_not_get_ahead_of_those_who_wait() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": 2})) as gateway:
        gateway.probe()
        first = post(gateway, "ada", 4)
        gateway.turn(TURN_SECONDS)
        finish(fake, 1)
        late = post(gateway, "ada", 3)
        gateway.turns(3, TURN_SECONDS)
        assert {*sent_tasks(gateway)} <= {*first}
        for _ in range(8):
            finish(fake, 2)
            gateway.turns(3, TURN_SECONDS)
        assert all(gateway.record(each).state.finished for each in (*first, *late))
        assert not gateway.stores.records.scan(KIND, "", gateway.clock.now())


def test_tasks_that_were_cancelled_hold_nobody_up() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": 1})) as gateway:
        gateway.probe()
        running, *waiting = post(gateway, "ada", 80)
        gateway.turn(TURN_SECONDS)
        for each in waiting[:-1]:
            gateway.stores.tasks.request_cancel(each, gateway.clock.now())
        finish(fake, 1)
        gateway.turns(4, TURN_SECONDS)
        assert sent_tasks(gateway) == waiting[-1:]
        assert gateway.record(running).state.finished


def test_a_gateway_that_starts_again_goes_on_with_the_line() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": 2})) as gateway:
        gateway.probe()
        ids = post(gateway, "ada", 5)
        gateway.turn(TURN_SECONDS)
        again = gateway.restarted()
        again.clock.advance(60)
        for _ in range(8):
            finish(fake, 2)
            again.turns(3, TURN_SECONDS)
        assert all(again.record(each).state.finished for each in ids)
        assert fake.posts == 5


def test_an_instance_that_joins_is_found_by_those_who_wait_elsewhere() -> None:
    with FakeTes() as full, FakeTes() as fresh:
        stingy = instance("one", full, limits={"max_in_flight": 1})
        with Harness(stingy) as gateway:
            gateway.probe()
            post(gateway, "ada", 20)
            gateway.turn(TURN_SECONDS)
        with Harness(stingy, instance("two", fresh), stores=gateway.stores, clock=gateway.clock) as later:
            later.clock.advance(30)
            later.probe()
            later.turns(40, TURN_SECONDS)
            assert fresh.posts == 19
            assert later.clock.monotonic() < LOOK_SECONDS


def test_a_lost_turn_is_given_again() -> None:
    with FakeTes() as fake, Harness(instance("one", fake, limits={"max_in_flight": 1})) as gateway:
        gateway.probe()
        _, second = post(gateway, "ada", 2)
        gateway.turn(TURN_SECONDS)
        finish(fake, 1)
        gateway.turn(TURN_SECONDS)
        gateway.runner.lost = True
        gateway.turns(3, TURN_SECONDS)
        gateway.runner.lost = False
        gateway.turns(3, 6.0)
        assert gateway.record(second).attempts
