"""No change to a token, and nothing made up, lets anybody in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protes.auth.bearers import Bearers
from protes.auth.claims import NotAllowed, caller_of, check_purpose, check_time
from protes.auth.key_ring import KeyRings
from protes.auth.tokens import BadToken, read
from protes.clock import ManualClock
from protes.config.auth import AuthSettings, IssuerSettings
from tests.support.auth import issuer_settings, oidc
from tests.support.issuer import Issuer, base64url, unsigned

KINDS = ("RS256", "ES256", "EdDSA")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=5,
)
NAMES = ("iss", "sub", "aud", "exp", "nbf", "iat", "client_id", "azp", "scope", "groups", "typ", "realm_access")


@pytest.fixture(scope="module", name="issuer")
def _issuer() -> Iterator[Issuer]:
    with Issuer(ManualClock()) as issuer:
        for kind in KINDS:
            issuer.add_key(kind, kid=kind)
        yield issuer


@pytest.fixture(scope="module", name="bearers")
def _bearers(issuer: Issuer) -> Bearers:
    clock = issuer.clock
    bearers = Bearers(AuthSettings.model_validate(oidc(issuer_settings(issuer))), KeyRings(clock), clock)
    for kind in KINDS:
        assert bearers.caller_of(issuer.token(kid=kind)).subject == "local:ann"
    return bearers


def refuses(bearers: Bearers, text: str) -> bool:
    try:
        bearers.caller_of(text)
    except BadToken as problem:
        return str(problem).isprintable()
    return False


@given(st.data(), st.sampled_from(KINDS))
def test_a_changed_character_never_does(issuer: Issuer, bearers: Bearers, data: st.DataObject, kind: str) -> None:
    token = issuer.token(kid=kind)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(ALPHABET + ".=+/ \n\x00é") | st.just(""))
    changed = token[:place] + other + token[place + 1 :]
    assert changed == token or refuses(bearers, changed)


@given(st.data())
def test_pieces_of_tokens_never_do(issuer: Issuer, bearers: Bearers, data: st.DataObject) -> None:
    tokens = [issuer.token(f"user-{number}", kid=kind).split(".") for number, kind in enumerate(KINDS)]
    pieces = [part for token in tokens for part in token] + ["", "e30", "AAAA"]
    chosen = data.draw(st.lists(st.sampled_from(pieces), min_size=1, max_size=5))
    assert chosen in tokens or refuses(bearers, ".".join(chosen))


@given(
    head=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "jku", "x5u", "b64", "zip"]), JSON),
    signature=st.binary(max_size=80),
    usual=st.booleans(),
)
def test_no_head_makes_up_for_a_signature(
    issuer: Issuer, bearers: Bearers, head: dict[str, Any], signature: bytes, usual: bool
) -> None:
    base = {"alg": "RS256", "typ": "at+jwt", "kid": "RS256"} if usual else {}
    assert refuses(bearers, unsigned({**base, **head}, issuer.claims(), signature))


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=100))
def test_rubbish_in_three_parts(bearers: Bearers, head: bytes, claims: bytes, signature: bytes) -> None:
    assert refuses(bearers, ".".join(map(base64url, (head, claims, signature))))


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_text(bearers: Bearers, text: str) -> None:
    assert refuses(bearers, text)


@given(st.text(max_size=5000))
def test_reading_raises_nothing_else(text: str) -> None:
    with pytest.raises(BadToken):
        read(text, 4000)


ISSUER = IssuerSettings.model_validate(
    {
        "name": "x",
        "issuer": "https://x.example.org",
        "audience": ["protes"],
        "clients": ["engine"],
        "scopes": ["tes"],
        "claims": {"groups": "groups", "roles": "realm_access.roles", "tenant": "typ"},
        "roles": {"operator": {"roles": ["admin"]}, "user": {"groups": ["users"]}},
    }
)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), JSON))
def test_signed_claims_of_any_shape_are_judged(claims: dict[str, Any]) -> None:
    """An issuer may sign anything; what is not wholly right is refused, by no other error."""

    def judge() -> None:
        check_purpose(claims, ISSUER)
        check_time(claims, 1e9, 60)
        caller_of(claims, ISSUER)

    with pytest.raises((BadToken, NotAllowed)):
        judge()


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.text(min_size=1, max_size=10).filter(str.isprintable))
def test_who_is_let_in_has_a_name_of_the_issuer(claims: dict[str, Any], subject: str) -> None:
    anybody = IssuerSettings.model_validate(
        {"name": "x", "issuer": "https://x.example.org", "audience": ["a"], "claims": {"groups": "groups"}}
    )
    caller = caller_of({**json.loads(json.dumps(claims)), "sub": subject}, anybody)
    assert caller.subject == f"x:{subject}"
    assert caller.roles == {"user"}
    assert all(group.startswith("x:") for group in caller.groups)
