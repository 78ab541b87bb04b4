"""JSON Web Tokens before anything in them is believed (RFC 7515, RFC 7519, RFC 8725)."""

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_MEDIA_TYPE = "application/"


class BadToken(Exception):
    """A token that is not taken; the text is for the log, and has nothing of the token that could make a line."""


class TokenExpired(BadToken):
    """A token that would have been taken earlier: its signature is right."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, which anybody could have written.

    Attributes:
        text: the token.
        algorithm: how it is signed.
        key_id: with which key; None where it does not say.
        type: what kind of token it is, lower case, without `application/`.
        issuer: who made it.
    """

    text: str
    algorithm: str
    key_id: str | None
    type: str
    issuer: str


def read(text: str, most_bytes: int) -> Unverified:
    """Read the head of a token, and who it says has made it.

    Raises:
        BadToken: it is none, is longer than `most_bytes`, or asks for what is not understood here.
    """
    if len(text) > most_bytes:
        raise BadToken(f"longer than {most_bytes} bytes (auth.max_token_bytes)")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise BadToken("no JSON Web Token")
    head, claims = _object(parts[1], "head"), _object(parts[2], "claims")
    if "crit" in head or "b64" in head:
        # RFC 7515, 4.1.11: extensions that must be understood. None is.
        raise BadToken("its head has extensions")
    key_id = head.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise BadToken("its head has a kid that is no text")
    kind = _text(head, "typ").lower().removeprefix(_MEDIA_TYPE)
    return Unverified(text, _text(head, "alg"), key_id, kind, _text(claims, "iss"))


def _object(part: str, name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (NotBase64, ValueError, RecursionError):
        raise BadToken(f"its {name} cannot be read") from None
    if not isinstance(found, dict):
        raise BadToken(f"its {name} are no JSON object")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise BadToken(f"it has no {name}")
    return value
