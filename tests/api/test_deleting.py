"""An owner deletes a task that has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from protes.cli.main import main
from protes.cli.output import Exit
from protes.clock import ManualClock
from protes.planning.planner import ROUTING_KIND
from protes.store.records import Phase
from tests.api.conftest import TASK, Api, problem_of
from tests.support.issuer import Issuer
from tests.support.people import people
from tests.support.task_records import an_attempt

KEY = {"Idempotency-Key": "0123456789abcdef"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


def _path(task_id: str) -> str:
    return f"/protes/v1/tasks/{task_id}"


def _end(api: Api, task_id: str) -> None:
    assert api.post(f"/ga4gh/tes/v1/tasks/{task_id}:cancel").status_code == 200
    assert api.record(task_id).state.finished


def test_a_task_that_has_ended_goes_with_all_that_was_kept_for_it(api: Api) -> None:
    task_id = api.create()
    _end(api, task_id)
    records, now = api.gateway.stores.records, api.clock.now()
    records.put(ROUTING_KIND, task_id, {}, now)
    assert api.call("DELETE", _path(task_id)).status_code == 204
    assert api.get(f"/ga4gh/tes/v1/tasks/{task_id}").status_code == 404
    assert records.get(ROUTING_KIND, task_id, now) is None
    problem_of(api.call("DELETE", _path(task_id)), 404)


def test_one_that_has_not_ended_is_to_be_cancelled_first(api: Api) -> None:
    task_id = api.create()
    assert f"{task_id}:cancel" in problem_of(api.call("DELETE", _path(task_id)), 409)["detail"]
    assert api.task(task_id)["state"] == "QUEUED"


def test_one_whose_copy_may_still_run_stays(api: Api) -> None:
    task_id = api.create()
    tasks, now = api.gateway.stores.tasks, api.clock.now()
    record = api.record(task_id)
    tasks.delete(task_id)
    tasks.create(replace(record, attempts=(an_attempt(1, Phase.ACCEPTED),)))
    tasks.request_cancel(task_id, now)
    tasks.close_cancel(task_id, "not confirmed", now)
    answer = api.call("DELETE", _path(task_id))
    assert "still being cancelled" in problem_of(answer, 409)["detail"]
    assert answer.headers["Retry-After"]


def test_a_request_that_is_repeated_does_not_run_it_again(api: Api) -> None:
    task_id = api.create(headers=KEY)
    [batched] = api.post("/protes/v1/tasks:create", [TASK], headers={"Idempotency-Key": "b" * 16}).json()["results"]
    for each in (task_id, batched["id"]):
        _end(api, each)
        assert api.call("DELETE", _path(each)).status_code == 204
    assert api.create(headers=KEY) == task_id
    again = api.post("/protes/v1/tasks:create", [TASK], headers={"Idempotency-Key": "b" * 16}).json()["results"]
    assert again == [batched]
    assert api.gateway.stores.tasks.count() == 0


def test_only_its_owner_or_the_operator_may(issuer: Issuer) -> None:
    with people(issuer, visibility={"tasks": "tenant"}) as everyone:
        ann, mate, stranger = (everyone(each, tenant=t) for each, t in (("ann", "lab"), ("bob", "lab"), ("sam", "x")))
        first, second = ann.create(), ann.create()
        for each in (first, second):
            assert ann.post(f"/ga4gh/tes/v1/tasks/{each}:cancel").status_code == 200
        problem_of(stranger.call("DELETE", _path(first)), 404)
        problem_of(everyone("eve").call("DELETE", _path(first)), 403)
        assert "only its owner" in problem_of(mate.call("DELETE", _path(first)), 403)["detail"]
        assert ann.call("DELETE", _path(first)).status_code == 204
        assert everyone("root").call("DELETE", _path(second)).status_code == 204


def test_the_command_line_deletes_what_has_ended_and_says_what_has_not(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, waiting = api.create(), api.create()
    _end(api, ended)
    assert main(["delete", ended, waiting, "--url", api.url]) == Exit.FAILED
    said = capsys.readouterr()
    assert said.out == f"{ended}: deleted\n"
    assert f"{waiting}:" in said.err
    assert "cancel it first" in said.err
    _end(api, waiting)
    assert main(["delete", waiting, "--url", api.url, "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"results": [{"id": waiting}]}
    assert api.gateway.stores.tasks.count() == 0
