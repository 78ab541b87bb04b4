"""Bearer tokens over HTTP: a gateway, and a real issuer that signs real tokens."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protes.clock import ManualClock
from tests.api.conftest import TASK, Api, problem_of, serving
from tests.support.auth import OPERATOR_TOKEN, bearer, challenge, issuer_settings, oidc
from tests.support.issuer import Issuer, Key, base64url, private_key, unsigned

TASKS = "/ga4gh/tes/v1/tasks"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer with a key of each kind, the last of which signs where nothing else is said."""
    with Issuer(ManualClock()) as issuer:
        for algorithm in ("ES256", "EdDSA", "PS256", "RS256"):
            issuer.add_key(algorithm, kid=algorithm)
        yield issuer


@pytest.fixture(scope="module", name="served")
def _served(issuer: Issuer) -> Iterator[Api]:
    auth = oidc(issuer_settings(issuer), max_token_bytes=4000)
    with serving(auth=auth, server={"operator_token": OPERATOR_TOKEN}) as api:
        issuer.clock = api.clock
        yield api


@pytest.fixture
def gate(served: Api) -> Iterator[Api]:
    """A gateway that takes this issuer's tokens, without tasks."""
    yield served
    served.clear()


def test_a_token_lets_its_user_in(gate: Api, issuer: Issuer) -> None:
    shown = bearer(issuer.token("ann"))
    task_id = gate.create(headers=shown)
    assert gate.record(task_id).owner == "local:ann"
    assert gate.get(f"{TASKS}/{task_id}", headers=shown).status_code == 200
    assert gate.get(f"{TASKS}/{task_id}", headers=bearer(issuer.token("bob"))).status_code == 404


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_keys_of_all_kinds(gate: Api, issuer: Issuer, algorithm: str) -> None:
    assert gate.get(TASKS, headers=bearer(issuer.token(kid=algorithm))).status_code == 200


def test_nothing_shown_is_a_challenge_without_an_error(gate: Api) -> None:
    answer = gate.get(TASKS)
    assert "access token" in problem_of(answer, 401)["detail"]
    assert challenge(answer) == ("Bearer", {"realm": "protes"})
    assert answer.headers["X-Protes-Gateway"]


def _public_pem(issuer: Issuer) -> bytes:
    return issuer.key("RS256").private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _hmac_token(issuer: Issuer, secret: bytes) -> str:
    head = {"typ": "at+jwt", "alg": "HS256", "kid": "RS256"}
    text = unsigned(head, issuer.claims()).rpartition(".")[0]
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def _by_a_stranger(issuer: Issuer) -> str:
    head = {"typ": "at+jwt", "kid": "RS256"}
    return jwt.encode(issuer.claims(), private_key("RS256", 999), algorithm="RS256", headers=head)


def _bit_flipped(issuer: Issuer) -> str:
    head, claims, signature = issuer.token().split(".")
    return f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _other_claims(issuer: Issuer) -> str:
    """The head and the signature of one token, the claims of another."""
    mine, theirs = issuer.token("ann").split("."), issuer.token("bob").split(".")
    return f"{mine[0]}.{theirs[1]}.{mine[2]}"


def _own_key(issuer: Issuer) -> str:
    """A token that brings the key it is signed with (RFC 8725, 2.7)."""
    private = private_key("RS256", 999)
    head = {"typ": "at+jwt", "jwk": Key("RS256", "RS256", private).jwk(), "jku": "http://127.0.0.1:1/jwks"}
    return jwt.encode(issuer.claims(), private, algorithm="RS256", headers=head)


NOW = int(ManualClock().now().timestamp())

