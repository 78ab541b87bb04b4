"""One trace from POST to the final state, whoever works on the task; sent to a real receiver of OTLP over HTTP."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from protes.app import create_gateway
from protes.clock import SystemClock
from protes.config.loading import ConfigError, load
from protes.dispatch.waiting_list import WaitingList
from protes.store.factory import create_stores
from protes.tracing.port import KIND
from tests.api.conftest import problem_of, serving
from tests.support.fake_tes import FakeTes
from tests.support.harness import instance
from tests.support.otlp import Receiver, Seen
from tests.support.processes import gateway as process
from tests.support.running import TES, logging_kept, running
from tests.support.servers import serve_wsgi
from tests.support.waiting import wait_until

TRACE, OTHER = "0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319d"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SECRETS = ("a-secret-tag", "a-secret-command", "a-secret-name", "a-secret-variable", "a-secret-url", "a-secret-owner")
TASK: dict[str, Any] = {
    "name": "a-secret-name",
    "tags": {"key": "a-secret-tag"},
    "inputs": [{"url": "https://a-secret-url.example.org/x?sig=1", "path": "/x"}],
    "executors": [{"image": "alpine", "command": ["a-secret-command"], "env": {"A": "a-secret-variable"}}],
}


def settings(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"tracing": {"enabled": True, "endpoint": receiver.endpoint, **more}}


def wait_for_end(receiver: Receiver, count: int = 1) -> list[Seen]:
    """Wait until so many tasks' ends were recorded, and return all spans."""
    wait_until(lambda: sum(each.name == "task" for each in receiver.spans()) >= count, "the end is recorded", 30)
    return receiver.spans()


def test_one_trace_tells_of_a_task_from_the_clients_request_to_its_end() -> None:
    with Receiver() as receiver, FakeTes() as fake:
        fake.auto()
        with running(instances=[instance("a", fake)], **settings(receiver)) as gateway:
            task_id = gateway.create(TASK, traceparent=PARENT)
            gateway.wait_for(task_id, "COMPLETE")
        spans = wait_for_end(receiver)
        names = {each.name for each in spans}
        assert {"POST /ga4gh/tes/v1/tasks", "dispatch", "plan", "forward", "attempt ACCEPTED", "task"} <= names
        assert {each.trace_id for each in spans} == {TRACE}
        by_name = {each.name: each for each in spans}
        request = by_name["POST /ga4gh/tes/v1/tasks"]
        assert request.parent_id == "b7ad6b7169203331"
        assert request.attributes["http.response.status_code"] == 200
        assert by_name["dispatch"].parent_id == by_name["task"].parent_id == request.span_id
        forward = next(each for each in spans if each.attributes.get("protes.outcome") == "ACCEPTED")
        assert forward.attributes["protes.instance.id"] == "a"
        assert by_name["task"].attributes["protes.task.id"] == task_id
        assert by_name["task"].attributes["protes.task.state"] == "COMPLETE"
        assert by_name["task"].seconds > 0
        assert "traceparent" not in fake.server.requests("POST", "*/tasks")[0].headers
        sent = b"".join(receiver.bodies())
        assert not [each for each in SECRETS if each.encode() in sent]


def test_a_task_that_has_waited_for_its_turn_is_traced_to_where_it_went() -> None:
    with Receiver() as receiver, FakeTes() as fake:
        one = instance("a", fake, limits={"max_in_flight": 1})
        with running(instances=[one], **settings(receiver)) as gateway:
            first, second = (gateway.create(traceparent=parent) for parent in (PARENT, PARENT.replace(TRACE, OTHER)))
            wait_until(lambda: len(fake.tasks) == 1, "one of the two is sent", 30)
            waiting = WaitingList(gateway.gateway.stores.records, SystemClock())
            wait_until(lambda: list(waiting.wanted()) != [], "the other one waits", 30)
            fake.auto()
            for task_id in (first, second):
                gateway.wait_for(task_id, "COMPLETE")
        spans = wait_for_end(receiver, 2)
        sent = [each for each in spans if each.attributes.get("protes.outcome") == "ACCEPTED"]
        assert {each.trace_id for each in sent} == {TRACE, OTHER}


def test_another_process_goes_on_with_the_trace(tmp_path: Path) -> None:
    folder = tmp_path / "gateway"
    folder.mkdir()
    with Receiver() as receiver, FakeTes() as fake:
        fake.auto()
        known = {"instances": [instance("a", fake)], **settings(receiver)}
        stores = create_stores(str(folder / "data"))
        with logging_kept():
            front = create_gateway(load([], {}, known), stores=stores, environ={})
        try:
            with serve_wsgi(front.wsgi) as url:  # never started: it takes tasks and does nothing for them
                answer = requests.post(f"{url}{TES}/tasks", json=TASK, timeout=30)
            task_id = answer.json()["id"]
        finally:
            front.close()
        with process(folder, known) as (_, _server):
            spans = wait_for_end(receiver)
        assert len({each.trace_id for each in spans}) == 1
        assert len({each.process for each in spans}) == 2
        workers = {each.process for each in spans if each.name in ("dispatch", "forward", "task")}
        [front_name] = {each.process for each in spans if each.name.startswith("POST")}
        assert front_name not in workers
        assert {each.attributes["protes.task.id"] for each in spans if each.name == "task"} == {task_id}


