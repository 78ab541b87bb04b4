"""A task that ended long ago goes, with all that was kept for it; until then nothing of it does."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from protes.store.factory import Stores, create_stores
from protes.store.protocols import StoreUnavailable
from protes.store.sqlite import Database, SQLiteRecords, SQLiteTaskStore
from tests.api.conftest import Api, serving
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance

DAY = 86_400.0
LIVING = {"keep_finished_seconds": 3 * DAY}


class Interrupted(SQLiteTaskStore):
    """Tasks that cannot be removed at first: the process dies between the records of a task and the task."""

    deaths = 1

    def delete_many(self, task_ids: Sequence[str]) -> int:
        if self.deaths:
            self.deaths -= 1
            raise StoreUnavailable("died")
        return super().delete_many(task_ids)


def run(gateway: Harness, fake: FakeTes, turns: int = 3) -> str:
    """Take a task through its life; after three turns it has been learned from."""
    gateway.probe()
    task_id = gateway.post()
    gateway.turn()
    [copy] = [each.id for each in fake.tasks.values() if each.state == "QUEUED"]
    fake.finish(copy, stdout="out")
    gateway.turns(turns, 20)
    assert gateway.state(task_id) == "COMPLETE"
    return task_id


def answers(api: Api, task_id: str) -> tuple[int, int]:
    """Return how a client that asks for the task, and for its routing, is answered."""
    task = api.get(f"/ga4gh/tes/v1/tasks/{task_id}")
    routing = api.get(f"/protes/v1/tasks/{task_id}/routing")
    return task.status_code, routing.status_code


def kept_for(stores: Stores, harness: Harness, task_id: str) -> list[str]:
    """Return the kinds of records under the task's id."""
    now = harness.clock.now()
    return [kind for kind in ("routing", "caller-token") if stores.records.get(kind, task_id, now) is not None]


def test_a_finished_task_goes_after_its_time_and_is_answered_404(tmp_path: Path) -> None:
    stores = create_stores(str(tmp_path))
    with FakeTes() as fake, Harness(instance("a", fake), stores=stores, store=LIVING) as gateway:
        old = run(gateway, fake)
        assert kept_for(stores, gateway, old) == ["routing"]
        gateway.turn(2 * DAY)
        young = run(gateway, fake)
        with serving(create_stores(str(tmp_path))) as api:
            assert answers(api, old) == (200, 200)
            gateway.turn(DAY)
            assert answers(api, old) == (404, 404)
            assert answers(api, young) == (200, 200)
            assert [task["id"] for task in api.get("/ga4gh/tes/v1/tasks").json()["tasks"]] == [young]
        assert not kept_for(stores, gateway, old)
        assert kept_for(stores, gateway, young) == ["routing"]
    stores.close()


def test_what_was_learned_of_it_stays() -> None:
    with FakeTes() as fake, Harness(instance("a", fake), store=LIVING) as gateway:
        task_id = run(gateway, fake, turns=1)
        # Nobody learns for five days; what nobody has learned from is not removed.
        gateway.clock.advance(5 * DAY)
        gateway.runner.run("housekeeping")
        assert gateway.state(task_id) == "COMPLETE"
        gateway.runner.run("learn")
        gateway.runner.run("housekeeping")
        assert gateway.stores.tasks.get(task_id) is None
        assert gateway.stores.records.scan("learning", "i/", gateway.clock.now())


def test_a_task_that_waits_for_an_instance_is_never_old() -> None:
    with Harness(store=LIVING, dispatch={"give_up_after_seconds": 100 * DAY}) as gateway:
        task_id = gateway.post()
        gateway.turns(5, 10 * DAY)
        assert gateway.state(task_id) == "QUEUED"


@pytest.mark.parametrize("keep", [None, 3 * DAY])
def test_null_keeps_for_ever(keep: float | None) -> None:
    with FakeTes() as fake, Harness(instance("a", fake), store={"keep_finished_seconds": keep}) as gateway:
        task_id = run(gateway, fake)
        gateway.turns(2, 50 * DAY)
        assert (gateway.stores.tasks.get(task_id) is None) == (keep is not None)


def test_a_death_in_between_is_made_up_for(tmp_path: Path) -> None:
    database = Database(tmp_path / "protes.db")
    database.open()
    tasks = Interrupted(database)
    stores = Stores(tasks, SQLiteRecords(database), database.close)
    with FakeTes() as fake, Harness(instance("a", fake), stores=stores, store=LIVING) as gateway:
        task_id = run(gateway, fake)
        gateway.runner.run("learn")
        gateway.clock.advance(4 * DAY)
        with pytest.raises(StoreUnavailable):
            gateway.runner.run("housekeeping")
        assert gateway.state(task_id) == "COMPLETE"
        gateway.runner.run("housekeeping")
        assert tasks.get(task_id) is None
        assert not kept_for(stores, gateway, task_id)
    stores.close()
