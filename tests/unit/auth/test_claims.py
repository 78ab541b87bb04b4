"""What a token says of its user, and for whom and when it is meant."""

from __future__ import annotations

from typing import Any

import pytest

from protes.api.callers import Caller
from protes.auth.bearers import Bearers
from protes.auth.claims import NotAllowed, caller_of, check_time, parse
from protes.auth.key_ring import KeyRings
from protes.auth.tokens import BadToken, TokenExpired
from protes.clock import ManualClock
from protes.config.auth import AuthSettings, IssuerSettings
from tests.support.auth import issuer_settings, oidc
from tests.support.issuer import Issuer
from tests.unit.auth.conftest import MakeBearers

NOW = 1_900_000_000.0
USER = frozenset({"user"})


def settings(**changes: Any) -> IssuerSettings:
    return IssuerSettings.model_validate(
        {"name": "ls", "issuer": "https://issuer.example.org", "audience": ["x"], **changes}
    )


EVERYTHING = settings(
    claims={"tenant": "org.id", "groups": "https://example.org/groups", "roles": "realm_access.roles"},
    roles={
        "operator": {"roles": ["admin"], "subjects": ["root"], "groups": ["wheel"]},
        "reader": {"groups": ["auditors"]},
        "user": {"groups": ["biobank"]},
    },
)


def test_the_usual_token_makes_a_user() -> None:
    assert caller_of({"sub": "ann"}, settings()) == Caller("ls:ann", "", frozenset(), USER)


def test_claims_are_found_by_name_or_along_dots() -> None:
    claims = {
        "sub": "ann",
        "org": {"id": "uni"},
        "https://example.org/groups": ["biobank", "imaging"],
        "realm_access": {"roles": ["dev"]},
    }
    assert caller_of(claims, EVERYTHING) == Caller("ls:ann", "ls:uni", frozenset({"ls:biobank", "ls:imaging"}), USER)
    other = settings(claims={"subject": "user.id"})
    assert caller_of({"user.id": "flat", "user": {"id": "deep"}}, other).subject == "ls:flat"
    assert caller_of({"user": {"id": "deep"}}, other).subject == "ls:deep"


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"realm_access": {"roles": ["admin"]}}, {"operator"}),
        ({"realm_access": {"roles": "admin"}}, {"operator"}),
        ({"sub": "root"}, {"operator"}),
        ({"https://example.org/groups": ["wheel"]}, {"operator"}),
        ({"https://example.org/groups": ["auditors"]}, {"reader"}),
        ({"https://example.org/groups": ["biobank", "auditors"]}, {"reader", "user"}),
        ({"https://example.org/groups": "biobank"}, {"user"}),
    ],
)
def test_roles(claims: dict[str, Any], roles: set[str]) -> None:
    assert caller_of({"sub": "ann", **claims}, EVERYTHING).roles == roles


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"realm_access": {"roles": ["Admin"]}},
        {"realm_access": {"roles": ["admin "]}},
        {"realm_access": "admin"},
        {"realm_access": {"roles": {"admin": True}}},
        {"realm_access.roles.admin": True},
        {"roles": ["admin"]},
        {"https://example.org/groups": [["wheel"]]},
        {"https://example.org/groups": "wheel auditors"},
        {"https://example.org/groups": ["x"] * 1000 + ["wheel"]},
        {"org": {"id": "wheel"}},
    ],
)
def test_what_is_nearly_a_role_is_none(claims: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed):
        caller_of({"sub": "ann", **claims}, EVERYTHING)


def test_somebody_with_two_tenants_has_none() -> None:
    both = {"sub": "ann", "org": {"id": ["a", "b"]}, "https://example.org/groups": "biobank"}
    assert caller_of(both, EVERYTHING).tenant == ""


@pytest.mark.parametrize("subject", [None, "", 7, True, ["ann"], {"a": 1}, "a" * 256, "a\nb", "a\x00", "\u2028"])
def test_a_subject_must_be_usable(subject: Any) -> None:
    with pytest.raises(BadToken):
        caller_of({"sub": subject}, settings())


