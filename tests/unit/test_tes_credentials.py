"""Credentials: what is sent, and that nothing shows them."""

from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from protes.tes.credentials import BasicCredentials, BearerToken, NoCredentials


def test_headers() -> None:
    assert NoCredentials().authorization() is None
    assert BearerToken(SecretStr("abc.def")).authorization() == "Bearer abc.def"
    basic = BasicCredentials("zoë", SecretStr("p:ß")).authorization()
    assert basic is not None
    assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "zoë:p:ß"


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