def test_a_clients_trace_need_not_be_gone_on_with() -> None:
    with Receiver() as receiver:
        with running(**settings(receiver, accept=False)) as gateway:
            gateway.create(traceparent=PARENT)
        wait_until(lambda: receiver.spans() != [], "a span arrives", 30)
        assert {each.trace_id for each in receiver.spans()} != {TRACE}


def test_what_is_not_sampled_costs_no_write_and_is_not_sent() -> None:
    with Receiver() as receiver, FakeTes() as fake:
        fake.auto()
        with running(instances=[instance("a", fake)], **settings(receiver, sample_ratio=0)) as gateway:
            task_id = gateway.create()
            gateway.wait_for(task_id, "COMPLETE")
            services = gateway.gateway.services
            assert services.records.scan(KIND, "", services.clock.now()) == []
        assert receiver.spans() == []


def test_the_trace_of_a_task_is_forgotten_with_its_end_and_requests_that_change_nothing_have_none() -> None:
    with Receiver() as receiver:
        with running(**settings(receiver)) as gateway:
            task_id = gateway.create()
            services = gateway.gateway.services
            assert [each.key for each in services.records.scan(KIND, "", services.clock.now())] == [task_id]
            requests.post(f"{gateway.url}{TES}/tasks/{task_id}:cancel", timeout=30)
            assert services.records.scan(KIND, "", services.clock.now()) == []
            requests.get(f"{gateway.url}{TES}/tasks", headers={"traceparent": PARENT}, timeout=30)
            problem_of(requests.post(f"{gateway.url}{TES}/tasks", json={"executors": []}, timeout=30), 400)
        spans = receiver.spans()
        [end] = [each for each in spans if each.name == "task"]
        assert end.attributes["protes.task.state"] == "CANCELED"
        assert TRACE not in {each.trace_id for each in spans}, "reads are not recorded"
        [refused] = [each for each in spans if each.attributes.get("http.response.status_code") == 400]
        assert not refused.failed


def test_a_trace_that_is_none_is_none() -> None:
    bad = ("", "00-zz-yy-01", "x" * 500, f"ff-{TRACE}-b7ad6b7169203331-01", PARENT + "\u00e9")
    with Receiver() as receiver:
        with running(**settings(receiver)) as gateway:
            for each in bad:
                gateway.create(traceparent=each.encode("latin-1"))  # type: ignore[arg-type]
        spans = [each for each in receiver.spans() if each.name.startswith("POST")]
        assert len({each.trace_id for each in spans} - {TRACE}) == len(bad)
        assert {each.parent_id for each in spans} == {""}


def test_headers_reach_the_receiver_and_nobody_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer a-secret-for-the-receiver\n\nX-Scope: one\n", encoding="utf-8")
    with Receiver() as receiver, FakeTes() as fake:
        fake.auto()
        known = settings(receiver, send=True, headers_file=str(file))
        with running(instances=[instance("a", fake)], **known) as gateway:
            gateway.wait_for(gateway.create(traceparent=PARENT), "COMPLETE")
        [post] = fake.server.requests("POST", "*/tasks")
        assert post.headers["traceparent"].split("-")[1] == TRACE  # by `send`
        first = receiver.server.requests("POST", "/v1/traces")[0]
        assert first.headers["Authorization"] == "Bearer a-secret-for-the-receiver"
        assert first.headers["X-Scope"] == "one"
        assert "a-secret-for" not in str([each.headers for each in fake.server.requests()])
    assert "a-secret-for" not in "".join(capfd.readouterr())


def test_a_receiver_that_is_away_keeps_nobody_waiting() -> None:
    with Receiver() as receiver, FakeTes() as fake:
        fake.auto()
        receiver.server.refuse()
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        try:
            with running(instances=[instance("a", fake)], **settings(receiver)) as gateway:
                gateway.wait_for(gateway.create(), "COMPLETE")
                closing = time.monotonic()
            assert time.monotonic() - closing < 15
        finally:
            logging.getLogger("opentelemetry").setLevel(logging.NOTSET)
            receiver.server.resume()


def test_secrets_of_the_settings_are_not_shown() -> None:
    loaded = load([], {"PROTES_TRACING__HEADERS__AUTHORIZATION": "Bearer a-secret"}, {}).settings
    assert loaded.tracing.headers["authorization"].get_secret_value() == "Bearer a-secret"
    assert "a-secret" not in json.dumps(json.loads(loaded.model_dump_json())) + repr(loaded)


@pytest.mark.parametrize("text", ["Authorization", "Authorization:", ": x"])
def test_a_file_of_headers_with_something_else_in_it_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "headers"
    file.write_text(f"X-Scope: one\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tracing\.headers_file: .*: line 2 is not"):
        with serving(tracing={"enabled": True, "headers_file": str(file)}):
            pass
