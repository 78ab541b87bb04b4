"""Which tokens that arrive by HTTP are passed on to an instance, and that nothing else ever is."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from protes.store.factory import create_stores
from tests.api.conftest import OPERATOR_TOKEN, Api, problem_of, serving
from tests.support.dialects.ours import Node

KEY = base64.b64encode(bytes(range(32))).decode()
ANN = "Bearer canary-of-ann-5f3a"


@pytest.fixture(name="fake")
def _fake() -> Iterator[Node]:
    with Node() as fake:
        yield fake


@pytest.fixture(name="passing")
def _passing(fake: Node, tmp_path: Path) -> Iterator[Api]:
    credentials = {"type": "pass_through", "hosts": ["127.0.0.1"]}
    with serving(
        create_stores(str(tmp_path / "store")),
        server={"secret_key": KEY, "operator_token": OPERATOR_TOKEN},
        instances=[{"id": "a", "url": fake.url, "credentials": credentials}],
        sources={"http_sizes": False, "drs": False},
    ) as api:
        federation = api.gateway.services.federation
        for key in federation.due_probes():
            federation.probe(key)
        yield api


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic Tm9uZTpOb25l", "Basic Og==", f"Bearer {OPERATOR_TOKEN}"],
    ids=["none", "empty", "bare", "py-tes", "empty-basic", "operator"],
)
def test_what_is_no_token_of_the_caller_is_kept_from_the_instance(
    passing: Api, fake: Node, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = passing.post("/ga4gh/tes/v1/tasks", {"executors": [{"image": "a", "command": ["b"]}]}, headers=headers)
    assert "runs tasks with their callers' own tokens" in problem_of(answer, 400)["detail"]
    records = passing.gateway.stores.records
    assert not list(records.scan("caller-token", "", passing.clock.now()))
    assert not any("Authorization" in each.headers for each in fake.server.requests())


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic"])
def test_a_callers_token_is_kept_encrypted_until_the_task_has_ended(
    passing: Api, tmp_path: Path, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = base64.b64encode(b"ann:canary-of-ann").decode()
    task_id = passing.create(headers={"Authorization": f"{scheme} {canary}"})
    records, tokens = passing.gateway.stores.records, passing.gateway.services.federation.tokens
    assert records.get("caller-token", task_id, passing.clock.now()) is not None
    assert tokens.credentials(task_id).authorization() == f"{scheme} {canary}"
    assert passing.task(task_id)["state"] == "QUEUED"
    routing = passing.get(f"/protes/v1/tasks/{task_id}/routing").text
    assert canary not in routing + caplog.text + repr(passing.record(task_id))
    for file in (tmp_path / "store").rglob("*"):
        assert canary.encode() not in file.read_bytes()
    passing.post(f"/ga4gh/tes/v1/tasks/{task_id}:cancel")
    tokens.tidy(passing.gateway.stores.tasks)
    assert records.get("caller-token", task_id, passing.clock.now()) is None


def test_an_idempotent_repeat_keeps_the_first_token(passing: Api) -> None:
    keyed = {"Idempotency-Key": "a-key-of-sixteen-or-more"}
    first = passing.create(headers={**keyed, "Authorization": ANN})
    assert passing.create(headers={**keyed, "Authorization": "Bearer another"}) == first
    assert passing.gateway.services.federation.tokens.credentials(first).authorization() == ANN
