"""Which keys of an issuer are used, and for what."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from protes.auth.keys import KeySet, NotKeys, read_keys
from protes.auth.tokens import Unverified
from tests.support.issuer import Key, base64url, private_key

RSA = Key("a", "RS256", private_key("RS256")).jwk()
EC = Key("b", "ES256", private_key("ES256")).jwk()
ED = Key("c", "EdDSA", private_key("EdDSA")).jwk()


def algorithms(**changes: Any) -> set[str]:
    """What the RSA key may be used for with these changes to its document."""
    document = {name: value for name, value in {**RSA, **changes}.items() if value is not None}
    return {name for key in read_keys({"keys": [document]}).keys for name in key.algorithms}


def fitting(keys: KeySet, algorithm: str, kid: str | None) -> list[str | None]:
    return [each.key_id for each in keys.fitting(Unverified("", algorithm, kid, "at+jwt", "x"))]


def test_a_key_is_for_its_algorithm_alone() -> None:
    keys = read_keys({"keys": [RSA, EC, ED]})
    assert [sorted(each.algorithms) for each in keys.keys] == [["RS256"], ["ES256"], ["EdDSA"]]
    assert fitting(keys, "RS256", "a") == ["a"]
    assert fitting(keys, "RS256", None) == ["a"]
    assert fitting(keys, "RS256", "b") == []
    assert fitting(keys, "PS256", "a") == []
    assert fitting(keys, "HS256", "a") == []
    assert fitting(keys, "none", None) == []


def test_a_key_that_names_no_algorithm_is_for_those_of_its_kind() -> None:
    assert algorithms(alg=None) == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    assert algorithms(alg="PS256") == {"PS256"}
    without = {name: value for name, value in EC.items() if name != "alg"}
    assert [set(each.algorithms) for each in read_keys({"keys": [without]}).keys] == [{"ES256"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"use": 7},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "ES256"},
        {"alg": "RSA-OAEP"},
        {"alg": ["RS256"]},
        {"alg": {}},
        {"kid": 7},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "unknown"},
        {"kty": None},
        {"kty": 7},
        {"n": None},
        {"n": 7},
        {"n": "!!"},
        {"n": ["x"]},
        {"e": ""},
        {"e": base64url(b"\x01")},
        {"e": base64url(b"\x02")},
    ],
)
def test_keys_that_are_for_something_else_or_none_are_left_out(changes: dict[str, Any]) -> None:
    assert algorithms(**changes) == set()


def test_weak_and_private_keys_are_left_out() -> None:
    weak = Key("w", "RS256", private_key("RS256", 1, 1024)).jwk()
    rsa, ec = private_key("RS256"), private_key("ES256")
    assert isinstance(rsa, RSAPrivateKey)
    assert isinstance(ec, EllipticCurvePrivateKey)
    private_rsa = {**RSAAlgorithm.to_jwk(rsa, as_dict=True), "kid": "p", "key_ops": ["verify"]}
    private_ec = {**ECAlgorithm.to_jwk(ec, as_dict=True), "kid": "p", "key_ops": ["verify"]}
    assert read_keys({"keys": [weak, private_rsa, private_ec]}).keys == ()


def test_one_bad_key_does_not_spoil_the_others() -> None:
    assert [each.key_id for each in read_keys({"keys": [{}, {"kty": "x"}, EC]}).keys] == ["b"]


def test_an_issuer_may_have_no_keys() -> None:
    assert read_keys({"keys": []}).keys == ()


@pytest.mark.parametrize("document", [None, [], 7, "x", {}, {"keys": {}}, {"keys": [7]}, {"keys": [RSA] * 101}])
def test_what_is_no_set_of_keys(document: object) -> None:
    with pytest.raises(NotKeys):
        read_keys(document)
