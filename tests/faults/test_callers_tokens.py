"""Instances that are shown the callers' own tokens, when these or the instances fail: in a whole gateway."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from protes.api.callers import ANONYMOUS
from protes.api.submission import Submission, submit
from protes.clock import ManualClock
from protes.store.factory import create_stores
from protes.store.protocols import StoreError
from protes.store.records import Phase, TaskRecord
from protes.tes.states import State
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.scripted_server import Answer, answer_html, answer_json, problem, redirect

pytestmark = pytest.mark.timeout(120)

OLD, NEW = (base64.b64encode(bytes([byte] * 32)).decode() for byte in (1, 2))
PASSED: dict[str, Any] = {"type": "pass_through", "hosts": ["127.0.0.1"]}
ANN, EVE = "Bearer canary-of-ann", "Bearer canary-of-eve"


@pytest.fixture(name="fake")
def _fake() -> Iterator[FakeTes]:
    with FakeTes() as fake:
        yield fake


@pytest.fixture(name="here")
def _here(fake: FakeTes) -> Iterator[Harness]:
    with Harness(instance("a", fake, credentials=PASSED), server={"secret_key": [OLD]}) as here:
        here.probe()
        yield here


def test_a_process_without_the_newest_key_decides_nothing(fake: FakeTes, here: Harness) -> None:
    fake.auto(2)
    same: dict[str, Any] = {"stores": here.stores, "clock": here.clock}
    with Harness(instance("a", fake, credentials=PASSED), server={"secret_key": [NEW, OLD]}, **same) as ahead:
        ahead.probe()
        running = here.post(authorization=ANN)
        here.turns(2, 2)
        assert fake.creates() == 1
        waiting = ahead.post(authorization=ANN)
        here.turns(8, 2)
        assert here.record(waiting).state is State.QUEUED
        assert not any(each.refused for each in here.record(waiting).attempts)
        assert here.state(running) == "COMPLETE"
        ahead.turns(20, 30)
        assert ahead.state(waiting) == "COMPLETE"
        assert fake.creates() == 2


def test_a_process_without_the_newest_key_leaves_running_tasks_as_they_are(fake: FakeTes, here: Harness) -> None:
    same: dict[str, Any] = {"stores": here.stores, "clock": here.clock}
    with Harness(instance("a", fake, credentials=PASSED), server={"secret_key": [NEW]}, **same) as ahead:
        ahead.probe()
        task = ahead.post(authorization=ANN)
        ahead.turns(4, 2)
        here.turns(40, 5)
        assert here.record(task).state in (State.QUEUED, State.INITIALIZING, State.RUNNING)
        assert here.services.federation.view().instances[0].status == "ok"
        fake.auto(1)
        ahead.turns(4, 5)
        assert ahead.state(task) == "COMPLETE"


def test_an_instance_that_refuses_good_tokens_for_a_while_keeps_its_tasks(fake: FakeTes, here: Harness) -> None:
    task = here.post(authorization=ANN)
    here.turns(3, 2)
    fake.fault("get", problem(401, "keys cannot be fetched"), times=10_000)
    here.turns(20, 30)
    assert here.record(task).state is not State.SYSTEM_ERROR
    assert here.services.federation.view().instances[0].status == "ok"
    fake.heal()
    fake.auto(1)
    here.turns(3, 10)
    assert here.state(task) == "COMPLETE"
    assert fake.creates() == 1


def test_a_task_missing_after_such_a_while_is_still_asked_for_again(fake: FakeTes, here: Harness) -> None:
    task = here.post(authorization=ANN)
    here.turns(3, 2)
    fake.fault("get", problem(401), times=10_000)
    here.turns(10, 30)
    fake.heal()
    fake.fault("get", problem(404), times=2)
    here.turns(2, 10)
    assert here.record(task).live_attempt is not None
    fake.auto(1)
    here.turns(9, 10)
    assert here.state(task) == "COMPLETE"


def test_a_token_that_stays_refused_ends_its_task_and_is_kept_for_its_copy(fake: FakeTes) -> None:
    settings: dict[str, Any] = {"server": {"secret_key": [OLD]}, "relay": {"lost_after_seconds": 3600}}
    with Harness(instance("a", fake, credentials=PASSED), **settings) as here:
        here.probe()
        task = here.post(authorization=ANN)
        here.turns(3, 2)
        fake.fault("get", problem(401), times=10_000)
        here.turns(14, 300)
        assert here.state(task) == "SYSTEM_ERROR"
        assert "refused" in here.notes(task)
        tokens = here.services.federation.tokens
        tokens.tidy(here.stores.tasks)
        assert tokens.credentials(task).authorization() == ANN
        fake.heal()
        here.runner.run("housekeeping", "")
        assert [each.state for each in fake.tasks.values()] == ["CANCELED"]
        here.turns(3, 700)
        tokens.tidy(here.stores.tasks)
        assert tokens.credentials(task).value is None


@pytest.mark.parametrize(("before", "after"), [("none", "caller"), ("caller", "none"), ("a", "b")])
def test_other_credentials_end_no_task(fake: FakeTes, tmp_path: Path, before: str, after: str) -> None:
    ways: dict[str, dict[str, Any]] = {"none": {"type": "none"}, "caller": PASSED}
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"token-{name}")
        ways[name] = {"type": "bearer", "secret_file": str(tmp_path / name)}
    server = {"secret_key": [OLD]}
    with Harness(instance("a", fake, credentials=ways[before]), server=server) as here:
        here.probe()
        task = here.post(authorization=ANN)
        here.turns(3, 2)
        same: dict[str, Any] = {"stores": here.stores, "clock": here.clock, "server": server}
        with Harness(instance("a", fake, credentials=ways[after]), **same) as changed:
            changed.probe()
            fake.fault("get", problem(404), times=10_000)  # whom it does not know it shows nothing
            changed.turns(30, 10)
            assert changed.record(task).live_attempt is not None
            fake.heal()
        fake.auto(1)
        here.turns(3, 10)
        assert here.state(task) == "COMPLETE"


def test_a_search_under_other_credentials_proves_nothing(fake: FakeTes) -> None:
    server = {"secret_key": [OLD]}
    with Harness(instance("a", fake, credentials=PASSED), server=server) as here:
        here.probe()
        fake.fault("create", "reset_after_commit")
        task = here.post(authorization=ANN)
        here.turns(1, 0)
        same: dict[str, Any] = {"stores": here.stores, "clock": here.clock, "server": server}
        with Harness(instance("a", fake), **same) as changed:
            changed.probe()
            fake.fault("list", answer_json({"tasks": []}), times=10_000)
            changed.turns(40, 10)
            assert changed.record(task).attempts[-1].phase is Phase.UNKNOWN
            assert fake.creates() == 1


@pytest.mark.parametrize(
    "bad",
    [problem(429, "slow down", Retry_After="3600"), redirect("http://login.invalid/"), problem(500), answer_html()],
    ids=["throttled", "login", "fault", "page"],
)
def test_one_callers_token_takes_the_instance_from_nobody_else(fake: FakeTes, here: Harness, bad: Answer) -> None:
    """Eve's requests are all answered badly; Ann's tasks run and are followed as if nothing were."""
    eves = [here.post(authorization=EVE) for _ in range(4)]
    here.turns(2, 2)
    fake.answers[EVE] = bad
    eves += [here.post(authorization=EVE) for _ in range(4)]
    here.turns(5, 5)
    anns = [here.post(authorization=ANN) for _ in range(2)]
    fake.auto(1)
    here.turns(6, 10)
    assert [here.state(each) for each in anns] == ["COMPLETE"] * 2
    assert here.services.federation.view().instances[0].status == "ok"
    assert not any(here.record(each).state.finished for each in eves)


def test_a_caller_who_is_not_allowed_in_is_not_sent_again(fake: FakeTes, here: Harness) -> None:
    fake.fault("create", problem(403, "not a member"), times=10_000)
    task = here.post(authorization=EVE)
    here.turns(5, 30)
    assert here.state(task) == "SYSTEM_ERROR"
    assert "not a member" in here.notes(task)
    assert fake.posts == 1


class Failing:
    """A task store that is slow, or not there, for the next task."""

    def __init__(self, store: Any, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock
        self.seconds = 0.0
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, record: TaskRecord) -> Any:
        self._clock.advance(self.seconds)
        fails, self.fails, self.seconds = self.fails, False, 0.0
        if fails:
            raise StoreError("not there")
        return self._store.create(record)


@pytest.fixture(name="store")
def _store() -> Failing:
    return Failing(create_stores("memory:").tasks, ManualClock())


@pytest.fixture(name="there")
def _there(fake: FakeTes, store: Failing) -> Iterator[Harness]:
    tasks: Any = store
    stores = replace(create_stores("memory:"), tasks=tasks)
    settings: dict[str, Any] = {"server": {"secret_key": [OLD]}, "stores": stores, "clock": store._clock}
    with Harness(instance("a", fake, credentials=PASSED), **settings) as there:
        there.probe()
        yield there


def submitted(there: Harness, token: str, base: str = "/ga4gh/tes/v1", key: str | None = None) -> str:
    wish = Submission(dict(TASK), base, token_kinds=("bearer",), authorization=SecretStr(token), key=key)
    return submit(there.services, ANONYMOUS, wish)


def test_a_repeat_runs_with_its_own_token_unless_the_task_is_there(there: Harness, store: Failing) -> None:
    key = "a-key-of-sixteen-or-more"
    store.fails = True
    with pytest.raises(StoreError):
        submitted(there, "Bearer that-ends-soon", key=key)
    task = submitted(there, ANN, key=key)
    assert submitted(there, EVE, key=key) == task
    assert there.services.federation.tokens.credentials(task).authorization() == ANN


def test_what_is_sent_again_with_another_token_is_another_task(there: Harness, store: Failing) -> None:
    store.seconds = 9.0
    task = submitted(there, ANN)
    assert submitted(there, ANN, base="/v1") == task
    assert submitted(there, EVE, base="/v1") != task
