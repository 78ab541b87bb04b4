"""What exchanges gave, shared by processes: used once, claimed, lost, encrypted."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from protes.clock import Clock, ManualClock, SystemClock
from protes.config.credentials import ACCESS_TOKEN, Credentials
from protes.config.loading import ConfigError, load
from protes.federation.caller_tokens import CallerTokens
from protes.federation.exchange_asking import ExchangeGrant
from protes.federation.exchange_sessions import KIND, USE_KIND
from protes.federation.exchanges import Exchanges
from protes.store.memory import MemoryRecords
from protes.store.protocols import StoreError
from protes.tes.credentials import TokenOver, TokenSealed
from protes.tes.token_server import TokenGrant
from tests.support.scripted_server import Delayed, Endless, HangUp, answer_html, answer_json, redirect
from tests.support.token_endpoint import CLIENT, EXCHANGE, SECRET, TokenEndpoint
from tests.support.waiting import at_once

KEY, OTHER = (SecretStr(base64.urlsafe_b64encode(bytes([byte] * 32)).decode()) for byte in (1, 2))
ANN = SecretStr("Bearer canary-of-ann")


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(name="endpoint")
def _endpoint(clock: ManualClock) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(clock) as endpoint:
        endpoint.know("canary-of-ann", 900)
        yield endpoint


def never() -> bool:
    return False


class Process:
    """One process of a gateway: what it keeps in memory is its own, the records are everybody's."""

    def __init__(self, endpoint: TokenEndpoint, clock: Clock, records: Any, key: SecretStr = KEY) -> None:
        grant = TokenGrant(endpoint.url, CLIENT, SecretStr(SECRET), {"audience": "tes"})
        self.grant = ExchangeGrant(grant, ACCESS_TOKEN)
        self.tokens = CallerTokens(records, clock, [key], exchanged=True)
        self.exchanges = Exchanges(self.tokens, records, clock, [self.grant])

    def keep(self, *task_ids: str, authorization: SecretStr = ANN) -> None:
        for each in task_ids:
            self.tokens.keep(each, authorization, never)

    def token(self, task_id: str = "t1", until: float | None = None) -> str:
        return self.exchanges.token(task_id, self.grant, until)


