"""The public keys of an issuer (RFC 7517), each good for certain signatures only (RFC 8725, 3.1 and 3.2)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from protes.auth.tokens import BadToken, Unverified

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_MOST_KEYS = 100
_SMALLEST_RSA_BITS = 2048
_LARGEST_RSA_BITS = 16384
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_JWS = jwt.PyJWS()


class NotKeys(Exception):
    """A document that is no set of keys; the text is for the log."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that signatures are checked with.

    Attributes:
        key_id: its name; None where it has none.
        algorithms: what it may be used for.
        public: the key.
    """

    key_id: str | None
    algorithms: frozenset[str]
    public: PublicKey


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """The keys of an issuer at one moment.

    Attributes:
        keys: those that can be used here.
        document: what they were read from, to tell whether another one says the same.
    """

    keys: tuple[VerificationKey, ...]
    document: Mapping[str, Any]

    def fitting(self, token: Unverified) -> tuple[VerificationKey, ...]:
        """Return the keys that a token may have been signed with: the one it names, or any of its algorithm."""
        return tuple(
            each
            for each in self.keys
            if token.algorithm in each.algorithms and (token.key_id is None or token.key_id == each.key_id)
        )


def read_keys(document: object) -> KeySet:
    """Read a JSON Web Key Set, leaving out what is not for signatures that anybody can check.

    An empty set is one: an issuer may take all its keys back.

    Raises:
        NotKeys: the document is no set of keys, or an unreasonable one.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise NotKeys("its keys are no JSON Web Key Set")
    if len(found) > _MOST_KEYS:
        raise NotKeys(f"it has more than {_MOST_KEYS} keys")
    read = (_key(each) for each in found)
    return KeySet(tuple(each for each in read if each is not None), document)


def check_signature(token: Unverified, key: VerificationKey) -> bytes:
    """Return the claims of a token that was signed with a key, as they were signed.

    Raises:
        BadToken: it was not.
    """
    try:
        claims: bytes = _JWS.decode(token.text, key.public, algorithms=[token.algorithm])
    except jwt.PyJWTError:
        raise BadToken("its signature is wrong") from None
    return claims


def _key(document: Mapping[str, Any]) -> VerificationKey | None:
    """Return a key, None where it is for something else, is too weak, or is of a kind that is not known here."""
    operations = document.get("key_ops")
    verifies = operations is None or (isinstance(operations, list) and "verify" in operations)
    if document.get("use") not in (None, "sig") or not verifies:
        return None
    public = _public(document)
    possible = _possible(public)
    named = document.get("alg")
    algorithms = possible if named is None else possible & {named} if isinstance(named, str) else frozenset()
    key_id = document.get("kid")
    if public is None or not algorithms or not (key_id is None or isinstance(key_id, str)):
        return None
    return VerificationKey(key_id, algorithms, public)


def _public(document: Mapping[str, Any]) -> PublicKey | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of weak keys, which are left out
            # By its kind, whatever algorithm it names: the library would let `none` be one.
            key = jwt.PyJWK({name: value for name, value in document.items() if name != "alg"}).key
    except (jwt.PyJWTError, TypeError, ValueError, KeyError, NotImplementedError):
        return None
    # A private key in a published document has its public half in it, but nobody who publishes it can be believed.
    return key if isinstance(key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey) else None


def _possible(key: PublicKey | None) -> frozenset[str]:
    if isinstance(key, RSAPublicKey):
        return _RSA if _SMALLEST_RSA_BITS <= key.key_size <= _LARGEST_RSA_BITS else frozenset()
    if isinstance(key, EllipticCurvePublicKey):
        return frozenset({_CURVES[key.curve.name]}) if key.curve.name in _CURVES else frozenset()
    return frozenset({"EdDSA"}) if isinstance(key, Ed25519PublicKey) else frozenset()