REFUSED: dict[str, Callable[[Issuer], str]] = {
    "wrong issuer": lambda issuer: issuer.token(iss="https://elsewhere.example.org"),
    "issuer with a slash more": lambda issuer: issuer.token(iss=issuer.url + "/"),
    "no issuer": lambda issuer: issuer.token(iss=None),
    "issuer that is no text": lambda issuer: unsigned({"typ": "at+jwt", "alg": "RS256"}, {"iss": {"a": 1}}, b"x"),
    "wrong audience": lambda issuer: issuer.token(aud="other"),
    "wrong audiences": lambda issuer: issuer.token(aud=["other", "protes2", 7, None]),
    "no audience": lambda issuer: issuer.token(aud=None),
    "audience that is an object": lambda issuer: issuer.token(aud={"protes": 1}),
    "alg none": lambda issuer: unsigned({"typ": "at+jwt", "alg": "none", "kid": "RS256"}, issuer.claims(), b"x"),
    "alg none without signature": lambda issuer: unsigned({"typ": "at+jwt", "alg": "none"}, issuer.claims()),
    "alg None": lambda issuer: unsigned({"typ": "at+jwt", "alg": "None", "kid": "RS256"}, issuer.claims(), b"x"),
    "HS256 with the public key": lambda issuer: _hmac_token(issuer, _public_pem(issuer)),
    "HS256 with the modulus": lambda issuer: _hmac_token(issuer, issuer.key("RS256").jwk()["n"].encode()),
    "HS256 with nothing": lambda issuer: _hmac_token(issuer, b""),
    "an algorithm that is not accepted": lambda issuer: issuer.token(kid="PS256"),
    "a key of another algorithm": lambda issuer: issuer.token(kid="RS256", head={"kid": "ES256"}),
    "signed by a stranger": _by_a_stranger,
    "signed by the key it brings": _own_key,
    "a bit of the signature": _bit_flipped,
    "other claims": _other_claims,
    "expired": lambda issuer: issuer.token(exp=NOW - 61),
    "expired long ago": lambda issuer: issuer.token(exp=0),
    "no exp": lambda issuer: issuer.token(exp=None),
    "exp that is a text": lambda issuer: issuer.token(exp=str(NOW + 100)),
    "exp that is true": lambda issuer: issuer.token(exp=True),
    "exp that is no number": lambda issuer: issuer.token(exp=float("nan")),
    "exp without end": lambda issuer: issuer.token(exp=float("inf")),
    "exp that no float holds": lambda issuer: issuer.token(exp=10**400),
    "not yet valid": lambda issuer: issuer.token(nbf=NOW + 61),
    "made in the future": lambda issuer: issuer.token(iat=NOW + 61),
    "unknown kid": lambda issuer: issuer.token(head={"kid": "nobody"}),
    "kid that is no text": lambda issuer: unsigned({"typ": "at+jwt", "alg": "RS256", "kid": 7}, issuer.claims(), b"x"),
    "typ JWT": lambda issuer: issuer.token(head={"typ": "JWT"}),
    "no typ": lambda issuer: issuer.token(head={"typ": None}),
    "an ID token": lambda issuer: issuer.token(nonce="n"),
    "a refresh token of Keycloak": lambda issuer: issuer.token(typ="Refresh"),
    "critical extension": lambda issuer: unsigned({"typ": "at+jwt", "alg": "RS256", "crit": ["x"]}, {}, b"x"),
    "no subject": lambda issuer: issuer.token(sub=None),
    "empty subject": lambda issuer: issuer.token(sub=""),
    "subject that is a number": lambda issuer: issuer.token(sub=7),
    "subject of two lines": lambda issuer: issuer.token(sub="ann\r\nX: y"),
    "oversized": lambda issuer: issuer.token(groups=["g" * 100] * 60),
    "deeply nested": lambda issuer: f"{base64url(b'[' * 1500)}.{base64url(b'{}')}.AAAA",
    "no token": lambda issuer: "canary",
    "two parts": lambda issuer: "a.b",
    "a token with a tail": lambda issuer: issuer.token() + ".x",
    "two tokens": lambda issuer: f"{issuer.token()}, Bearer {issuer.token()}",
    "padded": lambda issuer: issuer.token() + "=",
    "encrypted": lambda issuer: "a.b.c.d.e",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_token_for_us_is_401(gate: Api, issuer: Issuer, case: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="protes")
    token = REFUSED[case](issuer)
    answer = gate.post(TASKS, dict(TASK), headers=bearer(token))
    detail = problem_of(answer, 401)["detail"]
    scheme, parameters = challenge(answer)
    assert (scheme, parameters["error"], parameters["error_description"]) == ("Bearer", "invalid_token", detail)
    assert ("expired" in detail) == case.startswith("expired")
    assert token not in caplog.text
    assert token not in answer.text
    assert not gate.get(TASKS, headers=bearer(OPERATOR_TOKEN)).json()["tasks"]


def test_clocks_may_differ_by_the_leeway(gate: Api, issuer: Issuer) -> None:
    for claims in ({"exp": NOW - 59}, {"nbf": NOW + 60}, {"iat": NOW + 60}, {"iat": None}, {"exp": NOW + 0.5}):
        assert gate.get(TASKS, headers=bearer(issuer.token(**claims))).status_code == 200, claims


@pytest.mark.parametrize("audience", ["protes", ["other", "protes"]])
def test_one_of_several_audiences_does(gate: Api, issuer: Issuer, audience: Any) -> None:
    assert gate.get(TASKS, headers=bearer(issuer.token(aud=audience))).status_code == 200


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_types_are_media_types(gate: Api, issuer: Issuer, typ: str) -> None:
    assert gate.get(TASKS, headers=bearer(issuer.token(head={"typ": typ}))).status_code == 200


def test_a_token_without_a_kid_is_tried_with_the_keys_that_fit(gate: Api, issuer: Issuer) -> None:
    assert gate.get(TASKS, headers=bearer(issuer.token(head={"kid": None}))).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic Tm9uZTpOb25l", "Basic Og==", "Basic YW5uOnB3", "Token x", "x", "Bearer\tx"],
)
def test_what_is_no_bearer_token_is_nobody(gate: Api, authorization: str) -> None:
    answer = gate.get(TASKS, headers={"Authorization": authorization})
    problem_of(answer, 401)
    assert challenge(answer)[0] == "Bearer"