@pytest.mark.parametrize(
    ("claims", "end"),
    [
        ({"exp": NOW + 1}, NOW + 61),
        ({"exp": NOW - 59.5}, NOW + 0.5),
        ({"exp": NOW + 100, "nbf": NOW + 60, "iat": NOW + 60}, NOW + 160),
        ({"exp": NOW + 100, "nbf": None, "iat": None}, NOW + 160),
        ({"exp": 10**300}, 1e300),
    ],
)
def test_times_that_fit(claims: dict[str, Any], end: float) -> None:
    assert check_time(claims, NOW, 60) == pytest.approx(end)


@pytest.mark.parametrize(
    ("claims", "expired"),
    [
        ({"exp": NOW - 60}, True),
        ({"exp": -1e300}, True),
        ({"exp": False}, False),
        ({}, False),
        ({"exp": None}, False),
        ({"exp": "soon"}, False),
        ({"exp": 10**400}, False),
        ({"exp": NOW + 100, "nbf": NOW + 60.5}, False),
        ({"exp": NOW + 100, "iat": NOW + 60.5}, False),
        ({"exp": NOW + 100, "nbf": "x"}, False),
        ({"exp": NOW + 100, "iat": []}, False),
        ({"exp": NOW - 100, "nbf": NOW + 100}, False),
    ],
)
def test_times_that_do_not_fit(claims: dict[str, Any], expired: bool) -> None:
    with pytest.raises(BadToken) as caught:
        check_time(claims, NOW, 60)
    assert isinstance(caught.value, TokenExpired) is expired


@pytest.mark.parametrize("raw", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 5000])
def test_claims_are_an_object(raw: bytes) -> None:
    with pytest.raises(BadToken):
        parse(raw)


def test_a_token_that_lacks_a_scope_says_which_it_needs(bearers: MakeBearers, issuer: Issuer) -> None:
    scoped = bearers(scopes=["tes", "openid"])
    for claims in ({"scope": "openid tes profile"}, {"scp": ["tes", "openid"]}, {"scope": "tes", "scp": "openid"}):
        assert scoped.caller_of(issuer.token(**claims)).subject == "local:ann"
    for scope in (None, "", "openid", "tesla openid", 7, {"tes": 1}):
        with pytest.raises(NotAllowed) as caught:
            scoped.caller_of(issuer.token(scope=scope))
        assert caught.value.scopes == ("tes", "openid")


def test_two_issuers_know_two_people_of_one_name(issuer: Issuer, clock: ManualClock) -> None:
    with Issuer(clock, "/realms/b", key_number=50) as other:
        auth = AuthSettings.model_validate(oidc(issuer_settings(issuer), issuer_settings(other, "other")))
        both = Bearers(auth, KeyRings(clock), clock)
        assert [both.caller_of(each.token("ann")).subject for each in (issuer, other)] == ["local:ann", "other:ann"]
        # The keys of one are no keys of the other, whatever they are called.
        other.add_key(kid=issuer.kids[0])
        with pytest.raises(BadToken):
            both.caller_of(other.token("ann", iss=issuer.url))


def test_clients_may_be_named_in_place_of_an_audience(bearers: MakeBearers, issuer: Issuer) -> None:
    named = bearers(audience=[], clients=["engine"])
    right: list[dict[str, Any]] = [{"aud": "whoever"}, {"client_id": None, "azp": "engine"}]
    for claims in right:
        assert named.caller_of(issuer.token(**claims))
    wrong: list[dict[str, Any]] = [{"client_id": "x", "azp": "engine"}, {"client_id": None}, {"client_id": ["engine"]}]
    for claims in wrong:
        with pytest.raises(BadToken):
            named.caller_of(issuer.token(**claims))


def test_tokens_of_older_issuers_by_setting(bearers: MakeBearers, issuer: Issuer) -> None:
    older = bearers(token_types=["at+jwt", "JWT"])
    for typ in ("JWT", "jwt", "at+jwt", "application/jwt"):
        assert older.caller_of(issuer.token(head={"typ": typ}))
    with pytest.raises(BadToken):
        older.caller_of(issuer.token(head={"typ": None}))
    for claims in ({"nonce": "n"}, {"at_hash": "x"}, {"typ": "ID"}, {"token_use": "id"}):
        with pytest.raises(BadToken):
            older.caller_of(issuer.token(head={"typ": "JWT"}, **claims))


def test_clients_are_texts(bearers: MakeBearers, issuer: Issuer) -> None:
    named = bearers(clients=["engine"])
    with pytest.raises(BadToken):
        named.caller_of(issuer.token(client_id={"engine": 1}))
