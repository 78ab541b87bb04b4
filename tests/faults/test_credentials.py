"""Instances that are shown tokens of a token server, in a whole gateway."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.fake_tes import FakeTes
from tests.support.harness import TASK, Harness, instance
from tests.support.processes import TOKEN, gateway
from tests.support.scripted_server import Answer, Request, ScriptedServer, answer_json, problem
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(120)

SECRET = "hunter2-of-the-client"
PATIENCE_SECONDS = 60.0


def grant(request: Request, secret: str = SECRET) -> Answer:
    if secret.encode() not in request.body:
        return answer_json({"error": "invalid_client"}, 401)
    return answer_json({"access_token": TOKEN, "token_type": "Bearer", "expires_in": "3599"})


@pytest.fixture(name="tokens")
def _tokens() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.on("POST", "/token", grant)
        yield server


@pytest.fixture(name="secret")
def _secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return file


def shown(tokens: ScriptedServer, secret: Path) -> dict[str, Any]:
    url = f"{tokens.url}/token"
    return {"type": "oauth2", "token_url": url, "client_id": "gateway", "secret_file": str(secret), "scope": "tes"}


def test_tasks_are_sent_and_relayed_with_one_token(
    tokens: ScriptedServer, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeTes(token=TOKEN) as fake, Harness(instance("a", fake, credentials=shown(tokens, secret))) as here:
        fake.auto(1)
        here.probe()
        ids = [here.post() for _ in range(3)]
        here.turns(6, 5)
        assert [here.state(each) for each in ids] == ["COMPLETE"] * 3
        assert tokens.count() == 1
        told = caplog.text + repr(here.settings) + "".join(map(here.notes, ids))
        assert SECRET not in told
        assert TOKEN not in told


def test_a_token_server_that_fails_harms_only_its_instances(tokens: ScriptedServer, secret: Path) -> None:
    sick = shown(tokens, secret)
    with (
        FakeTes(token=TOKEN) as a,
        FakeTes() as b,
        Harness(instance("a", a, credentials=sick, prices={"cpu_core_hour": 0}), instance("b", b)) as here,
    ):
        tokens.inject("POST", "/token", problem(503), times=100)
        b.auto(1)
        here.probe()
        ids = [here.post(weight="0") for _ in range(3)]
        here.turns(6, 5)
        assert [here.state(each) for each in ids] == ["COMPLETE"] * 3
        assert (a.creates(), b.creates()) == (0, 3)
        assert a.server.count() == 0


def test_tasks_wait_for_a_token_server_and_run_once(tokens: ScriptedServer, secret: Path) -> None:
    with FakeTes(token=TOKEN) as fake, Harness(instance("a", fake, credentials=shown(tokens, secret))) as here:
        fake.auto(1)
        here.probe()
        here.services.federation.forget_view()
        here.clock.advance(3590)  # the token is spent
        tokens.refuse()
        task = here.post()
        here.turns(5, 2)
        assert here.state(task) == "QUEUED"
        assert fake.creates() == 0
        tokens.resume()
        here.turns(20, 30)
        assert here.state(task) == "COMPLETE"
        assert fake.creates() == 1


def test_a_changed_secret_is_taken_over_without_a_restart(tokens: ScriptedServer, secret: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"reload": {"watch_seconds": 0.1}, "health": {"probe_seconds": 1}}
    secret.write_text("the old one")
    with FakeTes(token=TOKEN) as fake:
        fake.auto(1)
        settings["instances"] = [{"id": "a", "url": fake.url, "credentials": shown(tokens, secret)}]
        with gateway(tmp_path / "gateway", settings) as (url, _):
            tokens.wait_for("POST", timeout_seconds=PATIENCE_SECONDS)
            log = tmp_path / "gateway" / "log"
            wait_until(lambda: "invalid_client" in log.read_text(), "the refusal is told", PATIENCE_SECONDS)
            secret.write_text(SECRET)
            task = requests.post(f"{url}/ga4gh/tes/v1/tasks", json=dict(TASK), timeout=30).json()["id"]
            one = f"{url}/ga4gh/tes/v1/tasks/{task}"
            wait_until(
                lambda: requests.get(one, timeout=60).json()["state"] == "COMPLETE", "the task runs", PATIENCE_SECONDS
            )
        said = log.read_text()
        assert "secrets were read again" in said
        assert SECRET not in said
        assert TOKEN not in said
        for file in (tmp_path / "gateway" / "data").rglob("*"):
            assert not file.is_file() or TOKEN.encode() not in file.read_bytes()
