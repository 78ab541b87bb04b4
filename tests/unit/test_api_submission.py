"""From a document to a stored task, without HTTP."""

import json
from typing import Any

import pytest

from protes.api.callers import ANONYMOUS, Caller
from protes.api.problems import Problem
from protes.api.submission import Submission, gateways_passed, submit
from protes.store.records import TaskRecord
from protes.tes.states import State
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.waiting import at_once

OWN = "gateway-under-test"
KEY = "a-key-of-16-char"


def submission(document: dict[str, Any] | None = None, **values: Any) -> Submission:
    defaults = {"document": {**TASK, **(document or {})}, "base": "/ga4gh/tes/v1"}
    return Submission(**{**defaults, **values})


# Gateways passed


@pytest.mark.parametrize(
    ("via", "tag", "passed"),
    [
        (None, None, ()),
        ("", "", ()),
        ("1.1 gateway-one", None, ("gateway-one",)),
        ("1.1 gateway-one, 1.1 gateway-two", None, ("gateway-one", "gateway-two")),
        ("HTTP/1.1 gateway-one (protes 0.1)", None, ("gateway-one",)),
        ("1.1 gateway-one,1.1 gateway-one", None, ("gateway-one",)),
        (None, "gateway-one,gateway-two", ("gateway-one", "gateway-two")),
        (None, " gateway-one , gateway-two ", ("gateway-one", "gateway-two")),
        ("1.1 gateway-two", "gateway-one,gateway-two", ("gateway-two", "gateway-one")),
        ("1.1", None, ()),
        (",,, ,", ",,", ()),
        ("1.1 nginx, 1.0 fred:80, 1.1 proxy.example.org", None, ()),
        ("1.1 short", None, ()),
        ("1.1 " + "x" * 65, None, ()),
        ("1.1 gateway-one\x00", None, ()),
    ],
)
def test_gateways_are_read_from_via_and_tag(via: str | None, tag: str | None, passed: tuple[str, ...]) -> None:
    tags = {"tags": {"protes_gateway": tag}} if tag is not None else {}
    assert gateways_passed(submission(tags, via=via), OWN) == passed


@pytest.mark.parametrize(
    ("via", "tag"),
    [(f"1.1 {OWN}", ""), (f"1.1 gateway-one, 1.1 {OWN}, 1.1 gateway-two", ""), (None, f"gateway-one,{OWN}")],
)
def test_a_ring_of_gateways_is_refused(via: str | None, tag: str) -> None:
    with pytest.raises(Problem, match="the gateways form a ring") as caught:
        gateways_passed(submission({"tags": {"protes_gateway": tag}}, via=via), OWN)
    assert caught.value.status == 508


# Submissions


def stored(gateway: Harness, one: Submission, caller: Caller = ANONYMOUS) -> TaskRecord:
    return gateway.record(submit(gateway.services, caller, one))


def test_what_is_stored_is_the_normal_form_with_what_is_searched_for() -> None:
    document = {"id": "mine", "project": "x", "tags": {"b": "2", "a=b": "1"}, "resources": {"cpu_cores": 2.0}}
    with Harness() as gateway:
        record = stored(gateway, submission(document, url_weight="0.3", via="1.1 gateway-one"), Caller("alice"))
    assert json.loads(record.document) == {
        **TASK,
        "tags": {"b": "2", "a=b": "1"},
        "resources": {"cpu_cores": 2},
    }
    assert (record.owner, record.name, record.state) == ("alice", "t", State.QUEUED)
    assert record.tags == ("a%3Db=1", "b=2")
    assert record.preference == {"weight": "0.3", "carrier": "url"}
    assert record.via == ("gateway-one",)
    assert record.created_at == record.due_at == gateway.clock.now()


def test_a_job_is_asked_for_and_its_loss_does_no_harm() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        gateway.probe()
        task_id = gateway.post()
        assert ("dispatch", task_id) in gateway.runner.waiting
        gateway.runner.lost = True
        assert gateway.record(gateway.post()).due_at is not None


