"""Tasks that are deleted while somebody is still about to do something with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pytest

from protes.api.callers import Caller
from protes.api.submission import Submission, submit
from protes.api.submissions import submit_many
from protes.callbacks.outbox import PENDING_KIND
from protes.planning.consent import Consent
from protes.planning.planner import ROUTING_KIND
from protes.store.factory import Stores
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.store.records import TaskRecord
from protes.tes.states import State
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.receiver import KEYS

KEY = "0123456789abcdef"
ANN = Caller("ann")
HOOK: Mapping[str, Any] = {"events": {"callback_hosts": ["hooks.example.org"], "callback_keys": [KEYS[0]]}}


class Standing:
    """Has something happen while somebody stands still at a certain point, once."""

    def __init__(self) -> None:
        self.at: str | None = None
        self.happens: Callable[[], object] = lambda: None

    def when(self, at: str, happens: Callable[[], object]) -> None:
        """Have it happen the next time that somebody gets there."""
        self.at, self.happens = at, happens

    def reached(self, at: str) -> None:
        """Let it happen if this is where."""
        if at == self.at:
            self.at = None
            self.happens()


class SlowTasks(MemoryTaskStore):
    """Tasks whose users stand still now and then."""

    def __init__(self, standing: Standing) -> None:
        super().__init__()
        self.standing = standing

    def create(self, record: TaskRecord) -> TaskRecord:
        self.standing.reached("create")
        return super().create(record)

    def get(self, task_id: str, *, head: bool = False, audiences: Collection[str] | None = None) -> TaskRecord | None:
        found = super().get(task_id, head=head, audiences=audiences)
        if found is not None:
            self.standing.reached("seen")
        return found

    def versions(self, task_ids: Collection[str]) -> Mapping[str, int]:
        found = super().versions(task_ids)
        self.standing.reached("versions")
        return found


class SlowRecords(MemoryRecords):
    """Records whose users stand still now and then."""

    def __init__(self, standing: Standing) -> None:
        super().__init__()
        self.standing = standing

    def put(self, kind: str, *arguments: Any, **named: Any) -> int:
        self.standing.reached(kind)
        return super().put(kind, *arguments, **named)


@pytest.fixture
def standing() -> Standing:
    return Standing()


@pytest.fixture
def fake() -> Iterator[FakeTes]:
    with FakeTes() as fake:
        yield fake


@pytest.fixture
def gateway(fake: FakeTes, standing: Standing) -> Iterator[Harness]:
    tasks, records = SlowTasks(standing), SlowRecords(standing)
    with Harness(instance("one", fake), stores=Stores(tasks, records, tasks.close), **HOOK) as gateway:
        gateway.probe()
        yield gateway


def post(gateway: Harness, **tags: str) -> str:
    document = {**TASK, "tags": tags}
    return submit(gateway.services, ANN, Submission(document, "/ga4gh/tes/v1", key=KEY))


def post_many(gateway: Harness) -> list[object]:
    submissions = [Submission(dict(TASK), "/ga4gh/tes/v1") for _ in range(2)]
    return list(submit_many(gateway.services, ANN, submissions, KEY))


def end_and_delete(gateway: Harness, *ids: Any) -> None:
    """Do as an owner does who is done with tasks."""
    for task_id in ids:
        gateway.stores.tasks.request_cancel(task_id, gateway.clock.now())
        assert gateway.record(task_id).state.finished
        assert gateway.services.removal.remove(task_id)


def check_never_run(gateway: Harness, fake: FakeTes, *ids: Any) -> None:
    gateway.turns(3, 20.0)
    assert fake.posts == 0
    assert [each for each in ids if gateway.stores.tasks.get(each) is not None] == []


def test_a_repeat_that_has_just_seen_its_task_does_not_make_it_anew(
    gateway: Harness, fake: FakeTes, standing: Standing
) -> None:
    task_id = post(gateway)
    standing.when("seen", lambda: end_and_delete(gateway, task_id))
    assert post(gateway) == task_id
    assert standing.at is None
    check_never_run(gateway, fake, task_id)


def test_a_request_that_stood_still_until_its_task_was_deleted_does_not_make_it_anew(
    gateway: Harness, fake: FakeTes, standing: Standing
) -> None:
    standing.when("create", lambda: end_and_delete(gateway, post(gateway)))
    task_id = post(gateway)
    assert standing.at is None
    check_never_run(gateway, fake, task_id)


def test_a_repeated_list_makes_nothing_anew(gateway: Harness, fake: FakeTes, standing: Standing) -> None:
    ids = post_many(gateway)
    standing.when("versions", lambda: end_and_delete(gateway, *ids))
    assert post_many(gateway) == ids
    assert standing.at is None
    check_never_run(gateway, fake, *ids)


def test_a_list_that_stood_still_makes_nothing_anew(gateway: Harness, fake: FakeTes, standing: Standing) -> None:
    standing.when("create", lambda: end_and_delete(gateway, *post_many(gateway)))
    ids = post_many(gateway)
    assert standing.at is None
    check_never_run(gateway, fake, *ids)


def test_other_tasks_with_a_key_are_left_alone(gateway: Harness, fake: FakeTes) -> None:
    gone = submit(gateway.services, ANN, Submission(dict(TASK), "/ga4gh/tes/v1", key=KEY[::-1]))
    end_and_delete(gateway, gone)
    task_id = post(gateway)
    gateway.turn()
    assert gateway.record(task_id).attempts
    assert fake.posts == 1


def test_whoever_works_on_a_task_that_is_deleted_leaves_nothing_of_it(
    gateway: Harness, fake: FakeTes, standing: Standing
) -> None:
    task_id = post(gateway)
    standing.when(ROUTING_KIND, lambda: end_and_delete(gateway, task_id))
    gateway.turn()
    assert standing.at is None
    assert fake.posts == 0
    assert gateway.stores.records.get(ROUTING_KIND, task_id, gateway.clock.now()) is None


def test_how_a_task_ended_is_told_though_it_is_deleted_at_once(gateway: Harness) -> None:
    task_id = post(gateway, **{"protes.callback_url": "https://hooks.example.org/x"})
    end_and_delete(gateway, task_id)
    pending = gateway.stores.records.scan(PENDING_KIND, task_id, gateway.clock.now())
    assert [each.value["event"]["state"] for each in pending] == ["CANCELED"]


def test_consent_that_is_taken_back_while_a_token_is_got_holds(
    gateway: Harness, fake: FakeTes, standing: Standing
) -> None:
    task_id = post(gateway)
    nowhere = Consent(allow=True)
    standing.when("acquaintance", lambda: gateway.services.planner.consents.put("ann", nowhere))
    gateway.turn()
    assert standing.at is None
    assert fake.posts == 0
    assert not gateway.record(task_id).attempts
    assert gateway.record(task_id).state is State.QUEUED
    assert "left out by what the task's owner allows" in gateway.notes(task_id)
