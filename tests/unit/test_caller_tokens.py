"""Callers' tokens at rest: encrypted, bound to their task, and gone in time; and the settings that ask for them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from protes.clock import ManualClock
from protes.config.credentials import Credentials
from protes.config.instances import InstanceSettings
from protes.config.keys import normal_key, read_keys
from protes.config.loading import ConfigError, load, secret_keys
from protes.config.settings import ServerSettings, Settings
from protes.federation.caller_tokens import CallerTokens, ends_at
from protes.store.memory import MemoryRecords, MemoryTaskStore
from protes.tes.credentials import CallerCredentials, TokenOver, TokenSealed
from tests.support.task_records import a_task

OLD, NEW = (SecretStr(base64.urlsafe_b64encode(bytes([byte] * 32)).decode()) for byte in (251, 2))
TOKEN = SecretStr("Bearer hunter2")
KIND = "caller-token"
PASSED = {"type": "pass_through", "hosts": ["tes.example.org"]}
INSTANCE = {"id": "a", "url": "https://tes.example.org", "credentials": PASSED}


def jwt(**claims: object) -> SecretStr:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return SecretStr(f"Bearer e30.{body}.c2ln")


def never() -> bool:
    return False


def shown(credentials: CallerCredentials) -> str | None:
    return credentials.authorization()


def test_a_token_comes_back_for_its_task_only() -> None:
    clock, records = ManualClock(), MemoryRecords()
    tokens = CallerTokens(records, clock, [NEW])
    tokens.keep("t1", TOKEN, never)
    assert shown(tokens.credentials("t1")) == "Bearer hunter2"
    assert "hunter2" not in repr(tokens.credentials("t1"))
    assert tokens.credentials("t1").secrets() == ("Bearer hunter2", "hunter2")
    with pytest.raises(TokenOver, match="has ended"):
        tokens.credentials("t2").authorization()
    stored = records.get(KIND, "t1", clock.now())
    assert stored is not None
    assert "hunter2" not in json.dumps(dict(stored.value))
    records.put(KIND, "t2", stored.value, clock.now())
    with pytest.raises(TokenSealed, match="cannot be decrypted"):
        tokens.credentials("t2").authorization()


def test_a_newer_token_counts_until_the_task_is_stored() -> None:
    tokens = CallerTokens(MemoryRecords(), ManualClock(), [NEW])
    tokens.keep("t1", SecretStr("Bearer of-a-request-that-failed"), never)
    tokens.keep("t1", TOKEN, never)
    assert shown(tokens.credentials("t1")) == "Bearer hunter2"
    tokens.keep("t1", SecretStr("Bearer of-somebody-else"), lambda: True)
    assert shown(tokens.credentials("t1")) == "Bearer hunter2"


def test_tokens_are_told_apart_without_telling_what_they_are() -> None:
    tokens, others = (CallerTokens(MemoryRecords(), ManualClock(), [key]) for key in (NEW, OLD))
    assert tokens.mark(TOKEN) == tokens.mark(SecretStr("Bearer hunter2"))
    assert len({tokens.mark(TOKEN), tokens.mark(SecretStr("Bearer hunter3")), others.mark(TOKEN)}) == 3
    assert CallerTokens(MemoryRecords(), ManualClock(), []).mark(TOKEN) == ""


def test_keys_are_rotated() -> None:
    clock, records = ManualClock(), MemoryRecords()
    CallerTokens(records, clock, [OLD]).keep("t1", TOKEN, never)
    both, new = CallerTokens(records, clock, [NEW, OLD]), CallerTokens(records, clock, [NEW])
    both.keep("t2", TOKEN, never)
    assert shown(both.credentials("t1")) == shown(new.credentials("t2")) == "Bearer hunter2"
    with pytest.raises(TokenSealed, match="secret_key"):
        new.credentials("t1").authorization()
    without = CallerTokens(records, clock, [])
    without.keep("t3", TOKEN, never)
    with pytest.raises(TokenSealed):
        without.credentials("t2").authorization()
    assert records.get(KIND, "t3", clock.now()) is None


def test_keys_that_are_missing_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock, records = ManualClock(), MemoryRecords()
    CallerTokens(records, clock, [NEW]).keep("t1", TOKEN, never)
    lags = CallerTokens(records, clock, [OLD])
    for _ in range(6):
        lags.credentials("t1")
        clock.advance(20)
    assert [each.levelname for each in caplog.records] == ["ERROR", "ERROR"]
    assert "server.secret_key" in caplog.text
    assert "hunter2" not in caplog.text


def test_when_a_token_ends() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    longest = now + timedelta(days=14)
    at = int(now.timestamp())
    for token, expected in {
        TOKEN: longest,
        jwt(exp=at + 60): now + timedelta(seconds=60),
        jwt(exp=at): None,
        jwt(exp=at - 1): None,
        jwt(exp=at + 10**7): longest,
        jwt(exp=10**30): longest,
        jwt(exp="soon"): longest,
        jwt(): longest,
        SecretStr("Bearer"): None,
        SecretStr("Bearer "): None,
        SecretStr("Bearer a\nb"): None,
        SecretStr("Bearer \u00fc"): None,
        SecretStr("Bearer " + "x" * 20_000): None,
        SecretStr("Basic YTpi"): longest,
    }.items():
        assert ends_at(token, now) == expected, token.get_secret_value()[:30]


def test_a_token_is_dropped_with_the_end_of_its_task_or_its_own() -> None:
    clock, records, tasks = ManualClock(), MemoryRecords(), MemoryTaskStore()
    tokens = CallerTokens(records, clock, [NEW])

    def kept() -> list[str]:
        return [each.key for each in records.scan(KIND, "", clock.now())]

    for name in ("canceled", "waiting"):
        tasks.create(a_task(name))
    for name in ("canceled", "waiting", "never-stored"):
        tokens.keep(name, TOKEN, never)
    tokens.keep("short", jwt(exp=int(clock.now().timestamp()) + 60), never)
    tasks.request_cancel("canceled", clock.now())
    tokens.tidy(tasks)
    assert kept() == ["never-stored", "short", "waiting"]
    clock.advance(601)
    tokens.tidy(tasks)
    assert kept() == ["waiting"]
    clock.advance(14 * 86400)
    assert kept() == []


def test_a_key_is_32_bytes_in_either_alphabet_of_base64() -> None:
    plain = base64.b64encode(bytes([251] * 32)).decode()
    assert "+" in plain
    for text in (plain, plain.rstrip("="), OLD.get_secret_value(), f" {plain}\n"):
        assert normal_key(SecretStr(text)).get_secret_value() == OLD.get_secret_value()
    for text in ("", "short", plain[:-4], plain + plain, "\u00fc" * 44):
        with pytest.raises(ValueError, match="32 random bytes") as refusal:
            normal_key(SecretStr(text))
        assert not text or text not in str(refusal.value)


def test_keys_come_from_a_setting_the_environment_or_a_file(tmp_path: Path) -> None:
    old, new = OLD.get_secret_value(), NEW.get_secret_value()
    assert [each.get_secret_value() for each in ServerSettings(secret_key=new).secret_key] == [new]
    from_list = load([], {"PROTES_SERVER__SECRET_KEY": f"[{new}, {old}]"}).settings.server
    assert [each.get_secret_value() for each in secret_keys(from_list)] == [new, old]
    file = tmp_path / "keys"
    file.write_text(f"# the newest first\n{new}\n\n{old}\n")
    server = ServerSettings(secret_key_file=str(file))
    assert [each.get_secret_value() for each in secret_keys(server)] == [new, old]
    assert new not in repr(from_list) + from_list.model_dump_json() + repr(read_keys(file))
    for content, text in (("", "no key"), (f"{new}\nhunter2\n", "line 2")):
        file.write_text(content)
        with pytest.raises(ConfigError, match=text) as refusal:
            secret_keys(server)
        assert "hunter2" not in str(refusal.value)
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        secret_keys(server)
    with pytest.raises(ValidationError, match="at most one"):
        ServerSettings(secret_key=new, secret_key_file="x")


def test_without_a_key_the_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"pass_through need server\.secret_key"):
        load([], {}, {"instances": [INSTANCE]})
    named = {"mine": {**PASSED}}
    with pytest.raises(ConfigError, match=r"pass_through need server\.secret_key"):
        load([], {}, {"credentials": named})
    settings = load([], {}, {"instances": [INSTANCE], "server": {"secret_key": NEW.get_secret_value()}}).settings
    assert settings.passes_tokens
    assert not Settings().passes_tokens


@pytest.mark.parametrize(
    ("url", "credentials", "text"),
    [
        ("https://tes.example.org", {"type": "pass_through"}, "needs hosts"),
        ("https://tes.example.org", {**PASSED, "secret_env": "X"}, "no user name and no secret"),
        ("https://tes.example.org", {**PASSED, "tenant": "t"}, "oauth2 only"),
        ("https://other.example.org", PASSED, "not one of credentials.hosts"),
        ("https://tes.example.org:8443", {**PASSED, "hosts": ["tes.example.org:443"]}, "not one of credentials.hosts"),
        ("https://tes.example.org.evil.example", PASSED, "not one of credentials.hosts"),
        ("http://tes.example.org", PASSED, "https only"),
        ("https://tes.example.org", {"type": "none", "allow_http": True}, "pass_through only"),
    ],
)
def test_where_tokens_may_go_is_said_by_the_operator(url: str, credentials: dict[str, object], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        InstanceSettings(id="a", url=url, credentials=credentials)


def test_over_plain_http_tokens_go_where_the_operator_insists() -> None:
    inside = Credentials.model_validate({**PASSED, "hosts": ["tes"], "allow_http": True})
    assert InstanceSettings(id="a", url="http://tes:80", credentials=inside).credentials.type == "pass_through"
    here = Credentials.model_validate({**PASSED, "hosts": ["127.0.0.1"]})
    assert InstanceSettings(id="a", url="http://127.0.0.1:9000", credentials=here)
