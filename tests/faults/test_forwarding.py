"""Forward once: what becomes of a task when a submission meets trouble (DESIGN.md section 4)."""

from typing import NoReturn

import pytest

from protes.store.records import Phase
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance

CERTAINLY_NOT_CREATED = ["unauthorized", "invalid", "missing"]
LOST_BUT_CREATED = ["reset_after_commit", "hang_up_after_commit", "500_after_commit", "html_after_commit"]
LOST_AND_NOT_CREATED = [
    "reset",
    "hang_up",
    "500",
    "503_html",
    "garbage",
    "not_json",
    "wrong_json",
    "empty",
    "throttled",
]


def test_a_task_is_forwarded_with_marker_and_gateway_and_without_our_tags() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        task_id = gateway.post({**TASK, "tags": {"protes.weight": "0.2", "mine": "kept"}})
        gateway.turn()
        [copy] = fake.tasks.values()
        assert copy.document["tags"] == {
            "mine": "kept",
            "protes_attempt": f"{task_id}-1",
            "protes_gateway": "gateway-under-test",
        }
        assert gateway.task(task_id)["tags"] == {"protes.weight": "0.2", "mine": "kept"}


def test_an_unreachable_instance_is_passed_over_in_the_same_dispatch() -> None:
    with FakeTes() as down, FakeTes() as up, Harness(instance("a-down", down), instance("b-up", up)) as gateway:
        gateway.probe()
        down.refuse()
        task_id = gateway.post(weight="random")
        gateway.turn()
        assert up.creates() == 1
        record = gateway.record(task_id)
        assert record.attempts[-1].phase is Phase.ACCEPTED
        assert record.attempts[-1].instance_id == "b-up"
        down.resume()


@pytest.mark.parametrize("fault", CERTAINLY_NOT_CREATED)
def test_a_refusal_fails_over_to_the_next_instance(fault: str) -> None:
    with FakeTes() as bad, FakeTes() as good:
        cheap = {"prices": {"cpu_core_hour": "0.01"}}
        dear = {"prices": {"cpu_core_hour": "9"}}
        with Harness(instance("bad", bad, **cheap), instance("good", good, **dear)) as gateway:
            gateway.probe()
            bad.fault("create", fault)
            task_id = gateway.post(weight="0")
            gateway.turn()
            assert (bad.posts, bad.creates(), good.creates()) == (1, 0, 1)
            assert gateway.record(task_id).attempts[-1].n == 2
            good.auto(1)
            gateway.turns(3, 1)
            assert gateway.state(task_id) == "COMPLETE"
            assert len(gateway.task(task_id)["logs"]) == 1
            assert "attempt 1: bad:" in "\n".join(gateway.task(task_id)["logs"][0]["system_logs"])


@pytest.mark.parametrize("fault", LOST_BUT_CREATED)
def test_a_lost_answer_is_settled_by_search_and_the_task_adopted(fault: str) -> None:
    with FakeTes() as fake, FakeTes() as other:
        first = instance("first", fake, prices={"cpu_core_hour": "0.01"})
        with Harness(first, instance("other", other, prices={"cpu_core_hour": "9"})) as gateway:
            gateway.probe()
            fake.fault("create", fault)
            task_id = gateway.post(weight="0")
            gateway.turn()
            assert gateway.record(task_id).attempts[-1].phase is Phase.UNKNOWN
            assert gateway.state(task_id) == "QUEUED"
            gateway.turns(2, 3)
            assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED
            fake.auto(1)
            gateway.turns(3, 3)
            assert gateway.state(task_id) == "COMPLETE"
            assert (fake.posts, other.posts) == (1, 0)


@pytest.mark.parametrize("fault", LOST_AND_NOT_CREATED)
def test_absence_is_believed_after_two_looks_past_a_late_commit_only(fault: str) -> None:
    with FakeTes() as fake, FakeTes() as other:
        first = instance("first", fake, prices={"cpu_core_hour": "0.01"})
        with Harness(first, instance("other", other, prices={"cpu_core_hour": "9"})) as gateway:
            gateway.probe()
            fake.fault("create", fault)
            task_id = gateway.post(weight="0")
            gateway.turn()
            gateway.turn(2.5)  # a look inside late_commit_seconds (5) counts for nothing
            assert gateway.record(task_id).attempts[-1].looks == 0
            gateway.turn(5)  # counted from the first look
            assert gateway.record(task_id).attempts[-1].looks == 1
            assert (fake.posts, other.posts) == (1, 0)
            gateway.turn(3)
            gateway.turns(3, 2)  # where the first is not left out meanwhile it may be chosen again
            assert gateway.record(task_id).attempts[0].phase is Phase.REJECTED
            assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED
            assert fake.creates() + other.creates() == 1


def test_a_late_commit_inside_the_window_is_adopted_not_repeated() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        fake.fault("create", "late_commit")
        task_id = gateway.post()
        gateway.turn()
        gateway.turn(2.5)
        fake.land()
        gateway.turns(2, 2.5)
        assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED
        assert (fake.posts, fake.creates()) == (1, 1)


