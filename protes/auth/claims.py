"""What a token says once its signature is found right: whether it is meant for us, now, and who it is about."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from protes.api.callers import OPERATOR, READER, USER, Caller
from protes.auth.tokens import BadToken, TokenExpired
from protes.config.auth import IssuerSettings, RoleRule

_LONGEST_SUBJECT = 255
_LONGEST_VALUE = 1024
_MOST_VALUES = 1000
_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")
"""Claims of ID tokens (OpenID Connect Core, 2), which tell a client who logged in and open nothing."""

Claims = Mapping[str, Any]


class NotAllowed(Exception):
    """A token that is right, of somebody who may not use the gateway with it.

    Attributes:
        scopes: what the token lacks; empty where no other token would help.
    """

    def __init__(self, reason: str, scopes: Sequence[str] = ()) -> None:
        """Say why, for the log."""
        super().__init__(reason)
        self.scopes = tuple(scopes)


def parse(raw: bytes) -> Claims:
    """Read signed claims.

    Raises:
        BadToken: they are none.
    """
    try:
        claims = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadToken("its claims cannot be read") from None
    if not isinstance(claims, dict):
        raise BadToken("its claims are no JSON object")
    return claims


def check_purpose(claims: Claims, issuer: IssuerSettings) -> None:
    """Check that a token is of this issuer, for this service, and there to be shown to a service.

    Raises:
        BadToken: it is not.
    """
    if claims.get("iss") != issuer.issuer:
        raise BadToken("its signed issuer is another")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if issuer.audience and not any(isinstance(each, str) and each in issuer.audience for each in named):
        raise BadToken("it is for another audience")
    client = claims["client_id"] if "client_id" in claims else claims.get("azp")
    if issuer.clients and client not in issuer.clients:
        raise BadToken("another client has obtained it")
    # Keycloak writes the kind of a token into its claims, Cognito too, under another name.
    if claims.get("typ") in ("ID", "Refresh") or claims.get("token_use") == "id":
        raise BadToken("it is no access token")
    if any(name in claims for name in _OF_ID_TOKENS):
        raise BadToken("it is an ID token")


def check_time(claims: Claims, now: float, leeway: float) -> float:
    """Check that a token is good now, and return until when, leeway included.

    Args:
        claims: its claims.
        now: seconds since 1970.
        leeway: seconds that the issuer's clock may differ.

    Raises:
        TokenExpired: it was good earlier.
        BadToken: it is not good yet, or does not say when it ends.
    """
    expires = _time(claims, "exp")
    if expires is None:
        raise BadToken("it has no exp")
    for name in ("nbf", "iat"):
        moment = _time(claims, name)
        if moment is not None and moment > now + leeway:
            raise BadToken(f"its {name} is in the future")
    if now >= expires + leeway:
        raise TokenExpired("it has expired")
    return expires + leeway


def caller_of(claims: Claims, issuer: IssuerSettings) -> Caller:
    """Return whom a token is about.

    Raises:
        BadToken: it names nobody.
        NotAllowed: somebody who may not use the gateway, or not with this token.
    """
    names = issuer.claims
    subject = _found(claims, names.subject)
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise BadToken("it has no subject that can be used")
    missing = [scope for scope in issuer.scopes if scope not in _scopes(claims)]
    if missing:
        raise NotAllowed("it lacks a scope", issuer.scopes)
    groups, theirs = _values(claims, names.groups), _values(claims, names.roles)
    tenants = _values(claims, names.tenant)

    def is_meant(rule: RoleRule | None) -> bool:
        return rule is not None and (
            subject in rule.subjects or not groups.isdisjoint(rule.groups) or not theirs.isdisjoint(rule.roles)
        )

    rules = issuer.roles
    given = {OPERATOR: is_meant(rules.operator), READER: is_meant(rules.reader)}
    given[USER] = (rules.user is None and not any(given.values())) or is_meant(rules.user)
    roles = frozenset(role for role, has in given.items() if has)
    if not roles:
        raise NotAllowed("it is of nobody who may use the gateway")

    def ours(value: str) -> str:
        return f"{issuer.name}:{value}"

    tenant = ours(min(tenants)) if len(tenants) == 1 else ""
    return Caller(ours(subject), tenant, frozenset(map(ours, groups)), roles)


def _time(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken(f"its {name} is no time")
    try:
        moment = float(value)
    except OverflowError:
        moment = math.inf
    if not math.isfinite(moment):
        raise BadToken(f"its {name} is no time")
    return moment


def _scopes(claims: Claims) -> frozenset[str]:
    """Return the scopes: words with spaces between (RFC 9068), or a list, as some write them (`scp`)."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        found.update(value.split() if isinstance(value, str) else _texts(value))
    return frozenset(found)


def _values(claims: Claims, name: str | None) -> frozenset[str]:
    value = _found(claims, name) if name is not None else None
    return frozenset(_texts([value] if isinstance(value, str) else value))


def _texts(value: object) -> list[str]:
    """Return what of a list can be used: texts on one line, of reasonable length and number."""
    if not isinstance(value, list):
        return []
    fitting = (each for each in value[:_MOST_VALUES] if isinstance(each, str) and 0 < len(each) <= _LONGEST_VALUE)
    return [each for each in fitting if each.isprintable()]


def _found(claims: Claims, path: str) -> object:
    """Return the claim of this name, for names may have dots in them, or the one that the dots lead to."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
