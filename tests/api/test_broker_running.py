"""What becomes of an accepted offer: a task at its instance, once, whatever happens on the way; without HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from protes.api.callers import ANONYMOUS
from protes.api.submission import Submission, prepare
from protes.offers.broker import Broker
from protes.offers.errors import IllegalTransition, Unknown
from protes.offers.phases import Phase
from protes.offers.request import read_request
from protes.offers.sets import OfferSet
from protes.store.protocols import StoreUnavailable, TaskStore
from protes.store.records import TaskQuery, TaskRecord
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance

CHEAP, DEAR = {"prices": {"cpu_core_hour": "0.01"}}, {"prices": {"cpu_core_hour": "9"}}
REQUEST = {"executable": {"kind": "urn:ga4gh:tes:1.1:task", "task": TASK}, "preferences": {"cost_time_weight": 0}}


class Unlucky:
    """A task store whose first creation fails, after or before the task is there."""

    def __init__(self, tasks: TaskStore, *, committed: bool) -> None:
        """Stand in front of `tasks`."""
        self._tasks = tasks
        self._committed = committed
        self._failures = 1

    def __getattr__(self, name: str) -> Any:
        """Hand on what does not fail."""
        return getattr(self._tasks, name)

    def create(self, record: TaskRecord) -> TaskRecord:
        """Create a task, or fail."""
        if self._failures and not self._committed:
            self._failures -= 1
            raise StoreUnavailable("locked")
        created = self._tasks.create(record)
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable("the answer was lost")
        return created


def broker_of(gateway: Harness, tasks: TaskStore | None = None) -> Broker:
    parts = gateway.services
    return Broker(
        parts.records,
        tasks or parts.tasks,
        parts.planner,
        parts.clock,
        lambda task_id: gateway.runner.submit("dispatch", task_id),
        "EUR",
        300,
        parts.removal,
    )


def offered(gateway: Harness, broker: Broker) -> OfferSet:
    request = read_request(REQUEST, "EUR")
    submission = Submission(document=request.task_with_wishes(), base="")
    made = broker.offer(request, prepare(gateway.services, ANONYMOUS, submission))
    assert isinstance(made, OfferSet)
    return made


def test_the_task_goes_to_the_instance_of_the_accepted_offer_and_the_phase_follows_it() -> None:
    with FakeTes() as cheap, FakeTes() as dear:
        with Harness(instance("cheap", cheap, **CHEAP), instance("dear", dear, **DEAR)) as gateway:
            gateway.probe()
            broker = broker_of(gateway)
            made = offered(gateway, broker)
            assert [each.instance for each in made.offers] == ["cheap", "dear"]
            uuid = made.session_id(2)
            assert broker.update(uuid, "", Phase.ACCEPTED).phase is Phase.WAITING
            gateway.turn()
            assert (cheap.creates(), dear.creates()) == (0, 1)
            [copy] = dear.tasks
            seen = []
            for state in ("INITIALIZING", "RUNNING"):
                dear.set_state(copy, state)
                gateway.turns(3, 10)
                seen.append(broker.session(uuid, "").phase)
            dear.finish(copy)
            gateway.turns(3, 60)
            seen.append(broker.session(uuid, "").phase)
            assert seen == [Phase.PREPARING, Phase.RUNNING, Phase.COMPLETED]
            with pytest.raises(IllegalTransition):
                broker.update(uuid, "", Phase.CANCELLED)
            assert broker.update(uuid, "", Phase.ACCEPTED).phase is Phase.COMPLETED
            assert dear.creates() == 1


@pytest.mark.parametrize("committed", [True, False])
def test_an_acceptance_that_failed_half_way_is_mended_by_the_next(committed: bool) -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        unlucky: Any = Unlucky(gateway.services.tasks, committed=committed)
        broker = broker_of(gateway, unlucky)
        made = offered(gateway, broker)
        uuid = made.session_id(1)
        with pytest.raises(StoreUnavailable):
            broker.update(uuid, "", Phase.ACCEPTED)
        assert broker.session(uuid, "").phase is (Phase.WAITING if committed else Phase.ACCEPTED)
        assert broker.update(uuid, "", Phase.ACCEPTED).phase is Phase.WAITING
        gateway.turns(2, 20)
        assert fake.creates() == 1
        assert [each.id for each in gateway.services.tasks.list(TaskQuery())] == [made.task.id]


def test_an_acceptance_that_is_repeated_does_not_make_a_task_anew_that_was_deleted() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        unlucky: Any = Unlucky(gateway.services.tasks, committed=True)
        broker = broker_of(gateway, unlucky)
        made = offered(gateway, broker)
        with pytest.raises(StoreUnavailable):
            broker.update(made.session_id(1), "", Phase.ACCEPTED)
        gateway.turns(2, 20)
        fake.finish(next(iter(fake.tasks)))
        gateway.turns(3, 60)
        assert gateway.state(made.task.id) == "COMPLETE"
        assert gateway.services.removal.remove(made.task.id)
        broker.update(made.session_id(1), "", Phase.ACCEPTED)
        gateway.turns(2, 20)
        assert fake.creates() == 1
        assert gateway.stores.tasks.get(made.task.id) is None


def test_an_acceptance_that_never_made_a_task_expires() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        unlucky: Any = Unlucky(gateway.services.tasks, committed=False)
        broker = broker_of(gateway, unlucky)
        uuid = offered(gateway, broker).session_id(1)
        with pytest.raises(StoreUnavailable):
            broker.update(uuid, "", Phase.ACCEPTED)
        gateway.clock.advance(300)
        assert broker.session(uuid, "").phase is Phase.EXPIRED
        with pytest.raises(IllegalTransition, match="EXPIRED"):
            broker.update(uuid, "", Phase.ACCEPTED)


def test_sessions_survive_a_restart_and_are_their_owners() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        made = offered(gateway, broker_of(gateway))
        after = gateway.restarted()
        broker = broker_of(after)
        for act in (broker.session, broker.offer_set, lambda uuid, owner: broker.update(uuid, owner, Phase.ACCEPTED)):
            with pytest.raises(Unknown):
                act(made.session_id(1), "bob")
        assert broker.update(made.session_id(1), "", Phase.ACCEPTED).phase is Phase.WAITING
        after.services.federation.close()


def test_a_task_that_is_cancelled_before_it_is_sent_never_reaches_an_instance() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        broker = broker_of(gateway)
        uuid = offered(gateway, broker).session_id(1)
        broker.update(uuid, "", Phase.ACCEPTED)
        assert broker.update(uuid, "", Phase.CANCELLED).phase in (Phase.RELEASING, Phase.CANCELLED)
        gateway.turns(2, 20)
        assert broker.session(uuid, "").phase is Phase.CANCELLED
        assert fake.creates() == 0


def test_a_task_offered_twice_is_two_tasks() -> None:
    with FakeTes() as fake, Harness(instance("one", fake)) as gateway:
        gateway.probe()
        broker = broker_of(gateway)
        ids = {offered(gateway, broker).task.id for _ in range(2)}
        assert len(ids) == 2
