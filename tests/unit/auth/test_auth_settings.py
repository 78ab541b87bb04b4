"""Configurations that let in more than is meant are refused at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from protes.config.auth import AuthSettings, IssuerSettings, is_loopback
from protes.config.loading import ConfigError, load
from protes.config.settings import Settings
from protes.config.watching import ConfigFiles

ISSUER = {"name": "ls", "issuer": "https://login.example.org/oidc/", "audience": ["protes"]}


def complaint(**auth: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AuthSettings.model_validate(auth)
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert Settings.model_validate({"server": {"host": host}}).auth.mode == "none"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.7", "tes.example.org", "localhost.example.org", "127"]
)
def test_the_world_gets_in_only_where_it_is_said(host: str) -> None:
    with pytest.raises(ConfigError, match=r"auth\.allow_anonymous: true") as caught:
        load([], {}, {"server": {"host": host}})
    assert "docs/authentication.md" in str(caught.value)
    assert load([], {}, {"server": {"host": host}, "auth": {"allow_anonymous": True}})
    assert load([], {"PROTES_AUTH__ALLOW_ANONYMOUS": "true"}, {"server": {"host": host}})
    assert load([], {}, {"server": {"host": host}, "auth": {"mode": "oidc", "issuers": [ISSUER]}})
    assert load([], {}, {"server": {"host": host}, "auth": {"mode": "basic", "users_file": "users"}})


def test_a_mode_has_what_it_needs_and_nothing_else() -> None:
    assert "needs users_file" in complaint(mode="basic")
    assert "needs issuers" in complaint(mode="oidc")
    assert "needs issuers" in complaint(mode="basic+oidc", users_file="x")
    assert "takes no issuers" in complaint(issuers=[ISSUER])
    assert "takes no users_file" in complaint(mode="oidc", issuers=[ISSUER], users_file="x")
    assert "takes no issuers" in complaint(mode="basic", users_file="x", issuers=[ISSUER])
    assert "shorter than refresh_seconds" in complaint(keep_keys_seconds=10)


def test_issuers_differ() -> None:
    twice = complaint(mode="oidc", issuers=[ISSUER, {**ISSUER, "name": "other"}])
    assert "the same issuer" in twice
    assert "the same name" in complaint(mode="oidc", issuers=[ISSUER, {**ISSUER, "issuer": "https://x.example.org"}])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"audience": []}, "any other service"),
        ({"issuer": "http://login.example.org"}, "https"),
        ({"jwks_url": "http://login.example.org/keys"}, "https"),
        ({"issuer": "ftp://login.example.org"}, "http(s) URL"),
        ({"issuer": "login.example.org"}, "http(s) URL"),
        ({"issuer": "https://user:canary@login.example.org"}, "http(s) URL"),
        ({"issuer": "https://login.example.org?x=canary"}, "http(s) URL"),
        ({"issuer": "https://["}, "http(s) URL"),
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"token_types": []}, "token_types"),
        ({"name": "a:b"}, "name"),
        ({"roles": {"operator": {"groups": ["x"]}}}, "claims.groups"),
        ({"roles": {"user": {"roles": ["x"]}}}, "claims.roles"),
        ({"secret": "canary"}, "secret"),
    ],
)
def test_issuers_that_would_not_be_safe(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError) as caught:
        IssuerSettings.model_validate({**ISSUER, **changes})
    assert what in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://127.0.0.1:8080"},
        {"issuer": "http://[::1]:8080/realms/x"},
        {"issuer": "http://keycloak:8080/realms/x", "allow_http": True},
        {"audience": [], "clients": ["engine"]},
    ],
)
def test_issuers_that_are(changes: dict[str, Any]) -> None:
    assert IssuerSettings.model_validate({**ISSUER, **changes})


def test_the_section_of_foca_that_does_nothing_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("security: {auth: {issuers: ['https://x.example.org'], audience: [x]}}")
    with pytest.raises(ConfigError, match=r"security\.auth: is not used"):
        load([file], {})
    file.write_text("security: {auth: {allow_expired: true}}")
    with pytest.raises(ConfigError, match=r"security\.auth: is not used"):
        load([file], {})


def test_passwords_are_passed_to_no_instance() -> None:
    credentials = {"type": "pass_through", "hosts": ["tes.example.org"]}
    settings = {
        "server": {"secret_key": "A" * 43 + "="},
        "instances": [{"id": "a", "url": "https://tes.example.org", "credentials": credentials}],
    }
    assert load([], {}, {**settings, "auth": {"mode": "oidc", "issuers": [ISSUER]}})
    with pytest.raises(ConfigError, match="no token to pass through"):
        load([], {}, {**settings, "auth": {"mode": "basic", "users_file": "users"}})


def test_the_file_of_users_is_watched(tmp_path: Path) -> None:
    users, file = tmp_path / "users", tmp_path / "gateway.yaml"
    users.write_text("a")
    file.write_text(f"custom: {{auth: {{mode: basic, users_file: {users}}}}}")
    files = ConfigFiles([file], {})
    files.load()
    assert not files.changed()
    users.write_text("another")
    assert [files.changed(), files.changed()] == [False, True]


def test_variables_of_the_command_line_are_no_settings() -> None:
    assert load([], {"PROTES_TOKEN": "x", "PROTES_USER": "ann", "PROTES_PASSWORD": "x"})
