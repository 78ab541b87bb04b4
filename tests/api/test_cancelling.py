"""Cancellation over HTTP: recorded and answered at once, whatever is sent along and however often."""

from typing import Any

import pytest

from protes.tes.states import State
from tests.api.conftest import BASES, Api, problem_of
from tests.api.test_operations import LOG, move

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": JSON},
        {"headers": JSON, "data": b""},
        {"headers": JSON, "data": b"{}"},
        {"headers": JSON, "data": b"null"},
        {"headers": JSON, "data": b'{"reason": "enough"}'},
        {"data": b"{}"},
    ],
)
def test_a_cancellation_may_have_any_body(api: Api, base: str, options: dict[str, Any]) -> None:
    task_id = api.create()
    for _ in range(3):
        answer = api.call("POST", f"{base}/tasks/{task_id}:cancel", **options)
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["Content-Type"] == "application/json"
    # It never reached an instance, so nothing needs to be waited for.
    assert api.task(task_id, "MINIMAL", base) == {"id": task_id, "state": "CANCELED"}


@pytest.mark.parametrize("end", [State.COMPLETE, State.EXECUTOR_ERROR, State.SYSTEM_ERROR])
def test_too_late_is_as_good_and_changes_nothing(api: Api, end: State) -> None:
    task_id = api.create()
    move(api, task_id, end, LOG)
    before = api.task(task_id)
    assert api.post(f"/v1/tasks/{task_id}:cancel").json() == {}
    assert api.task(task_id) == before


def test_a_running_task_is_shown_as_running_until_its_instance_has_ended_it(api: Api) -> None:
    task_id = api.create()
    move(api, task_id, State.RUNNING)
    assert api.post(f"/v1/tasks/{task_id}:cancel").json() == {}
    assert api.task(task_id, "MINIMAL")["state"] == "RUNNING"
    record = api.record(task_id)
    assert record.state is State.CANCELING
    assert record.cancel_requested_at == api.clock.now()
    assert record.due_at is not None


def test_only_post_cancels(api: Api) -> None:
    task_id = api.create()
    problem_of(api.get(f"/v1/tasks/{task_id}:cancel"), 404)
    problem_of(api.call("DELETE", f"/v1/tasks/{task_id}"), 405)
    problem_of(api.post(f"/v1/tasks/{task_id}"), 405)
    problem_of(api.post(f"/v1/tasks/{task_id}/cancel"), 404)
    assert api.task(task_id, "MINIMAL")["state"] == "QUEUED"
