"""Instances that are shown tokens got for the callers', in a whole gateway: lives, refusals, outages, crashes, keys."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from protes.api.callers import Caller
from protes.api.submission import Submission, submit
from protes.clock import ManualClock
from protes.federation.exchange_sessions import KIND, USE_KIND
from protes.planning.consent import Consent
from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.scripted_server import problem
from tests.support.token_endpoint import CLIENT, EXCHANGE, SECRET, OnlyLive, TokenEndpoint, form_of, refusal

pytestmark = pytest.mark.timeout(120)

OLD, NEW = (base64.b64encode(bytes([byte] * 32)).decode() for byte in (1, 2))
ANN = "canary-of-ann"
TES = "/ga4gh/tes/v1"


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="endpoint")
def _endpoint(clock: ManualClock) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(clock) as endpoint:
        yield endpoint


@pytest.fixture(name="fake")
def _fake(endpoint: TokenEndpoint) -> Iterator[FakeTes]:
    with FakeTes() as fake:
        fake.answers = OnlyLive(endpoint)
        yield fake


@pytest.fixture(name="here")
def _here(fake: FakeTes, endpoint: TokenEndpoint, clock: ManualClock, tmp_path: Path) -> Iterator[Harness]:
    with gateway(fake, endpoint, clock, tmp_path) as here:
        yield here


def gateway(
    fake: FakeTes,
    endpoint: TokenEndpoint,
    clock: ManualClock,
    tmp_path: Path,
    keys: tuple[str, ...] = (OLD,),
    **more: Any,
) -> Harness:
    credentials = endpoint.settings(tmp_path / "secret")
    here = Harness(instance("a", fake, credentials=credentials), clock=clock, server={"secret_key": list(keys)}, **more)
    here.probe()
    return here


def runs(here: Harness, task: str) -> bool:
    """Whether an instance has the task, and nobody has given it up."""
    record = here.record(task)
    return record.live_attempt is not None and not record.state.finished


def sessions(here: Harness) -> list[str]:
    return [each.key for each in here.stores.records.scan(KIND, "", here.clock.now())]


def test_a_task_outlives_three_lives_of_its_tokens_and_the_callers_own(
    fake: FakeTes, endpoint: TokenEndpoint, here: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    task = here.post(authorization=endpoint.know(ANN, seconds=900))
    for _ in range(40):
        here.turn(60)  # four lives of 600 s, and far more than the caller's 900 s
    assert runs(here, task)
    assert endpoint.asked(EXCHANGE) == 1
    assert endpoint.asked("refresh_token") >= 4
    [issued] = endpoint.issued
    assert not issued.revoked  # no refresh token was used twice
    fake.auto(1)
    here.turns(4, 10)
    assert here.state(task) == "COMPLETE"
    assert fake.creates() == 1
    assert sessions(here) == []
    assert not here.stores.records.scan(USE_KIND, "", here.clock.now())
    assert not here.stores.records.scan("caller-token", "", here.clock.now())
    told = caplog.text + here.notes(task) + json.dumps(here.task(task)) + repr(here.settings)
    assert "canary" not in told
    assert SECRET not in told


def test_what_is_asked_for(endpoint: TokenEndpoint, fake: FakeTes, clock: ManualClock, tmp_path: Path) -> None:
    more = {"scope": "tes.read tes.write", "resource": fake.url, "requested_token_type": "urn:x", "audience": None}
    credentials = endpoint.settings(tmp_path / "secret", client_authentication="basic", **more)
    with Harness(instance("a", fake, credentials=credentials), clock=clock, server={"secret_key": [OLD]}) as here:
        here.probe()
        here.post(authorization=endpoint.know(ANN))
        here.turns(2, 1)
    [request] = endpoint.server.requests()
    assert form_of(request) == {
        "grant_type": EXCHANGE,
        "subject_token": ANN,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "requested_token_type": "urn:x",
        "scope": "tes.read tes.write",
        "resource": fake.url,
    }
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    shown = {each.headers.get("Authorization") for each in fake.server.requests("POST", "*/tasks")}
    assert shown == {"Bearer canary-access-1"}  # never the caller's own


def test_tasks_of_one_token_share_an_exchange_until_the_last_has_ended(
    fake: FakeTes, endpoint: TokenEndpoint, here: Harness
) -> None:
    tasks = [here.post(authorization=endpoint.know(ANN)) for _ in range(5)]
    other = here.post(authorization=endpoint.know("canary-of-eve"))
    here.turns(3, 2)
    assert endpoint.asked(EXCHANGE) == 2
    assert len(sessions(here)) == 2
    here.cancel(other)
    here.turns(4, 2)
    assert here.state(other) == "CANCELED"
    assert len(sessions(here)) == 1
    fake.auto(1)
    here.turns(4, 5)
    assert {here.state(each) for each in tasks} == {"COMPLETE"}
    assert sessions(here) == []


def test_an_exchange_that_is_refused_is_that_tasks_affair(
    fake: FakeTes, endpoint: TokenEndpoint, here: Harness
) -> None:
    bad = here.post(authorization="Bearer canary-of-nobody")
    good = here.post(authorization=endpoint.know(ANN))
    fake.auto(1)
    here.turns(8, 5)
    assert here.state(bad) == "SYSTEM_ERROR"
    assert "is not exchanged by" in here.notes(bad)
    assert "refused with 400" in here.notes(bad)
    assert "canary" not in here.notes(bad)
    assert here.state(good) == "COMPLETE"
    assert here.services.federation.view().instances[0].status == "ok"


@pytest.mark.parametrize("outage", [problem(503), refusal("invalid_client", "", 401), problem(404), problem(429)])
def test_an_endpoint_that_is_down_fails_no_task(
    fake: FakeTes, endpoint: TokenEndpoint, here: Harness, outage: Any
) -> None:
    endpoint.server.inject("POST", "/token", outage, times=10_000)
    task = here.post(authorization=endpoint.know(ANN, seconds=7200))
    here.turns(20, 60)
    assert here.state(task) == "QUEUED"
    assert here.services.federation.view().instances[0].status == "ok"
    endpoint.server.on("POST", "/token", endpoint.answer)
    fake.auto(1)
    here.turns(8, 30)
    assert here.state(task) == "COMPLETE"
    assert fake.creates() == 1


def test_an_outage_while_a_task_runs_leaves_it_as_it_is(fake: FakeTes, endpoint: TokenEndpoint, here: Harness) -> None:
    task = here.post(authorization=endpoint.know(ANN, seconds=900))
    here.turns(4, 5)
    endpoint.server.refuse()
    here.turns(30, 60)
    assert runs(here, task)
    assert here.services.federation.view().instances[0].status == "ok"
    endpoint.server.resume()
    fake.auto(1)
    here.turns(8, 30)
    assert here.state(task) == "COMPLETE"


def test_a_task_that_waits_may_wait_longer_than_its_callers_token_lives(
    fake: FakeTes, endpoint: TokenEndpoint, here: Harness
) -> None:
    fake.server.refuse()
    task = here.post(authorization=endpoint.know(ANN, seconds=900))
    for _ in range(30):
        here.turn(60)
        here.runner.run("housekeeping", "")
    assert here.state(task) == "QUEUED"
    assert endpoint.asked(EXCHANGE) == 1
    fake.server.resume()
    fake.auto(1)
    here.turns(20, 30)
    assert here.state(task) == "COMPLETE"


@pytest.mark.parametrize("said", ["nothing", "by the task", "by its owner"])
def test_no_token_is_shown_to_a_token_server_of_where_the_task_may_not_go(
    fake: FakeTes, endpoint: TokenEndpoint, clock: ManualClock, tmp_path: Path, said: str
) -> None:
    tags = {"protes.instances": '{"type": "allow", "instances": ["b"]}'} if said == "by the task" else {}
    credentials = endpoint.settings(tmp_path / "secret")
    with FakeTes() as other:
        both = (instance("a", fake, credentials=credentials), instance("b", other))
        with Harness(*both, clock=clock, server={"secret_key": [OLD]}) as here:
            here.probe()
            for each in (fake, other):
                each.server.refuse()
            if said == "by its owner":
                here.services.planner.consents.put("ann", Consent(allow=False, instances=("a",)))
            shown = SecretStr(endpoint.know(ANN))
            submission = Submission({**TASK, "tags": tags}, TES, token_kinds=("bearer",), authorization=shown)
            task = submit(here.services, Caller("ann"), submission)
            for _ in range(3):
                here.turn(60)
                here.runner.run("housekeeping", "")
            assert here.state(task) == "QUEUED"
    assert endpoint.asked(EXCHANGE) == (said == "nothing")


def test_without_refresh_tokens_a_task_lives_as_long_as_its_callers_token(
    fake: FakeTes, clock: ManualClock, tmp_path: Path
) -> None:
    with TokenEndpoint(clock, refreshes=False) as endpoint:
        fake.answers = OnlyLive(endpoint)
        with gateway(fake, endpoint, clock, tmp_path) as here:
            task = here.post(authorization=endpoint.know(ANN, seconds=2000))
            here.turns(30, 60)
            assert endpoint.asked(EXCHANGE) >= 3
            assert runs(here, task)
            here.turns(60, 60)
            assert here.state(task) == "SYSTEM_ERROR"
            assert "the caller's token, which has ended or is refused" in here.notes(task)


def test_a_token_that_is_taken_back_is_replaced(fake: FakeTes, endpoint: TokenEndpoint, here: Harness) -> None:
    first = here.post(authorization=endpoint.know(ANN))
    here.turns(3, 5)
    endpoint.revoke("canary-access-1")
    here.turns(3, 5)
    assert runs(here, first)
    assert endpoint.asked("refresh_token") == 1
    here.turns(1, 60)  # at most one token a minute is given up
    endpoint.revoke("canary-access-2")
    second = here.post(authorization=f"Bearer {ANN}")
    here.turns(12, 20)
    fake.auto(1)
    here.turns(8, 20)
    assert {here.state(first), here.state(second)} == {"COMPLETE"}
    assert fake.creates() == 2


def test_keys_are_rotated_while_tasks_run(
    fake: FakeTes, endpoint: TokenEndpoint, here: Harness, clock: ManualClock, tmp_path: Path
) -> None:
    first = here.post(authorization=endpoint.know(ANN, seconds=900))
    here.turns(3, 5)
    with gateway(fake, endpoint, clock, tmp_path, (NEW, OLD), stores=here.stores) as rotated:
        rotated.turns(30, 60)
        assert endpoint.asked("refresh_token") >= 2
        # One that still has the old key only can do nothing, and harms nothing.
        here.turns(10, 60)
        assert runs(here, first)
        fake.auto(1)
        rotated.turns(4, 30)
        assert rotated.state(first) == "COMPLETE"
        assert sessions(rotated) == []
    [issued] = endpoint.issued
    assert not issued.revoked


def test_a_caller_without_a_bearer_token_is_refused_at_once(endpoint: TokenEndpoint, here: Harness) -> None:
    basic = "Basic " + base64.b64encode(b"ann:canary").decode()
    with pytest.raises(Exception, match="does not take basic tokens"):
        here.post(authorization=basic)
    with pytest.raises(Exception, match="callers' own tokens"):
        here.post()
    assert endpoint.server.count() == 0
