"""Credentials: what is sent, and that nothing shows them."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr, ValidationError

from protes.clock import ManualClock
from protes.config.credentials import Credentials
from protes.config.loading import ConfigError
from protes.config.settings import Settings
from protes.federation.secrets import credentials_of
from protes.tes.credentials import BasicCredentials, BearerToken, CallerCredentials, NoCredentials


def test_headers() -> None:
    assert NoCredentials().authorization() is None
    assert BearerToken(SecretStr("abc.def")).authorization() == "Bearer abc.def"
    basic = BasicCredentials("zoë", SecretStr("p:ß")).authorization()
    assert basic is not None
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "zoë:p:ß"


def test_what_never_changes_is_not_worth_another_try() -> None:
    for credentials in (NoCredentials(), BasicCredentials("me", SecretStr("x")), BearerToken(SecretStr("x"))):
        assert not credentials.refused(credentials.authorization() or "")


def test_nothing_shows_a_secret() -> None:
    for credentials in (BasicCredentials("me", SecretStr("hunter2")), BearerToken(SecretStr("hunter2"))):
        assert "hunter2" not in repr(credentials)
        assert "hunter2" not in str(credentials)
        assert "hunter2" in credentials.secrets()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "hunter2\r\nX-Evil: 1", "ünicode"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValueError, match=r"token|credential") as refused:
        BearerToken(SecretStr(token))
    assert token == "" or token not in str(refused.value)


@pytest.mark.parametrize(("user", "password"), [("a:b", "x"), ("a", "hunter2\n"), ("a\r", "x")])
def test_a_pair_that_no_header_can_carry_is_refused_without_showing_it(user: str, password: str) -> None:
    with pytest.raises(ValueError, match=r"user name|credential") as refused:
        BasicCredentials(user, SecretStr(password))
    assert "hunter2" not in str(refused.value)


# As settings name them

OAUTH2: dict[str, Any] = {"type": "oauth2", "client_id": "me", "secret_env": "S"}


@pytest.mark.parametrize(
    ("settings", "endpoint"),
    [
        ({"token_url": "https://example.org/o/token/"}, "https://example.org/o/token/"),
        ({"token_url": "http://127.0.0.1:1/t"}, "http://127.0.0.1:1/t"),
        ({"token_url": "http://[::1]/t"}, "http://[::1]/t"),
        ({"token_url": "http://localhost/t"}, "http://localhost/t"),
        ({"token_url": "http://keycloak/t", "allow_http_token_url": True}, "http://keycloak/t"),
        ({"tenant": "t-1", "resource": "api://x"}, "https://login.microsoftonline.com/t-1/oauth2/token"),
        ({"tenant": "a.org", "scope": "x/.default"}, "https://login.microsoftonline.com/a.org/oauth2/v2.0/token"),
    ],
)
def test_where_tokens_are_asked_for(settings: dict[str, Any], endpoint: str) -> None:
    assert Credentials.model_validate(OAUTH2 | settings).token_endpoint() == endpoint


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "exactly one of token_url and tenant"),
        ({"token_url": "https://x/", "tenant": "t", "scope": "s"}, "exactly one of token_url and tenant"),
        ({"tenant": "t"}, "exactly one of resource"),
        ({"tenant": "t", "scope": "s", "resource": "r"}, "exactly one of resource"),
        ({"tenant": "t", "scope": "s", "audience": "a"}, "no audience"),
        ({"tenant": "../t", "scope": "s"}, "tenant"),
        ({"token_url": "http://hunter2.org/t"}, "starts with https"),
        ({"token_url": "ftp://hunter2.org/t"}, "starts with https"),
        ({"token_url": "https://me:hunter2@example.org/t"}, "neither credentials"),
        ({"token_url": "https://example.org:99999/t"}, "names a host"),
        ({"token_url": "https:///t"}, "names a host"),
        ({"token_url": "https://example.org/t", "client_id": None}, "client_id"),
        ({"token_url": "https://example.org/t", "client_secret": "hunter2"}, "Extra inputs"),
        ({"token_url": "https://example.org/t", "secret_env": None}, "exactly one of secret, secret_env"),
        ({"type": "bearer", "client_id": None, "scope": "s"}, "for type oauth2 only"),
    ],
)
def test_settings_that_do_not_fit_are_refused_without_showing_them(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        Credentials.model_validate(OAUTH2 | settings)
    assert "hunter2" not in str(refused.value)


def test_a_clients_secret_is_read_from_a_file_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    settings = {**OAUTH2, "secret_env": None, "secret_file": str(file), "token_url": "https://example.org/t?p=1"}
    credentials = credentials_of(Credentials.model_validate(settings), {}, "here", ManualClock())
    assert repr(credentials) == "ClientCredentials('https://example.org', client_id='me')"
    assert "hunter2" in credentials.secrets()
    file.write_text("\n")
    with pytest.raises(ConfigError, match="here: the client's secret is empty"):
        credentials_of(Credentials.model_validate(settings), {}, "here", ManualClock())


def test_the_credentials_of_the_docs_are_such() -> None:
    page = (Path(__file__).parents[2] / "docs" / "credentials.md").read_text(encoding="utf-8")
    [config] = re.findall(r"```yaml\n# credentials\.yaml\n(.*?)```", page, re.DOTALL)
    settings = Settings.model_validate(yaml.safe_load(config)["custom"])
    endpoint = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/oauth2/token"
    assert settings.instances[1].credentials.token_endpoint() == endpoint
    assert settings.credentials["partner"].hosts == ("tes.partner.example.org",)


@pytest.mark.parametrize("value", ["Basic YWxpY2U6aHVudGVyMg==", "basic  YWxpY2U6aHVudGVyMg"])
def test_the_password_in_a_callers_basic_is_a_secret_too(value: str) -> None:
    secrets = CallerCredentials(SecretStr(value)).secrets()
    assert {"alice:hunter2", "hunter2", value} <= set(secrets)


@pytest.mark.parametrize("value", ["Basic /w==", "Basic a", "Basic", "Bearer YWxpY2U6aHVudGVyMg=="])
def test_what_says_no_password_hides_itself_only(value: str) -> None:
    secrets = CallerCredentials(SecretStr(value)).secrets()
    assert set(secrets) == {value, value.partition(" ")[2]}
