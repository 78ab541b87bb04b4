"""State, logs and cancellation come back whatever an instance does (DESIGN.md section 4)."""

import pytest

from protes.store.records import Phase
from tests.support.fake_tes import FakeTes
from tests.support.harness import Harness, instance
from tests.support.scripted_server import Answer, Request, answer_json

READ_FAULTS = [
    "reset",
    "hang_up",
    "html",
    "500",
    "503_html",
    "truncated",
    "wrong_json",
    "not_json",
    "empty",
    "throttled",
]


def _started(gateway: Harness, fake: FakeTes) -> tuple[str, str]:
    """Submit a task, see it run, and return its ids at the gateway and at the instance."""
    gateway.probe()
    task_id = gateway.post()
    gateway.turn()
    [copy] = fake.tasks.values()
    fake.set_state(copy.id, "RUNNING")
    gateway.turn(1)
    assert gateway.state(task_id) == "RUNNING"
    return task_id, copy.id


def test_logs_come_over_whole() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.finish(copy, exit_code=3, stdout="out", stderr="err")
        gateway.turn(1)
        task = gateway.task(task_id)
        assert task["state"] == "EXECUTOR_ERROR"
        [entry] = task["logs"]
        [executor] = entry["logs"]
        assert (executor["exit_code"], executor["stdout"], executor["stderr"]) == (3, "out", "err")
        assert executor["start_time"].endswith("Z")
        assert entry["metadata"]["protes.instance"] == "a"
        assert "finished" in entry["system_logs"]
        assert gateway.record(task_id).due_at is None


@pytest.mark.parametrize("fault", READ_FAULTS)
def test_a_read_that_fails_changes_no_state_and_is_made_again(fault: str) -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.finish(copy, stdout="ok")
        fake.fault("get", fault, times=3)
        gateway.turn(1)
        assert gateway.state(task_id) == "RUNNING"
        fake.heal()
        gateway.turns(3, 70)
        assert gateway.state(task_id) == "COMPLETE"


def test_an_outage_changes_no_state() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.refuse()
        gateway.turns(10, 3600)
        assert gateway.state(task_id) == "RUNNING"
        fake.finish(copy)
        fake.resume()
        gateway.turns(3, 61)
        assert gateway.state(task_id) == "COMPLETE"


def test_an_instance_silent_for_a_week_has_lost_its_tasks() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, _ = _started(gateway, fake)
        fake.refuse()
        gateway.turns(10, 86400)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "has not answered for" in gateway.notes(task_id)
        fake.resume()


def test_nothing_is_lost_while_nobody_asks() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.refuse()
        gateway.clock.advance(30 * 86400)  # the gateway was stopped
        after = gateway.restarted()
        after.turns(10, 60)
        assert after.state(task_id) == "RUNNING"
        fake.finish(copy)
        fake.resume()
        after.turns(10, 3600)
        assert after.state(task_id) == "COMPLETE"


def test_restarts_do_not_keep_a_silent_instance() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, _ = _started(gateway, fake)
        fake.refuse()
        after = gateway
        for _ in range(9):
            after = after.restarted()
            after.turn(86400)
        assert after.state(task_id) == "SYSTEM_ERROR"
        fake.resume()


def test_a_task_its_instance_forgets_ends_after_patience_only() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.forget(copy)
        gateway.turns(3, 10)
        assert gateway.state(task_id) == "RUNNING"
        gateway.turns(6, 10)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "it is lost there" in gateway.notes(task_id)


def test_a_passing_404_is_forgiven() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.fault("get", "missing")
        gateway.turn(5)
        assert gateway.record(task_id).attempts[-1].missing_since is not None
        gateway.turn(5)
        assert gateway.record(task_id).attempts[-1].missing_since is None
        fake.finish(copy)
        gateway.turns(2, 100)
        assert gateway.state(task_id) == "COMPLETE"


def test_an_error_that_may_be_revived_is_looked_at_twice() -> None:
    with FakeTes(service_id="org.ga4gh.funnel") as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.set_state(copy, "SYSTEM_ERROR")
        gateway.turn(3)
        assert gateway.state(task_id) == "RUNNING"
        fake.set_state(copy, "RUNNING")
        gateway.turn(3)
        fake.finish(copy, exit_code=1)
        gateway.turn(3)
        assert gateway.state(task_id) == "RUNNING"
        gateway.turn(3)
        assert gateway.state(task_id) == "EXECUTOR_ERROR"


@pytest.mark.parametrize("state", ["CANCELED", "PREEMPTED"])
def test_what_the_caller_did_not_cancel_is_a_system_error(state: str) -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        fake.set_state(copy, state)
        gateway.turns(2, 3)
        assert gateway.state(task_id) == "SYSTEM_ERROR"
        assert "its caller did not" in gateway.notes(task_id)