def test_a_copy_that_turns_up_after_failover_is_cancelled() -> None:
    with FakeTes() as fake, FakeTes() as other:
        first = instance("first", fake, prices={"cpu_core_hour": "0.01"})
        with Harness(first, instance("other", other, prices={"cpu_core_hour": "9"})) as gateway:
            gateway.probe()
            fake.fault("create", "late_commit")
            task_id = gateway.post(weight="0")
            gateway.turns(8, 3)
            fake.refuse()  # so that the second attempt cannot go there
            gateway.turns(2, 3)
            fake.resume()
            fake.land()
            gateway.turns(3, 61)
            [late] = [task for task in fake.tasks.values() if task.marker == f"{task_id}-1"]
            assert late.cancels >= 1
            assert late.state == "CANCELED"


def test_a_stalled_submission_counts_one_post_and_is_settled() -> None:
    with FakeTes() as fake, Harness(instance("a", fake), dispatch={"create_seconds": 1}) as gateway:
        gateway.probe()
        fake.fault("create", "stall_after_commit")
        task_id = gateway.post()
        gateway.services.runner.drain()  # type: ignore[attr-defined]
        assert gateway.record(task_id).attempts[-1].phase in (Phase.UNKNOWN, Phase.ACCEPTED)
        gateway.turns(3, 3)
        assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED
        assert fake.posts == 1


def test_where_nothing_can_be_known_the_task_ends_and_is_not_run_again() -> None:
    with FakeTes(service_id="org.example.mystery") as fake, FakeTes() as other:
        mystery = instance("mystery", fake, prices={"cpu_core_hour": "0.01"})
        with Harness(mystery, instance("other", other, prices={"cpu_core_hour": "9"})) as gateway:
            gateway.probe()
            fake.fault("create", "500")
            task_id = gateway.post(weight="0")
            gateway.turns(12, 100)
            assert gateway.state(task_id) == "SYSTEM_ERROR"
            assert "could not be found out" in gateway.notes(task_id)
            assert (fake.posts, other.posts) == (1, 0)
            assert gateway.record(task_id).due_at is None


def test_the_operator_may_choose_to_risk_a_second_run() -> None:
    settings = {"on_unknown": "resubmit"}
    with (
        FakeTes(service_id="org.example.mystery") as fake,
        Harness(instance("mystery", fake), dispatch=settings) as gateway,
    ):
        gateway.probe()
        fake.fault("create", "500")
        task_id = gateway.post()
        gateway.turns(12, 100)
        assert fake.posts == 2
        assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED


def test_a_task_that_every_instance_refuses_ends_with_each_reason() -> None:
    with FakeTes() as one, FakeTes() as two, Harness(instance("one", one), instance("two", two)) as gateway:
        gateway.probe()
        one.fault("create", "invalid")
        two.fault("create", "invalid")
        task_id = gateway.post()
        gateway.turn()
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        notes = gateway.notes(task_id)
        assert "one: refused the task" in notes
        assert "two: refused the task" in notes
        assert "executors[0].image" in notes


def test_a_task_waits_while_no_instance_answers_and_runs_when_one_does() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        fake.refuse()
        gateway.turn()
        task_id = gateway.post()
        gateway.turns(5, 30)
        assert gateway.state(task_id) == "QUEUED"
        assert "waiting for an instance: a: is unreachable" in gateway.notes(task_id)
        fake.resume()
        gateway.turns(6, 61)
        assert gateway.record(task_id).attempts[-1].phase is Phase.ACCEPTED


def test_a_task_no_instance_took_in_time_ends_saying_so() -> None:
    with FakeTes() as fake, Harness(instance("a", fake), dispatch={"give_up_after_seconds": 100}) as gateway:
        fake.refuse()
        task_id = gateway.post()
        gateway.turns(10, 30)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "no instance took the task within" in gateway.notes(task_id)
        fake.resume()


def test_a_lost_job_is_brought_back_by_the_tick() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        gateway.runner.lost = True
        gateway.post()
        gateway.runner.lost = False
        gateway.turn(20)
        assert fake.creates() == 1


def test_a_crash_between_intent_and_answer_neither_loses_nor_doubles_the_task() -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> NoReturn:
        raise Crash

    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        task_id = gateway.post()
        # The process dies when the answer arrives: what it would have stored is never stored.
        save, calls = gateway.stores.tasks.save_attempt, []

        def dying(*args: object) -> object:
            calls.append(args)
            return save(*args) if len(calls) == 1 else crash()  # type: ignore[arg-type]

        tasks = gateway.stores.tasks
        tasks.save_attempt = dying  # type: ignore[assignment, method-assign]
        tasks.release, release = crash, tasks.release  # type: ignore[assignment, method-assign]
        with pytest.raises(Crash):
            gateway.runner.drain()
        tasks.save_attempt, tasks.release = save, release  # type: ignore[method-assign]
        assert gateway.record(task_id).attempts[-1].phase is Phase.INTENDED
        assert fake.creates() == 1

        after = gateway.restarted()
        after.turns(3, 20)
        assert after.record(task_id).attempts[-1].phase is Phase.ACCEPTED
        fake.auto(1)
        after.turns(5, 20)
        assert after.state(task_id) == "COMPLETE"
        assert (fake.posts, fake.creates()) == (1, 1)
        after.services.federation.close()
