"""Webhooks: real receivers that verify, refuse, stall and redirect, and gateways that die in between."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protes.callbacks.outbox import PENDING_KIND, Outbox
from protes.clock import ManualClock, SystemClock
from protes.store.factory import Stores, create_stores
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.store.protocols import StoreUnavailable
from protes.tes.states import State
from tests.support.behaviours import Behaviour, Endless, Truncated
from tests.support.receiver import KEYS, Hooked, ids, told, verified
from tests.support.scripted_server import CommitThen, Delayed, Reset, ScriptedServer, Stall, answer, redirect


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.on("POST", "/hook", answer(204, b""))
        yield server


class DyingRecords(MemoryRecords):
    """Records that are away after a number of writes."""

    puts_left: int | None = None

    def put(self, *arguments: Any, **named: Any) -> int:
        if self.puts_left is not None:
            self.puts_left -= 1
            if self.puts_left < 0:
                raise StoreUnavailable("the store is away")
        return super().put(*arguments, **named)


def pending(gateway: Hooked) -> int:
    return len(gateway.stores.records.scan(PENDING_KIND, "", gateway.clock.now()))


def test_every_change_is_told_in_order_and_signed_with_each_key(receiver: ScriptedServer) -> None:
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted()
        gateway.turn()
        for state in (State.RUNNING, State.COMPLETE):
            gateway.move(task_id, state)
            gateway.turn()
        assert told(receiver) == ["QUEUED", "RUNNING", "COMPLETE"]
        assert ids(receiver) == [f"{task_id}-{moves}" for moves in (1, 2, 3)]
        last = receiver.requests()[-1]
        assert all(verified(last, key) for key in KEYS)
        assert not verified(last, "AAAA")
        assert abs(int(last.headers["webhook-timestamp"]) - gateway.clock.now().timestamp()) < 2
        assert last.headers["Content-Type"] == "application/json"
        document = last.json()
        assert document["type"] == "task"
        data = document["data"]
        assert (data["id"], data["state"], data["finished"], data["name"]) == (task_id, "COMPLETE", True, "t")
        assert data["tags"]["run"] == "42"
        assert data["time"] == document["timestamp"]
        assert pending(gateway) == 0
        assert gateway.said(task_id) == {"waiting": 0, "state": "COMPLETE"}


@pytest.mark.parametrize("step", [Endless(), Truncated(answer(200, b"x" * 1000))], ids=["endless", "cut"])
def test_the_body_of_an_answer_is_not_looked_at(receiver: ScriptedServer, step: Behaviour) -> None:
    receiver.on("POST", "/talks", step)
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted("/talks")
        gateway.turn()
        assert gateway.said(task_id) == {"waiting": 0, "state": "QUEUED"}
        assert told(receiver, "/talks") == ["QUEUED"]


def test_a_task_without_the_tag_calls_nobody(receiver: ScriptedServer) -> None:
    with Hooked(receiver) as gateway:
        task_id = gateway.post()
        gateway.turn()
        assert receiver.requests() == []
        assert gateway.services.callbacks.document(gateway.record(task_id)) is None


def test_ends_only(receiver: ScriptedServer) -> None:
    with Hooked(receiver, callback_states="final") as gateway:
        task_id = gateway.accepted()
        gateway.turn()
        gateway.move(task_id, State.EXECUTOR_ERROR)
        gateway.turn()
        assert told(receiver) == ["EXECUTOR_ERROR"]


def test_the_same_state_in_the_receivers_eyes_is_not_told_again(receiver: ScriptedServer) -> None:
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted()
        for state in (State.RUNNING, State.PAUSED, State.COMPLETE):
            gateway.move(task_id, state)
            gateway.turn()
        assert told(receiver) == ["RUNNING", "COMPLETE"]
        assert pending(gateway) == 0


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (answer(500, b"secret answer"), "answered 500"),
        (
            answer(
                404,
                b"",
            ),
            "answered 404",
        ),
        (redirect("/elsewhere"), "redirects are not followed"),
        (Reset(), "could not be asked"),
    ],
)
def test_what_is_not_taken_is_sent_again_later_and_before_what_comes_after(
    receiver: ScriptedServer, fault: Behaviour, why: str
) -> None:
    receiver.on("*", "/elsewhere", answer(200, b""))
    receiver.inject("POST", "/hook", fault)
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted()
        gateway.turn()
        said = gateway.said(task_id)
        assert why in said["error"]
        assert "secret" not in str(said)
        assert said["waiting"] == said["failures"] == 1
        assert said["next_try"] > said["failed_at"]
        gateway.move(task_id, State.RUNNING)
        gateway.turn(0.1)
        assert told(receiver) == ["QUEUED"], "the pause is kept"
        for _ in range(3):
            gateway.turn()
        assert told(receiver) == ["QUEUED", "QUEUED", "RUNNING"]
        assert len(set(ids(receiver)[:2])) == 1
        assert gateway.said(task_id) == {"waiting": 0, "state": "RUNNING"}


def test_a_receiver_says_when_to_come_again(receiver: ScriptedServer) -> None:
    receiver.inject("POST", "/hook", answer(503, Retry_After="120"))
    with Hooked(receiver) as gateway:
        gateway.submitted()
        for _ in range(30):
            gateway.turn()
        assert told(receiver) == ["QUEUED"]
        for _ in range(40):
            gateway.turn()
        assert told(receiver) == ["QUEUED", "QUEUED"]


def test_pauses_grow_and_end_with_the_patience(receiver: ScriptedServer) -> None:
    receiver.on("POST", "/hook", answer(500, b""))
    with Hooked(receiver, callback_give_up_after_seconds=3600, callback_last_retry_seconds=600) as gateway:
        task_id = gateway.accepted()
        gateway.move(task_id, State.COMPLETE)
        for _ in range(80):
            gateway.turn(60)
        assert 6 <= len(told(receiver)) <= 20
        assert pending(gateway) == 0
        said = gateway.said(task_id)
        assert said["dropped"] == 1
        assert "answered 500" in said["error"]
        assert gateway.state(task_id) == "COMPLETE"


def test_a_receiver_that_is_gone_is_told_no_more(receiver: ScriptedServer) -> None:
    receiver.on("POST", "/hook", answer(410, b""))
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted()
        gateway.turn()
        gateway.move(task_id, State.RUNNING)
        for _ in range(5):
            gateway.turn()
        assert told(receiver) == ["QUEUED"]
        assert gateway.said(task_id)["dropped"] == 2


def test_a_receiver_that_stalls_is_left_in_time(receiver: ScriptedServer) -> None:
    with Hooked(receiver, callback_seconds=0.3) as gateway:
        receiver.on("POST", "/stalls", Stall())
        task_id = gateway.submitted("/stalls")
        gateway.turn()
        assert "could not be asked" in gateway.said(task_id)["error"]
        # Nothing of the host is tried again before its pause has passed, by whichever task.
        second = gateway.submitted()
        gateway.turn(0.1)
        assert gateway.said(second)["waiting"] == 1
        for _ in range(30):
            gateway.turn(5)
        assert gateway.said(second) == {"waiting": 0, "state": "QUEUED"}


def test_a_host_is_called_by_few_at_once(receiver: ScriptedServer) -> None:
    stall = Stall(then=answer(200, b""))
    receiver.on("POST", "/slow", stall)
    with Hooked(receiver, callbacks_per_host=1) as gateway:
        tasks = [gateway.submitted("/slow") for _ in range(3)]
        gateway.clock.advance(3)
        gateway.runner.run("tick")
        first = threading.Thread(target=gateway.runner.run, args=("callback", tasks[0]))
        first.start()
        stall.wait_entered()
        for each in tasks[1:]:
            gateway.runner.run("callback", each)
        assert len(told(receiver, "/slow")) == 1
        stall.release()
        first.join(30)
        gateway.runner.waiting.clear()
        for _ in range(20):
            gateway.turn()
        assert len(told(receiver, "/slow")) == 3
        assert pending(gateway) == 0


def test_two_workers_send_an_event_once(receiver: ScriptedServer) -> None:
    receiver.on("POST", "/hook", Delayed(0.3, answer(200, b"")))
    with Hooked(receiver) as gateway:
        other = gateway.restarted()
        task_id = gateway.submitted()
        gateway.clock.advance(1)
        gateway.runner.run("tick")
        threads = [threading.Thread(target=each.runner.run, args=("callback", task_id)) for each in (gateway, other)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        assert told(receiver) == ["QUEUED"]
        other.services.federation.close()


def test_a_worker_that_dies_after_sending_is_followed_by_one_that_sends_it_again(receiver: ScriptedServer) -> None:
    dying = DyingRecords()
    tasks = MemoryTaskStore()
    with Hooked(receiver, Stores(tasks, dying, tasks.close)) as gateway:
        task_id = gateway.accepted()
        gateway.clock.advance(1)
        gateway.runner.run("tick")
        dying.puts_left = 1
        with pytest.raises(StoreUnavailable):
            gateway.runner.run("callback", task_id)
        dying.puts_left = None
        assert told(receiver) == ["QUEUED"]
        gateway.move(task_id, State.COMPLETE)
        with Hooked(receiver, gateway.stores, gateway.clock) as after:
            for _ in range(40):
                after.turn()
        assert told(receiver) == ["QUEUED", "QUEUED", "COMPLETE"]
        assert len(set(ids(receiver))) == 2


def test_what_was_announced_twice_is_not_sent_after_what_came_later(receiver: ScriptedServer) -> None:
    """A process that stood still while others went on puts an old event into the outbox again."""
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted()
        old = gateway.record(task_id)
        gateway.turn()
        gateway.move(task_id, State.COMPLETE)
        gateway.turn()
        Outbox(gateway.stores.records, gateway.clock, final_only=False).put([old])
        for _ in range(3):
            gateway.turn()
        assert told(receiver) == ["QUEUED", "COMPLETE"]
        assert pending(gateway) == 0


def test_a_restart_in_the_middle_loses_nothing(receiver: ScriptedServer, tmp_path: Path) -> None:
    receiver.inject("POST", "/hook", answer(500, b""), answer(500, b""))
    stores = create_stores(str(tmp_path))
    with Hooked(receiver, stores) as gateway:
        task_id = gateway.accepted()
        gateway.turn()
        gateway.move(task_id, State.COMPLETE)
        clock = gateway.clock
    stores.close()
    stores = create_stores(str(tmp_path))
    with Hooked(receiver, stores, clock) as gateway:
        for _ in range(10):
            gateway.turn(10)
        assert told(receiver) == ["QUEUED", "QUEUED", "QUEUED", "COMPLETE"]
    stores.close()


def test_a_host_that_is_listed_no_more_is_not_called(receiver: ScriptedServer) -> None:
    with Hooked(receiver) as gateway:
        task_id = gateway.submitted()
    with Hooked(receiver, gateway.stores, gateway.clock, callback_hosts=["elsewhere.example"]) as gateway:
        gateway.turn()
        assert receiver.requests() == []
        assert "callback_hosts" in gateway.said(task_id)["error"]


def test_private_addresses_are_called_only_where_the_operator_says_so(receiver: ScriptedServer) -> None:
    with Hooked(receiver, callback_private=False) as gateway:
        task_id = gateway.submitted()
        gateway.turn()
        assert receiver.requests() == []
        assert "could not be asked" in gateway.said(task_id)["error"]


def test_a_dead_receiver_does_not_hold_up_a_task(receiver: ScriptedServer) -> None:
    receiver.on("POST", "/hook", CommitThen(Reset()))
    with Hooked(receiver) as gateway:
        task_id = gateway.accepted()
        gateway.move(task_id, State.COMPLETE)
        gateway.turn()
        assert gateway.state(task_id) == "COMPLETE"


def test_the_receiver_of_the_documentation_verifies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n# receiver\.py\n(.*?)```", page, re.DOTALL)
    monkeypatch.setenv("WEBHOOK_KEY", KEYS[1])
    module: dict[str, Any] = {}
    exec(code, module)
    monkeypatch.setattr(module["Receiver"], "log_message", lambda *_: None)
    with HTTPServer(("127.0.0.1", 0), module["Receiver"]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clock = ManualClock(SystemClock().now())
        with Hooked(SimpleNamespace(port=server.server_port), clock=clock) as gateway:
            task_id = gateway.submitted()
            gateway.turn()
            assert gateway.said(task_id) == {"waiting": 0, "state": "QUEUED"}
            other = [base64.b64encode(bytes(32)).decode()]
        with Hooked(SimpleNamespace(port=server.server_port), clock=clock, callback_keys=other) as gateway:
            task_id = gateway.submitted()
            gateway.turn()
            assert "answered 401" in gateway.said(task_id)["error"]
        server.shutdown()
    assert "-1 QUEUED" in capsys.readouterr().out