def test_backward_and_unknown_states_do_no_harm() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id, copy = _started(gateway, fake)
        for state, shown in (("UNKNOWN", "RUNNING"), ("PAUSED", "RUNNING"), ("QUEUED", "QUEUED"), ("NEW", "QUEUED")):
            fake.set_state(copy, state)
            gateway.turn(3)
            assert gateway.state(task_id) == shown
        fake.finish(copy)
        gateway.turn(3)
        fake.set_state(copy, "RUNNING")
        gateway.turns(3, 3)
        assert gateway.state(task_id) == "COMPLETE"


def test_many_tasks_are_listed_not_asked_for_one_by_one() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        for _ in range(30):
            gateway.post()
        gateway.turn()
        assert fake.creates() == 30
        fake.server.forget()
        gateway.turn(1)
        assert fake.server.count("GET", "/ga4gh/tes/v1/tasks/{id}") == 0
        assert 1 <= fake.server.count("GET", "/ga4gh/tes/v1/tasks") <= 3


class TestCancel:
    """Cancel is desired state."""

    def test_a_task_not_yet_forwarded_never_reaches_an_instance(self) -> None:
        with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
            gateway.probe()
            task_id = gateway.post()
            gateway.cancel(task_id)
            gateway.turns(3, 30)
            assert gateway.state(task_id) == "CANCELED"
            assert fake.posts == 0

    def test_a_running_task_is_cancelled_and_confirmed(self) -> None:
        with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
            task_id, copy = _started(gateway, fake)
            gateway.cancel(task_id)
            assert gateway.state(task_id) == "RUNNING"  # what engines know: CANCELING as the last active state
            gateway.turn()
            assert gateway.state(task_id) == "CANCELED"
            assert fake.tasks[copy].cancels == 1
            gateway.cancel(task_id)
            gateway.turns(3, 30)
            assert fake.tasks[copy].cancels == 1

    def test_it_is_pushed_until_it_arrives(self) -> None:
        with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
            task_id, copy = _started(gateway, fake)
            fake.fault("cancel", "reset", times=2)
            gateway.cancel(task_id)
            gateway.turns(10, 5)
            assert gateway.state(task_id) == "CANCELED"
            assert fake.tasks[copy].cancels == 1

    def test_what_finishes_first_keeps_its_end(self) -> None:
        with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
            task_id, copy = _started(gateway, fake)
            fake.finish(copy, stdout="done")
            gateway.cancel(task_id)
            gateway.turns(2, 3)
            assert gateway.state(task_id) == "COMPLETE"

    def test_unconfirmed_it_shows_canceled_after_a_while_and_is_pushed_on(self) -> None:
        with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
            fake.cancel_state = None
            task_id, copy = _started(gateway, fake)
            gateway.cancel(task_id)
            gateway.turns(10, 20)
            assert gateway.state(task_id) == "CANCELED"
            assert "has not confirmed the cancellation" in gateway.notes(task_id)
            pushed = fake.tasks[copy].cancels
            fake.cancel_state = "CANCELED"
            gateway.turns(3, 61)
            assert fake.tasks[copy].cancels > pushed
            assert gateway.record(task_id).attempts[-1].phase is Phase.FINISHED
            assert gateway.record(task_id).due_at is None

    def test_an_unknown_submission_is_settled_first(self) -> None:
        with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
            gateway.probe()
            fake.fault("create", "reset_after_commit")
            task_id = gateway.post()
            gateway.turn()
            gateway.cancel(task_id)
            gateway.turns(6, 3)
            assert gateway.state(task_id) == "CANCELED"
            [copy] = fake.tasks.values()
            assert copy.state == "CANCELED"


def test_an_instance_that_left_and_still_answers_has_not_lost_its_tasks_at_its_first_failure() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as before:
        task_id, copy = _started(before, fake)
        before.settings = before.settings.model_copy(update={"instances": ()})
        gateway = before.restarted()
        gateway.turns(10, 86400)  # answered all the time, though nobody probes it any more
        fake.refuse()
        gateway.turns(2, 100)
        assert gateway.state(task_id) == "RUNNING"
        fake.finish(copy)
        fake.resume()
        gateway.turns(3, 100)
        assert gateway.state(task_id) == "COMPLETE"
        gateway.services.federation.close()


def test_what_does_not_fit_into_a_sweep_comes_first_in_the_next_one() -> None:
    with FakeTes() as fake, Harness(instance("a", fake), relay={"list_from": 1000, "reads_at_once": 1}) as gateway:
        gateway.probe()
        for _ in range(6):
            gateway.post()
        gateway.turn()
        copies = list(fake.tasks)
        seen: list[str] = []

        def slow(request: Request) -> Answer:
            seen.append(request.params["id"])
            gateway.clock.advance(15)  # so that three looks are a sweep's time
            return answer_json({"id": request.params["id"], "state": "RUNNING"})

        fake.fault("get", slow, times=100)
        for _ in range(2):
            gateway.runner.run("relay", fake.url)
        assert sorted(seen) == sorted(copies)
