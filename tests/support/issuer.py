"""A real OpenID Connect issuer on a free port of the loopback interface: its keys are real, and so are its signatures.

    with Issuer(clock) as issuer:
        token = issuer.token("ann", groups=["imaging"])
        issuer.rotate()                     # a new key, the old one still published
        issuer.revoke(issuer.kids[0])       # taken back
        issuer.server.refuse()              # down; issuer.server.resume() brings it back
        issuer.server.inject("GET", "/jwks", redirect("..."))   # once, in place of what it would answer

Everything about the server can be scripted (tests/support/scripted_server.py); what it was asked is recorded there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from protes.clock import Clock
from tests.support.scripted_server import Behaviour, Request, ScriptedServer, answer_json

AUDIENCE = "protes"
DISCOVERY = "/.well-known/openid-configuration"
JWKS = "/jwks"
LIFETIME_SECONDS = 300

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@cache
def private_key(algorithm: str, number: int = 0, bits: int = 2048) -> PrivateKey:
    """Make a key for an algorithm; the same one for the same number, since they take long to make."""
    del number
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm])
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Key:
    """A key of the issuer.

    Attributes:
        kid: its name.
        algorithm: what it signs with.
        private: the key.
    """

    kid: str
    algorithm: str
    private: PrivateKey

    def jwk(self) -> dict[str, Any]:
        """Return its public half as it is published (RFC 7517)."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            document = RSAAlgorithm.to_jwk(public, as_dict=True)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            document = ECAlgorithm.to_jwk(public, as_dict=True)
        else:
            document = OKPAlgorithm.to_jwk(public, as_dict=True)
        document.pop("key_ops", None)
        return {**document, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


class Issuer:
    """See the module's text."""

    def __init__(self, clock: Clock, path: str = "", algorithm: str = "RS256", key_number: int = 0) -> None:
        """Be an issuer whose URL ends in `path`, with one key."""
        self.server = ScriptedServer()
        self.clock = clock
        self.path = path
        self.published: dict[str, dict[str, Any]] = {}
        self.discovery: dict[str, Any] = {"issuer": self.url, "jwks_uri": self.server.url + JWKS}
        self._keys: dict[str, Key] = {}
        self._number = key_number
        self.add_key(algorithm)

    @property
    def url(self) -> str:
        """The issuer, as in `iss`."""
        return self.server.url + self.path

    @property
    def kids(self) -> list[str]:
        """The names of the keys that are published, oldest first."""
        return list(self.published)

    @property
    def fetches(self) -> int:
        """How often its keys have been asked for."""
        return self.server.count("GET", JWKS)

    def __enter__(self) -> Self:
        self.server.on("GET", self.path.rstrip("/") + DISCOVERY, lambda _: answer_json(self.discovery))
        self.server.on("GET", JWKS, self._answer_keys)
        self.server.__enter__()
        return self

    def __exit__(self, *details: Any) -> None:
        self.server.__exit__(*details)

    def add_key(
        self, algorithm: str = "RS256", published: bool = True, kid: str | None = None, bits: int = 2048
    ) -> str:
        """Make another key and return its name; the newest key signs."""
        kid = kid or f"key-{self._number}"
        self._keys[kid] = Key(kid, algorithm, private_key(algorithm, self._number, bits))
        self._number += 1
        if published:
            self.published[kid] = self._keys[kid].jwk()
        return kid

    def rotate(self) -> str:
        """Sign with a new key from now on, with the old one still published."""
        return self.add_key()

    def revoke(self, kid: str) -> None:
        """Take a key back: it is published no more."""
        del self.published[kid]

    def key(self, kid: str) -> Key:
        """Return a key."""
        return self._keys[kid]

    def claims(self, subject: str = "ann", **changes: Any) -> dict[str, Any]:
        """Return the claims of an access token (RFC 9068); a change to None leaves a claim out."""
        now = int(self.clock.now().timestamp())
        usual = {
            "iss": self.url,
            "sub": subject,
            "aud": AUDIENCE,
            "client_id": "engine",
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": "1",
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def token(
        self, subject: str = "ann", *, kid: str | None = None, head: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """Sign an access token.

        Args:
            subject: whose it is.
            kid: which key signs; the newest by default.
            head: what its head says otherwise than usual; None leaves something out.
            **changes: claims that are otherwise than usual; None leaves one out.
        """
        key = self._keys[kid or list(self._keys)[-1]]
        shown = {"typ": "at+jwt", "kid": key.kid, **(head or {})}
        algorithm = shown.pop("alg", key.algorithm)
        whole = {name: value for name, value in shown.items() if value is not None}
        if "typ" not in whole:
            whole["typ"] = ""  # the library leaves it out then
        return jwt.encode(self.claims(subject, **changes), key.private, algorithm=algorithm, headers=whole)

    def _answer_keys(self, request: Request) -> Behaviour:
        del request
        return answer_json({"keys": list(self.published.values())})


def unsigned(head: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """Write a token by hand, signed with whatever is given."""
    return ".".join(map(base64url, (json.dumps(head).encode(), json.dumps(claims).encode(), signature)))


def base64url(raw: bytes) -> str:
    """Write bytes as RFC 7515 has them."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