def test_the_operators_token_goes_on_working(gate: Api) -> None:
    assert gate.get("/protes/v1/middleware", headers=bearer(OPERATOR_TOKEN)).status_code == 200
    task_id = gate.create(headers=bearer(OPERATOR_TOKEN))
    assert gate.record(task_id).owner == "operator"


def test_a_refused_body_is_not_read(gate: Api) -> None:
    answer = gate.post(TASKS, data=b"{" * 200_000, headers={"Content-Type": "application/json"})
    problem_of(answer, 401)
    assert "close" in answer.headers["Connection"]
    small = gate.post(TASKS, data=b"no JSON", headers={"Content-Type": "application/json"})
    problem_of(small, 401)


def test_no_name_of_a_key_reaches_the_log(gate: Api, issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="protes")
    forged = "x\nERROR forged line"
    head = {"typ": "at+jwt", "alg": forged, "kid": forged}
    gate.get(TASKS, headers=bearer(unsigned(head, {**issuer.claims(), "iss": forged}, b"x")))
    gate.get(TASKS, headers=bearer(unsigned(head, issuer.claims(sub=forged), b"x")))
    assert "forged" not in caplog.text


def test_json_of_a_token_may_say_things_twice(gate: Api, issuer: Issuer) -> None:
    """Of two claims of a name the last counts, for whom it is about and for all that is checked alike."""
    text = json.dumps(issuer.claims("ann"))[:-1] + ', "iss": "https://elsewhere.example.org"}'
    token = jwt.api_jws.encode(
        text.encode(), issuer.key("RS256").private, "RS256", headers={"typ": "at+jwt", "kid": "RS256"}
    )
    problem_of(gate.get(TASKS, headers=bearer(token)), 401)