def test_processes_share_what_one_of_them_got(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    records = MemoryRecords()
    first, second = (Process(endpoint, clock, records) for _ in range(2))
    first.keep("t1", "t2")
    assert first.token("t1") == second.token("t2") == "canary-access-1"
    clock.advance(301)
    assert second.token("t1") == "canary-access-2"
    assert first.token("t1") == "canary-access-2"
    assert (endpoint.asked(EXCHANGE), endpoint.asked("refresh_token")) == (1, 1)


def test_a_refresh_token_is_used_once_by_however_many(endpoint: TokenEndpoint) -> None:
    clock, records = SystemClock(), MemoryRecords()
    endpoint.clock = clock
    endpoint.know("canary-of-ann", 900)
    endpoint.lifetime_seconds = 1000
    processes = [Process(endpoint, clock, records) for _ in range(4)]
    processes[0].keep("t1")
    calls = [lambda each=each: each.token() for each in processes for _ in range(4)]
    endpoint.server.inject("POST", "/token", Delayed(0.2, endpoint.answer))
    assert at_once(calls) == ["canary-access-1"] * 16
    assert endpoint.server.count() == 1


def test_while_one_renews_the_others_go_on_with_the_old_token(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    records = MemoryRecords()
    first, second = (Process(endpoint, clock, records) for _ in range(2))
    first.keep("t1")
    first.token()
    clock.advance(301)
    session = first.exchanges._sessions.read(next(each.key for each in records.scan(KIND, "", clock.now())))
    assert first.exchanges._sessions.claim(session) is not None
    assert first.exchanges._sessions.claim(session) is None
    assert second.token() == "canary-access-1"
    assert endpoint.server.count() == 1


def test_a_process_that_dies_before_it_stores_costs_a_new_exchange(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    """The refresh token is spent and what came of it is lost: the caller's own token still does while it lives."""
    records = MemoryRecords()
    losing = Losing(records)
    dying, other = Process(endpoint, clock, losing), Process(endpoint, clock, records)
    other.keep("t1")
    other.token()
    clock.advance(301)
    losing.fails_at = 2  # after the claim
    with pytest.raises(TokenSealed, match="cannot be read"):
        dying.token()
    assert endpoint.asked("refresh_token") == 1
    assert other.token() == "canary-access-1"  # while the claim stands
    clock.advance(31)
    assert other.token() == "canary-access-3"
    assert (endpoint.asked(EXCHANGE), endpoint.asked("refresh_token")) == (2, 2)
    clock.advance(700)
    again = Losing(records)
    dying, again.fails_at = Process(endpoint, clock, again), 2
    with pytest.raises(TokenSealed):  # and this time the caller's token has ended too
        dying.token()
    clock.advance(31)
    with pytest.raises(TokenOver, match="not exchanged"):
        other.token()


def test_a_store_that_is_away_when_a_token_comes_loses_nothing(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    records = Losing(MemoryRecords())
    one = Process(endpoint, clock, records)
    one.keep("t1")
    one.token()
    clock.advance(301)
    records.fails_at = 2
    with pytest.raises(TokenSealed):
        one.token()
    assert one.token() == "canary-access-2"
    assert endpoint.asked("refresh_token") == 1
    [issued] = endpoint.issued
    assert not issued.revoked


class Losing:
    """Records whose write of a session fails, the n-th from when `fails_at` is set; 0: none does."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.fails_at = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def put(self, kind: str, *args: Any, **more: Any) -> Any:
        if kind == KIND and self.fails_at:
            self.fails_at -= 1
            if self.fails_at == 0:
                raise StoreError("the disk is full")
        return self._records.put(kind, *args, **more)


@pytest.mark.parametrize(
    "fault",
    [
        HangUp(),
        answer_html(),
        answer_json({}),
        answer_json({"access_token": "x", "token_type": "mac"}),
        answer_json({"access_token": "x\ny"}),
        answer_json({"access_token": "x", "expires_in": 0}),
        redirect("https://elsewhere.invalid/token"),
        Endless(),
        answer_json({"error": "temporarily_unavailable"}, 503),
    ],
    ids=range(9),
)
def test_an_answer_that_is_none_is_asked_for_again(endpoint: TokenEndpoint, clock: ManualClock, fault: Any) -> None:
    one = Process(endpoint, clock, MemoryRecords())
    one.keep("t1")
    endpoint.server.inject("POST", "/token", fault)
    for _ in range(2):  # the second time at once: nobody is asked
        with pytest.raises(TokenSealed, match=r"no token from http://127\.0\.0\.1"):
            one.token()
    assert endpoint.server.count() == 1
    clock.advance(60)
    assert one.token() == "canary-access-1"


def test_what_is_stored_is_encrypted_and_bound_to_its_session(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    records = MemoryRecords()
    one = Process(endpoint, clock, records)
    one.keep("t1")
    one.keep("t2", authorization=SecretStr(endpoint.know("canary-of-eve")))
    one.token("t1")
    one.token("t2")
    stored = [each for kind in (KIND, USE_KIND, "caller-token") for each in records.scan(kind, "", clock.now())]
    assert "canary" not in json.dumps([[each.key, dict(each.value)] for each in stored])
    mine, other = records.scan(KIND, "", clock.now())
    records.put(KIND, mine.key, other.value, clock.now())
    after = Process(endpoint, clock, records)
    task = "t1" if mine.key.startswith(after.tokens.kept("t1").mark) else "t2"
    with pytest.raises(TokenSealed, match="cannot be decrypted"):
        after.token(task)
    with pytest.raises(TokenSealed):
        Process(endpoint, clock, records, OTHER).token("t1")
    assert "canary" not in repr(one.exchanges.credentials("t1", one.grant)) + repr(one.grant)


def test_what_a_task_showed_is_masked(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    one = Process(endpoint, clock, MemoryRecords())
    one.keep("t1")
    shown = one.exchanges.credentials("t1", one.grant)
    assert shown.authorization() == "Bearer canary-access-1"
    assert {"canary-of-ann", "canary-access-1", "canary-refresh-1"} <= set(shown.secrets())


def test_the_token_before_is_masked_as_long_as_somebody_may_repeat_it(
    endpoint: TokenEndpoint, clock: ManualClock
) -> None:
    one = Process(endpoint, clock, MemoryRecords())
    one.keep("t1")
    shown = one.exchanges.credentials("t1", one.grant)
    first = shown.authorization()
    assert first is not None
    assert shown.refused(first)  # an instance did, and others were shown it at the same moment
    assert first.removeprefix("Bearer ") in shown.secrets()
    second = shown.authorization()
    assert second not in (None, first)
    assert {each.removeprefix("Bearer ") for each in (first, str(second))} <= set(shown.secrets())
    one.exchanges.over("t1")
    assert not {each.removeprefix("Bearer ") for each in (first, str(second))} & set(shown.secrets())


def test_a_refresh_token_has_a_time_of_its_own(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    records = MemoryRecords()
    one = Process(endpoint, clock, records)
    one.keep("t1")
    endpoint.server.inject(
        "POST",
        "/token",
        answer_json({"access_token": "a", "refresh_token": "b", "expires_in": 60, "refresh_expires_in": 90}),
    )
    assert one.token() == "a"
    clock.advance(91)
    assert not records.scan(KIND, "", clock.now())
    assert one.token() == "canary-access-1"


def test_the_id_of_a_way_to_exchange_has_no_secret_in_it() -> None:
    def made(**more: Any) -> str:
        values: dict[str, Any] = {"token_url": "https://t/t", "client_id": "me", "secret": SecretStr("a"), **more}
        return ExchangeGrant(TokenGrant(**values), ACCESS_TOKEN).id

    assert made() == made(secret=SecretStr("b"))
    assert len({made(), made(client_id="you"), made(parameters={"audience": "x"}), made(token_url="https://t/u")}) == 4


GOOD: Mapping[str, Any] = {
    "type": "token_exchange",
    "token_url": "https://login.example.org/token",
    "client_id": "me",
    "secret": "env:S",
}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"token_url": None}, "needs a token_url"),
        ({"tenant": "t", "scope": "x"}, "needs a token_url"),
        ({"client_id": None}, "needs a client_id"),
        ({"secret": None}, "exactly one of secret"),
        ({"secret": "hunter2"}, "say where the secret is"),
        ({"token_url": "http://login.example.org/token"}, "starts with https"),
        ({"type": "oauth2", "requested_token_type": "x"}, "for type token_exchange only"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: Mapping[str, Any], text: str) -> None:
    Credentials.model_validate(GOOD)
    with pytest.raises(ValidationError, match=text) as refused:
        Credentials.model_validate({**GOOD, **change})
    assert "hunter2" not in str(refused.value)


def test_a_gateway_that_exchanges_needs_a_key_and_https() -> None:
    one = {"id": "a", "url": "https://tes.example.org", "credentials": dict(GOOD)}
    with pytest.raises(ConfigError, match="secret_key"):
        load([], {}, {"instances": [one]})
    with pytest.raises(ConfigError, match="https only"):
        load(
            [],
            {},
            {"instances": [{**one, "url": "http://tes.example.org"}], "server": {"secret_key": KEY.get_secret_value()}},
        )
    settings = load([], {}, {"instances": [one], "server": {"secret_key": KEY.get_secret_value()}}).settings
    assert settings.exchanges_tokens
    assert settings.passes_tokens


def test_a_claim_of_a_clock_that_was_wrong_holds_nobody_up(endpoint: TokenEndpoint, clock: ManualClock) -> None:
    records = MemoryRecords()
    one = Process(endpoint, clock, records)
    one.keep("t1")
    key = f"{one.tokens.kept('t1').mark}-{one.grant.id}"
    late = (clock.now() + timedelta(days=1)).timestamp()
    records.put(KIND, key, {"sealed": None, "claimed_until": late}, clock.now())
    assert one.token() == "canary-access-1"
