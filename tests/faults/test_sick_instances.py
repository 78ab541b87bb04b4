"""A sick instance harms only itself: others get their tasks, none is lost (issue's list of troubles)."""

import threading

import pytest

from protes.app import create_gateway
from protes.config.loading import load
from protes.store.factory import create_stores
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.waiting import wait_until

PROBE_FAULTS = ["reset", "html", "500", "truncated", "wrong_json", "empty", "garbage", "unauthorized"]
TASK = {"executors": [{"image": "a", "command": ["true"]}]}


@pytest.mark.parametrize("fault", PROBE_FAULTS)
def test_an_instance_that_cannot_be_recognised_is_no_candidate_until_it_can(fault: str) -> None:
    with FakeTes() as sick, FakeTes() as well, Harness(instance("a-sick", sick), instance("b-well", well)) as gateway:
        for operation in ("service_info", "list"):
            sick.fault(operation, fault, times=100)
        gateway.probe()
        gateway.services.federation.forget_view()
        task_id = gateway.post(weight="random")
        gateway.turn()
        expected = {"b-well"} if fault != "unauthorized" else {"a-sick", "b-well"}
        assert gateway.record(task_id).attempts[-1].instance_id in expected
        sick.heal()
        gateway.turns(3, 400)
        assert {each.status for each in gateway.services.federation.view().instances} == {"ok"}


def test_a_stalled_instance_holds_up_no_other() -> None:
    with FakeTes() as stalled, FakeTes() as well:
        settings = {
            "instances": [
                instance("stalled", stalled, prices={"cpu_core_hour": "0.01"}),
                instance("well", well, prices={"cpu_core_hour": "5"}, speed=9),
            ],
            "runner": {"threads": 6},
            "dispatch": {"create_seconds": 50, "send_within_seconds": 2, "lease_seconds": 60},
        }
        gateway = create_gateway(load([], {}, settings), stores=create_stores("memory:"))
        gateway.start()
        tasks = gateway.services.tasks
        try:
            view = gateway.services.federation.view
            wait_until(lambda: all(each.status == "ok" for each in view().instances), "both are found")
            stall = stalled.fault("create", "stall", times=100)
            well.auto(1)
            client = _Client(gateway)
            cheap = [client.post("0") for _ in range(20)]
            fast = [client.post("1") for _ in range(40)]
            # All that prefer the well one end while the stalled one still holds the POSTs it was sent.
            wait_until(
                lambda: all(str(tasks.get(each, head=True).state) == "COMPLETE" for each in fast),  # type: ignore[union-attr]
                "the tasks on the well instance end",
                seconds=40,
            )
            assert stalled.posts <= 5
            assert not any(str(tasks.get(each, head=True).state) == "SYSTEM_ERROR" for each in cheap)  # type: ignore[union-attr]
            stall.release()  # type: ignore[union-attr]
        finally:
            gateway.close()


class _Client:
    """Submits tasks without HTTP."""

    def __init__(self, gateway: object) -> None:
        self._gateway = gateway
        self._lock = threading.Lock()

    def post(self, weight: str) -> str:
        from protes.api.callers import ANONYMOUS
        from protes.api.submission import Submission, submit

        submission = Submission(document=TASK, base="/ga4gh/tes/v1", header_weight=weight)
        return submit(self._gateway.services, ANONYMOUS, submission)  # type: ignore[attr-defined]


def test_a_task_that_waits_is_explained_by_how_things_stand_now() -> None:
    with FakeTes() as down, Harness(instance("down", down)) as gateway:
        down.refuse()
        gateway.turn()
        task_id = gateway.post()
        gateway.turn(1)
        explained = gateway.services.planner.explanation(gateway.record(task_id))
        [candidate] = explained["candidates"]
        assert candidate["instance"] == "down"
        assert candidate["reason"]["permanent"] is False
        assert "unreachable" in candidate["reason"]["text"]
        gateway.cancel(task_id)
        assert gateway.services.planner.explanation(gateway.record(task_id))["candidates"] == []
        down.resume()


def test_a_stalled_instance_ends_its_sweep_at_the_first_silence() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        for _ in range(5):
            gateway.post()
        gateway.turn()
        assert fake.creates() == 5
        fake.server.forget()
        fake.refuse()
        gateway.turn(1)
        assert all(gateway.state(each.id) == "QUEUED" for each in gateway.stores.tasks.active(fake.url, None, 10))
        [ejection] = gateway.services.federation.health.ejections().values()
        assert ejection.times == 1
        fake.resume()
