"""Quotas of owners over HTTP: what is refused, how, and what it takes to be let in again."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from protes.api.callers import Caller
from protes.api.problems import Problem
from protes.api.submission import Submission, submit
from protes.store.factory import Stores, create_stores
from protes.tes.states import State
from tests.api.conftest import OPERATOR_TOKEN, TASK, Api, problem_of, serving
from tests.support.waiting import at_once

TASKS, CREATE, OFFERS = "/ga4gh/tes/v1/tasks", "/protes/v1/tasks:create", "/protes/v1/offers"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}


def _post_as(api: Api, subject: str, **document: Any) -> str:
    submission = Submission({**TASK, **document}, "/ga4gh/tes/v1")
    return submit(api.gateway.services, Caller(subject), submission)


_eras = itertools.count(1)


def _in_an_era_of_its_own(api: Api) -> None:
    """Move the clock beyond those of other tests: ids of one process never go back."""
    api.clock.advance(10_000_000 * next(_eras))


def _end(api: Api, task_id: str) -> None:
    """End a task: nobody has forwarded it."""
    assert api.gateway.stores.tasks.request_cancel(task_id, api.clock.now()) is not None
    assert api.record(task_id).state is State.CANCELED


def _refused(api: Api, path: str = TASKS, document: Any = TASK, status: int = 429, **options: Any) -> tuple[str, str]:
    answer = api.post(path, document, **options)
    return problem_of(answer, status)["detail"], answer.headers.get("Retry-After", "")


def test_nothing_is_refused_by_default(api: Api) -> None:
    for _ in range(5):
        api.create()


def test_tasks_in_flight() -> None:
    with serving(quotas={"tasks_in_flight": 2}) as api:
        first, _ = api.create(), api.create()
        detail, retry = _refused(api)
        assert "unfinished tasks" in detail
        assert "(quota tasks_in_flight: 2)" in detail
        assert int(retry) > 0
        assert api.gateway.stores.tasks.count() == 2
        _end(api, first)
        api.create()


def test_tasks_stored_count_finished_ones() -> None:
    with serving(quotas={"tasks_stored": 2}) as api:
        for task_id in (api.create(), api.create()):
            _end(api, task_id)
        detail, _ = _refused(api)
        assert "DELETE /protes/v1/tasks/{id}" in detail
        assert "(quota tasks_stored: 2)" in detail


def test_creations_per_minute_say_truly_when_there_is_room_again() -> None:
    with serving(quotas={"creations_per_minute": 3}) as api:
        _in_an_era_of_its_own(api)
        for _ in range(3):
            api.create()
            api.clock.advance(10)
        detail, retry = _refused(api)
        assert "(quota creations_per_minute: 3)" in detail
        seconds = int(retry)
        api.clock.advance(seconds - 1.5)
        assert int(_refused(api)[1]) <= 2
        api.clock.advance(1.5)
        api.create()
        _refused(api)


def test_dry_runs_are_counted_wherever_they_are_asked_for() -> None:
    with serving(quotas={"dry_runs_per_minute": 3}) as api:
        executable = {
            "executable": {"type": "https://www.purl.org/ivoa.net/EB/schema/types/executable/x", "task": TASK}
        }
        assert api.post(OFFERS, TASK).status_code == 200
        assert api.post("/ga4gh/tes/v1/tasks/task-info", TASK).status_code in (422, 404)
        api.post("/ivoa/execution-broker/v1/offersets", executable)
        api.post(OFFERS, TASK)
        detail, retry = _refused(api, OFFERS)
        assert "(quota dry_runs_per_minute: 3)" in detail
        assert 0 < int(retry) <= 60
        api.clock.advance(int(retry))
        assert api.post(OFFERS, TASK).status_code == 200
        api.create()


def test_a_document_that_is_too_large_is_so_for_good() -> None:
    with serving(quotas={"task_bytes": 300}) as api:
        api.create()
        large = {**TASK, "description": "x" * 300}
        for path in (TASKS, OFFERS):
            detail, retry = _refused(api, path, large, 413)
            assert "(quota task_bytes: 300)" in detail
            assert not retry


def test_of_many_at_once_each_has_its_own_result() -> None:
    with serving(quotas={"tasks_in_flight": 3, "task_bytes": 300}) as api:
        bad: dict[str, Any] = {"executors": []}
        large = {**TASK, "description": "x" * 300}
        results = api.post(CREATE, [TASK, bad, large, TASK, TASK, TASK, TASK]).json()["results"]
        assert [each.get("problem", {}).get("status") for each in results] == [None, 400, 413, None, None, 429, 429]
        assert "(quota tasks_in_flight: 3)" in results[-1]["problem"]["detail"]
        assert api.gateway.stores.tasks.count() == 3


def test_a_task_that_is_wrong_takes_no_room() -> None:
    with serving(quotas={"tasks_in_flight": 1}) as api:
        for _ in range(3):
            unknown = {**TASK, "tags": {"protes.offer": "no-such-offer"}}
            assert api.post(TASKS, unknown).status_code == 400
        api.create()


def test_a_repeat_of_what_was_accepted_is_not_refused() -> None:
    with serving(quotas={"tasks_in_flight": 1, "tasks_stored": 1, "creations_per_minute": 1}) as api:
        _in_an_era_of_its_own(api)
        key = {"Idempotency-Key": "0123456789abcdef"}
        task_id = api.create(headers=key)
        assert api.create(headers=key) == task_id
        [again] = api.post(CREATE, [TASK], headers={"Idempotency-Key": "other-0123456789abcdef"}).json()["results"]
        assert again["problem"]["status"] == 429
        _refused(api)


def test_a_key_of_a_refused_request_is_good_later_and_counts() -> None:
    with serving(quotas={"creations_per_minute": 1}) as api:
        _in_an_era_of_its_own(api)
        api.create()
        keys = [{"Idempotency-Key": f"0123456789abcdef-{n}"} for n in range(3)]
        for key in keys:
            _refused(api, headers=key)
        api.clock.advance(200)
        api.create(headers=keys[0])
        # The others were given ids long ago, and are not free for that.
        _refused(api, headers=keys[1])
        api.clock.advance(61)
        api.create(headers=keys[1])


def test_owners_are_counted_apart_and_overrides_win() -> None:
    quotas = {
        "tasks_in_flight": 1,
        "overrides": [
            {"subjects": ["bob"], "tasks_in_flight": 2},
            {"roles": ["operator"], "tasks_in_flight": "unlimited"},
        ],
    }
    with serving(quotas=quotas, server={"operator_token": OPERATOR_TOKEN}) as api:
        _post_as(api, "ada")
        _post_as(api, "bob")
        _post_as(api, "bob")
        for subject in ("ada", "bob"):
            with pytest.raises(Problem, match="tasks_in_flight"):
                _post_as(api, subject)
        api.create()
        _refused(api)
        api.create(headers=OPERATOR)


def test_none_at_all_is_a_limit_and_waiting_does_not_help() -> None:
    with serving(quotas={"tasks_in_flight": 0}) as api:
        assert _refused(api)[1] == ""


def test_a_gateway_that_starts_again_counts_what_is_stored() -> None:
    stores = create_stores("memory:")
    with serving(stores, quotas={"tasks_in_flight": 2}) as api:
        api.create()
    with serving(stores, quotas={"tasks_in_flight": 2}) as api:
        api.create()
        _refused(api)


def _stores(tmp_path: Path) -> Stores:
    return create_stores(str(tmp_path / "protes.db"))


def test_parallel_requests_do_not_pass_the_limit(tmp_path: Path) -> None:
    quotas = {"tasks_in_flight": 5, "tasks_stored": 6, "creations_per_minute": 7}
    with serving(_stores(tmp_path), quotas=quotas) as api:
        answers = at_once([partial(api.post, TASKS, dict(TASK)) for _ in range(16)], 60.0)
        statuses = sorted(getattr(each, "status_code", 0) for each in answers)
        assert statuses == [200] * 5 + [429] * 11
        assert api.gateway.stores.tasks.count() == 5
