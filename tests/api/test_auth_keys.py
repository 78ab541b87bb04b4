"""An issuer's keys come, go and cannot be had, while a gateway takes its tokens (DESIGN.md section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from protes.clock import ManualClock
from tests.api.conftest import Api, problem_of, serving
from tests.support.auth import bearer, challenge, issuer_settings, oidc
from tests.support.issuer import DISCOVERY, JWKS, Issuer
from tests.support.scripted_server import Behaviour, Endless, HangUp, Stall, answer, answer_html, answer_json, redirect
from tests.support.waiting import wait_until

TASKS = "/ga4gh/tes/v1/tasks"
HOUR, REFRESH, REFETCH = 3600.0, 300.0, 30.0
LASTING: dict[str, Any] = {"exp": 4_000_000_000}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        yield issuer


@pytest.fixture
def gate(issuer: Issuer) -> Iterator[Api]:
    with serving(auth=oidc(issuer_settings(issuer), fetch_seconds=2)) as api:
        issuer.clock = api.clock
        yield api


def status(gate: Api, token: str) -> int:
    return gate.get(TASKS, headers=bearer(token)).status_code


def test_keys_are_fetched_once_for_many_requests(gate: Api, issuer: Issuer) -> None:
    assert issuer.fetches == 0
    assert [status(gate, issuer.token(f"user-{number}")) for number in range(20)] == [200] * 20
    assert issuer.fetches == 1
    assert issuer.server.count("GET", DISCOVERY) == 1
    assert all("Authorization" not in each.headers for each in issuer.server.requests())


def test_an_issuer_that_is_down_for_an_hour(gate: Api, issuer: Issuer) -> None:
    known = issuer.token(**LASTING)
    assert status(gate, known) == 200
    issuer.server.refuse()
    unknown = issuer.token(kid=issuer.add_key(published=True), **LASTING)
    for _ in range(60):
        gate.clock.advance(60)
        assert status(gate, known) == 200
        assert status(gate, issuer.token("somebody-new", kid="key-0", **LASTING)) == 200
    answer = gate.get(TASKS, headers=bearer(unknown))
    problem_of(answer, 401)
    assert challenge(answer)[1]["error"] == "invalid_token"
    issuer.server.resume()
    gate.clock.advance(REFETCH)
    assert status(gate, unknown) == 200


def test_known_keys_do_not_work_for_ever(gate: Api, issuer: Issuer) -> None:
    token = issuer.token(**LASTING)
    assert status(gate, token) == 200
    issuer.server.refuse()
    gate.clock.advance(23 * HOUR)
    assert status(gate, token) == 200
    gate.clock.advance(2 * HOUR)
    assert status(gate, token) == 503


def test_without_any_keys_it_is_503(gate: Api, issuer: Issuer) -> None:
    issuer.server.refuse()
    answer = gate.get(TASKS, headers=bearer(issuer.token(**LASTING)))
    assert "cannot be checked" in problem_of(answer, 503)["detail"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    assert "WWW-Authenticate" not in answer.headers
    assert gate.get("/ga4gh/tes/v1/service-info").status_code == 200
    issuer.server.resume()
    assert status(gate, issuer.token(**LASTING)) == 503  # it is not asked again at once
    assert issuer.fetches == 0
    gate.clock.advance(int(answer.headers["Retry-After"]))
    assert status(gate, issuer.token(**LASTING)) == 200


BAD: dict[str, tuple[str, Behaviour]] = {
    "keys: html": (JWKS, answer_html()),
    "keys: error": (JWKS, answer(500)),
    "keys: garbage": (JWKS, answer(200, b"\x00\xff{", "application/json")),
    "keys: a list": (JWKS, answer_json([])),
    "keys: no keys": (JWKS, answer_json({})),
    "keys: keys that are none": (JWKS, answer_json({"keys": [1, 2]})),
    "keys: far too many": (JWKS, answer_json({"keys": [{"kty": "RSA"}] * 200})),
    "keys: hang-up": (JWKS, HangUp()),
    "keys: endless": (JWKS, Endless()),
    "keys: stall": (JWKS, Stall()),
    "keys: redirect": (JWKS, redirect("/elsewhere")),
    "discovery: html": (DISCOVERY, answer_html()),
    "discovery: another issuer's": (DISCOVERY, answer_json({"issuer": "https://x.example.org", "jwks_uri": "x"})),
    "discovery: redirect": (DISCOVERY, redirect("/elsewhere")),
    "discovery: no issuer": (DISCOVERY, answer_json({})),
    "discovery: a list": (DISCOVERY, answer_json([])),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_answer_of_an_issuer_changes_nothing(gate: Api, issuer: Issuer, case: str) -> None:
    path, behaviour = BAD[case]
    issuer.server.on("GET", "/elsewhere", answer_json({"keys": list(issuer.published.values())}))
    issuer.server.inject("GET", path, behaviour)
    token = issuer.token(**LASTING)
    assert status(gate, token) == 503
    gate.clock.advance(5)
    assert status(gate, token) == 200  # the next answer is right
    issuer.server.inject("GET", path, behaviour, times=3)
    gate.clock.advance(REFRESH)
    assert status(gate, token) == 200
    assert issuer.server.count("GET", "/elsewhere") == 0


@pytest.mark.parametrize(
    "jwks_uri", [None, 7, "ftp://127.0.0.1/jwks", "http://192.0.2.1/jwks", "http://user:pw@127.0.0.1/jwks", "http://["]
)
def test_keys_are_not_fetched_from_anywhere(gate: Api, issuer: Issuer, jwks_uri: Any) -> None:
    issuer.discovery["jwks_uri"] = jwks_uri
    assert status(gate, issuer.token()) == 503
    assert issuer.fetches == 0


def test_a_key_may_be_rotated(gate: Api, issuer: Issuer) -> None:
    before = issuer.token(**LASTING)
    assert status(gate, before) == 200
    gate.clock.advance(REFETCH)
    issuer.rotate()
    assert status(gate, issuer.token(**LASTING)) == 200  # an unknown key: they are fetched
    assert status(gate, before) == 200
    assert issuer.fetches == 2


def test_made_up_names_of_keys_do_not_make_us_a_nuisance(gate: Api, issuer: Issuer) -> None:
    assert status(gate, issuer.token(**LASTING)) == 200
    for number in range(100):
        assert status(gate, issuer.token(head={"kid": f"made-up-{number}"})) == 401
    assert issuer.fetches == 1
    gate.clock.advance(REFETCH)
    for number in range(100):
        assert status(gate, issuer.token(head={"kid": f"made-up-{number}"})) == 401
    assert issuer.fetches == 2


def test_a_key_that_was_taken_back_is_refused_in_time(gate: Api, issuer: Issuer) -> None:
    old = issuer.token(**LASTING)
    assert status(gate, old) == 200
    issuer.rotate()
    issuer.revoke("key-0")
    assert status(gate, old) == 200  # nobody has asked since
    gate.clock.advance(REFRESH)
    assert status(gate, old) == 401
    assert status(gate, issuer.token(**LASTING)) == 200


def test_an_issuer_may_take_all_its_keys_back(gate: Api, issuer: Issuer) -> None:
    token = issuer.token(**LASTING)
    assert status(gate, token) == 200
    issuer.revoke("key-0")
    gate.clock.advance(REFRESH)
    assert status(gate, token) == 401


def test_keys_are_renewed_beside_requests(gate: Api, issuer: Issuer) -> None:
    token = issuer.token(**LASTING)
    assert status(gate, token) == 200
    issuer.rotate()
    issuer.revoke("key-0")
    gate.clock.advance(REFRESH / 2)
    status(gate, token)
    wait_until(lambda: issuer.fetches == 2, "the keys are fetched again", 30)
    wait_until(lambda: status(gate, token) == 401, "the key is gone", 30)


def test_a_token_expires_while_it_is_in_use(gate: Api, issuer: Issuer) -> None:
    token = issuer.token()
    assert status(gate, token) == 200
    gate.clock.advance(300 + 59)
    assert status(gate, token) == 200
    gate.clock.advance(1)
    answer = gate.get(TASKS, headers=bearer(token))
    assert "expired" in problem_of(answer, 401)["detail"]
    assert issuer.clock.now() - ManualClock().now() == timedelta(seconds=360)