def test_without_any_instance_no_job_is_asked_for_and_the_first_one_found_gets_the_task_at_once() -> None:
    with FakeTes() as fake, Harness(instance("a", fake)) as gateway:
        task_id = gateway.post()
        assert ("dispatch", task_id) not in gateway.runner.waiting
        gateway.turn()  # finds the instance
        gateway.turn(0.25)
        assert fake.creates() == 1


def test_everything_wrong_is_said_at_once_and_nothing_is_stored() -> None:
    document = {
        "executors": [{"image": "", "command": ["true"]}],
        "tags": {"protes.weight": "2", "protes_attempt": "x-1"},
    }
    with Harness() as gateway:
        with pytest.raises(Problem) as caught:
            submit(gateway.services, ANONYMOUS, submission(document, header_weight="9"))
        assert caught.value.status == 400
        assert [error.field for error in caught.value.errors] == [
            "header X-Protes-Weight",
            "tags.protes.weight",
            "executors[0].image",
            "tags.protes_attempt",
        ]
        assert gateway.stores.tasks.count() == 0


def test_only_a_configured_gateway_may_set_the_tags_of_gateways() -> None:
    tags = {"tags": {"protes_attempt": "abc-1", "protes_gateway": "gateway-one"}}
    with Harness(api={"upstream_gateways": ["gateway-one"]}) as gateway:
        record = stored(gateway, submission(tags, via="1.1 gateway-one"))
        assert json.loads(record.document)["tags"] == tags["tags"]
    with Harness() as gateway, pytest.raises(Problem, match=r"api\.upstream_gateways"):
        submit(gateway.services, ANONYMOUS, submission(tags, via="1.1 gateway-one"))


def test_the_operators_weight_is_the_last_resort() -> None:
    with Harness(api={"weight": "time"}) as gateway:
        assert stored(gateway, submission()).preference == {"weight": "time", "carrier": "default"}


def test_a_key_gives_one_task_also_after_a_restart() -> None:
    with Harness() as gateway:
        first = submit(gateway.services, ANONYMOUS, submission(key=KEY))
        assert submit(gateway.services, ANONYMOUS, submission({"id": "ignored", "unknown": 1}, key=KEY)) == first
        with gateway.restarted() as after:
            assert submit(after.services, ANONYMOUS, submission(key=KEY, base="/v1")) == first
        assert gateway.stores.tasks.count() == 1
        with pytest.raises(Problem) as caught:
            submit(gateway.services, ANONYMOUS, submission({"name": "another"}, key=KEY))
        assert caught.value.status == 422


def test_a_key_whose_first_task_never_became_durable_makes_it_so() -> None:
    with Harness() as gateway:
        first = submit(gateway.services, ANONYMOUS, submission(key=KEY))
        gateway.stores.tasks.delete(first)  # as if the process had died before it stored the task
        assert submit(gateway.services, ANONYMOUS, submission(key=KEY)) == first
        assert gateway.stores.tasks.count() == 1


def test_a_key_used_by_many_at_once_gives_one_task() -> None:
    with Harness() as gateway:
        calls = [lambda: submit(gateway.services, ANONYMOUS, submission(key=KEY)) for _ in range(16)]
        assert len(set(at_once(calls))) == 1
        assert gateway.stores.tasks.count() == 1


def test_an_invalid_task_uses_up_no_key() -> None:
    with Harness() as gateway:
        with pytest.raises(Problem):
            submit(gateway.services, ANONYMOUS, submission({"executors": []}, key=KEY))
        submit(gateway.services, ANONYMOUS, submission(key=KEY))


def test_without_a_key_the_same_body_is_another_task() -> None:
    with Harness() as gateway:
        assert gateway.post() != gateway.post()
        assert gateway.stores.tasks.count() == 2
