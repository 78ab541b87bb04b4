"""Tokens by client credentials, against a real token server and a real instance with scripted faults."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from protes.clock import Clock, ManualClock, SystemClock
from protes.tes.credentials import NoToken
from protes.tes.errors import Refused, Unreachable
from protes.tes.oauth2 import ClientCredentials, TokenGrant
from protes.tes.timeouts import Timeouts
from protes.tes.token_lifetime import lifetime_of
from protes.tes.transport import Transport
from tests.support.scripted_server import (
    Endless,
    Request,
    Reset,
    ScriptedServer,
    Stall,
    Step,
    answer,
    answer_json,
    problem,
    redirect,
    refused_url,
)
from tests.support.waiting import at_once

SECRET = "hunter2/+ &="
PATH = "/tenant/oauth2/token"
PATIENT = Timeouts(connect_seconds=20, read_seconds=20, get_seconds=30, post_seconds=30)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def given(number: int, **fields: object) -> Step:
    return answer_json({"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 3600, **fields})


def credentials(server: ScriptedServer, clock: Clock | None = None, **more: object) -> ClientCredentials:
    grant = TokenGrant(server.url + PATH, "me", SecretStr(SECRET), **more)  # type: ignore[arg-type]
    return ClientCredentials(grant, clock or SystemClock())


def jwt(**claims: object) -> str:
    head, body = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({}, claims))
    return f"{head}.{body}.c2ln"


def form_of(request: Request) -> dict[str, str]:
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def test_what_is_asked_for(server: ScriptedServer, clock: ManualClock) -> None:
    server.on("POST", "*", given(1))
    assert credentials(server, clock, parameters={"resource": "api://x"}).authorization() == "Bearer token-1"
    [request] = server.requests("POST", PATH)
    assert form_of(request) == {
        "grant_type": "client_credentials",
        "client_id": "me",
        "client_secret": SECRET,
        "resource": "api://x",
    }
    assert "Authorization" not in request.headers


def test_id_and_secret_may_go_into_the_header(server: ScriptedServer, clock: ManualClock) -> None:
    server.on("POST", "*", given(1))
    credentials(server, clock, authentication="basic", parameters={"scope": "a b"}).authorization()
    [request] = server.requests()
    assert form_of(request) == {"grant_type": "client_credentials", "scope": "a b"}
    encoded = request.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"me:hunter2%2F%2B+%26%3D"


def test_path_and_query_of_the_endpoint_stay(server: ScriptedServer, clock: ManualClock) -> None:
    server.on("POST", "*", given(1))
    grant = TokenGrant(f"{server.url}/o/token/?p=a%2Fb", "me", SecretStr(SECRET))
    ClientCredentials(grant, clock).authorization()
    assert [each.target for each in server.requests()] == ["/o/token/?p=a%2Fb"]


@pytest.mark.parametrize(("lifetime", "kept"), [(3600, 3299), (600, 299), (100, 49)])
def test_a_token_is_kept_until_shortly_before_its_end(
    server: ScriptedServer, clock: ManualClock, lifetime: int, kept: int
) -> None:
    server.on("POST", "*", given(1, expires_in=str(lifetime)), given(2))
    token = credentials(server, clock)
    token.authorization()
    clock.advance(kept)
    assert token.authorization() == "Bearer token-1"
    clock.advance(2)
    assert token.authorization() == "Bearer token-2"
    assert server.count() == 2


@pytest.mark.parametrize(
    ("document", "seconds"),
    [
        ({"expires_in": 3599}, 3599),
        ({"expires_in": "3599", "expires_on": "1900"}, 900),
        ({"expires_on": "9/29/2030 1:00:00 PM +00:00"}, 300),
        ({"expires_in": 60, "access_token": jwt(exp=5000)}, 60),
        ({"expires_in": 9999, "access_token": jwt(exp=1030)}, 30),
        ({"access_token": jwt(exp=1030.5)}, 30.5),
        ({"access_token": "a.b.c"}, 300),
        ({"access_token": "a.ü.c"}, 300),
        ({"access_token": jwt(exp=True)}, 300),
        ({"expires_in": "soon"}, 300),
        ({"expires_in": "inf"}, 300),
        ({"expires_in": 10**400}, 300),
        ({}, 300),
    ],
)
def test_how_long_a_token_lives(document: dict[str, object], seconds: float) -> None:
    assert lifetime_of(document, 1000.0) == seconds


def test_threads_wait_for_one_request(server: ScriptedServer) -> None:
    server.on("POST", "*", given(1))
    token = credentials(server)
    assert at_once([token.authorization] * 20) == ["Bearer token-1"] * 20
    assert server.count() == 1


def test_threads_share_a_failure(server: ScriptedServer) -> None:
    server.on("POST", "*", problem(503))
    token = credentials(server)
    assert {type(each) for each in at_once([token.authorization] * 20)} == {NoToken}
    assert server.count() == 1


def test_nobody_waits_while_the_old_token_lives(server: ScriptedServer, clock: ManualClock) -> None:
    release = Stall()
    server.on("POST", "*", given(1), release)
    token = credentials(server, clock)
    token.authorization()
    clock.advance(3400)
    outcomes: list[str] = []

    def use_the_old_one() -> str:
        server.wait_for("POST", count=2)
        outcomes.append(token.authorization())
        server.refuse()
        return ""

    at_once([token.authorization, use_the_old_one])
    assert outcomes == ["Bearer token-1"]
    server.resume()


def test_the_old_token_is_used_while_it_lives_and_no_longer(server: ScriptedServer, clock: ManualClock) -> None:
    server.on("POST", "*", given(1), problem(503))
    token = credentials(server, clock)
    token.authorization()
    clock.advance(3400)
    assert token.authorization() == "Bearer token-1"
    assert token.authorization() == "Bearer token-1"
    assert server.count() == 2
    clock.advance(150)
    with pytest.raises(NoToken, match="failed with 503"):
        token.authorization()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (answer_json({"error": "invalid_client", "error_description": f"AADSTS1: {SECRET} is wrong"}, 401), "AADSTS1"),
        (problem(500, SECRET), "failed with 500"),
        (redirect("http://127.0.0.1:1/"), "answered 302"),
        (answer(200, "<html>"), "HTML that is not JSON"),
        (answer_json([]), "without an access_token"),
        (answer_json({"access_token": 1}), "without an access_token"),
        (answer_json({"access_token": "a b"}), "no header can carry"),
        (answer_json({"access_token": "a", "token_type": "mac"}), "no bearer token"),
        (answer_json({"access_token": "a", "expires_in": 0}), "has expired"),
        (answer_json({"access_token": jwt(exp=1)}), "has expired"),
        (Endless(), "more than"),
        (Reset(), "no token from"),
    ],
)
def test_a_token_server_that_fails(
    server: ScriptedServer, clock: ManualClock, caplog: pytest.LogCaptureFixture, fault: Step, why: str
) -> None:
    server.on("POST", "*", fault, given(2))
    token = credentials(server, clock)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(NoToken, match=why) as failed:
        token.authorization()
    with pytest.raises(NoToken, match=why):
        token.authorization()
    assert server.count() == 1
    clock.advance(6)
    assert token.authorization() == "Bearer token-2"
    said = caplog.text + str(failed.value) + repr(token) + repr(failed.value.__cause__)
    assert "hunter2" not in said
    assert "token-2" not in said
    assert server.url in str(failed.value)


def test_a_token_server_may_ask_for_patience(server: ScriptedServer, clock: ManualClock) -> None:
    server.on("POST", "*", problem(429, Retry_After="30"), given(2))
    token = credentials(server, clock)
    for passed in (0, 29):
        clock.advance(passed)
        with pytest.raises(NoToken):
            token.authorization()
    clock.advance(2)
    assert token.authorization() == "Bearer token-2"


def test_a_request_without_time_does_not_wait_and_spoils_nothing_for_others(server: ScriptedServer) -> None:
    server.on("POST", "*", Stall(), given(2))
    clock = SystemClock()
    token = credentials(server, clock)
    began = clock.monotonic()
    with pytest.raises(NoToken, match="in time"):
        token.authorization(began + 0.2)
    assert clock.monotonic() - began < 8
    assert token.authorization() == "Bearer token-2"


# With an instance


def transport(server: ScriptedServer, token: ClientCredentials, clock: Clock) -> Transport:
    return Transport(server.url, token, timeouts=PATIENT, clock=clock)


def accepting(number: int, request: Request) -> Step:
    good = request.headers.get("Authorization") == f"Bearer token-{number}"
    return answer_json({"ok": True}) if good else problem(401, f"bad {request.headers.get('Authorization')}")


def test_a_get_refused_with_401_is_repeated_once_with_a_new_token(server: ScriptedServer, clock: ManualClock) -> None:
    server.on("GET", "/v1/tasks", partial(accepting, 2))  # type: ignore[arg-type]
    server.on("POST", PATH, given(1), given(2))
    with transport(server, credentials(server, clock), clock) as instance:
        assert instance.get("/v1/tasks").json() == {"ok": True}
    assert (server.count("GET"), server.count("POST", PATH)) == (2, 2)


def test_an_instance_that_refuses_every_token_costs_no_token_a_request(
    server: ScriptedServer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("GET", "/v1/tasks", partial(accepting, 0))  # type: ignore[arg-type]
    server.on("POST", PATH, given(1), given(2))
    with transport(server, credentials(server, clock), clock) as instance:
        for _ in range(5):
            with pytest.raises(Refused) as refused:
                instance.get("/v1/tasks")
            assert "token-" not in str(refused.value)
    assert (server.count("GET"), server.count("POST", PATH)) == (6, 2)
    assert "token-" not in caplog.text


def test_a_post_refused_with_401_is_not_repeated_but_the_next_has_a_new_token(
    server: ScriptedServer, clock: ManualClock
) -> None:
    server.on("POST", "/v1/tasks", partial(accepting, 2))  # type: ignore[arg-type]
    server.on("POST", PATH, given(1), given(2))
    with transport(server, credentials(server, clock), clock) as instance:
        with pytest.raises(Refused) as refused:
            instance.post("/v1/tasks", {})
        assert (refused.value.status, refused.value.ambiguous) == (401, False)
        assert server.count("POST", "/v1/tasks") == 1
        assert instance.post("/v1/tasks", {}).json() == {"ok": True}


def test_without_a_token_nothing_is_sent(clock: ManualClock, server: ScriptedServer) -> None:
    with refused_url() as nobody:
        token = ClientCredentials(TokenGrant(f"{nobody}/token", "me", SecretStr(SECRET)), clock)
        with transport(server, token, clock) as instance:
            for call in (partial(instance.get, "/v1/tasks"), partial(instance.post, "/v1/tasks", {})):
                with pytest.raises(Unreachable, match=f"no token from {nobody}: connection refused") as failed:
                    call()
                assert not failed.value.ambiguous
                assert failed.value.instance == server.url
    assert server.count() == 0


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        TokenGrant("https://example.org/token", "me", SecretStr(""))
