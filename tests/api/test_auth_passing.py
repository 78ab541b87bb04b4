"""Instances that want their callers' own tokens, behind a gateway that checks them (docs/credentials.md)."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from protes.auth.passwords import hash_password
from protes.clock import ManualClock
from tests.api.conftest import TASK, Api, problem_of, serving
from tests.support.auth import OPERATOR_TOKEN, basic, bearer, issuer_settings, oidc
from tests.support.dialects.ours import Node
from tests.support.issuer import Issuer

KEY = base64.b64encode(bytes(range(32))).decode()
TASKS = "/ga4gh/tes/v1/tasks"


@pytest.fixture(scope="module", name="issuer")
def _issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture(scope="module", name="fake")
def _fake() -> Iterator[Node]:
    with Node() as fake:
        yield fake


@pytest.fixture(scope="module", name="passing")
def _passing(issuer: Issuer, fake: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    users = tmp_path_factory.mktemp("auth") / "users"
    users.write_text(f"bob:{hash_password('swordfish')}\n")
    credentials = {"type": "pass_through", "hosts": ["127.0.0.1"]}
    with serving(
        auth={**oidc(issuer_settings(issuer)), "mode": "basic+oidc", "users_file": str(users)},
        server={"secret_key": KEY, "operator_token": OPERATOR_TOKEN},
        instances=[{"id": "a", "url": fake.url, "credentials": credentials}],
        sources={"http_sizes": False, "drs": False},
    ) as api:
        issuer.clock = api.clock
        federation = api.gateway.services.federation
        for key in federation.due_probes():
            federation.probe(key)
        yield api


def test_the_token_that_was_checked_is_the_one_that_is_passed_on(passing: Api, issuer: Issuer) -> None:
    token = issuer.token("ann")
    task_id = passing.create(headers=bearer(token))
    tokens = passing.gateway.services.federation.tokens
    assert tokens.credentials(task_id).authorization() == f"Bearer {token}"
    assert passing.record(task_id).owner == "local:ann"


@pytest.mark.parametrize("headers", [basic("bob", "swordfish"), bearer(OPERATOR_TOKEN)], ids=["password", "operator"])
def test_what_opens_the_gateway_alone_is_shown_to_no_instance(
    passing: Api, fake: Node, headers: dict[str, str]
) -> None:
    answer = passing.post(TASKS, dict(TASK), headers=headers)
    assert "runs tasks with their callers' own tokens" in problem_of(answer, 400)["detail"]
    assert not any(each.headers.get("Authorization") == headers["Authorization"] for each in fake.server.requests())


def test_a_token_that_is_refused_is_not_kept(passing: Api, issuer: Issuer) -> None:
    records, now = passing.gateway.stores.records, passing.clock.now()
    before = len(list(records.scan("caller-token", "", now)))
    problem_of(passing.post(TASKS, dict(TASK), headers=bearer(issuer.token(aud="x"))), 401)
    assert len(list(records.scan("caller-token", "", now))) == before


def test_the_token_is_in_no_answer(passing: Api, issuer: Issuer) -> None:
    token = issuer.token("carla")
    task_id = passing.create(headers=bearer(token))
    for path in (f"{TASKS}/{task_id}?view=FULL", f"/protes/v1/tasks/{task_id}/routing", TASKS, "/protes/v1/instances"):
        answer = passing.get(path, headers=bearer(token))
        assert answer.status_code == 200
        assert token not in answer.text + str(answer.headers)
    assert token not in repr(passing.record(task_id))
