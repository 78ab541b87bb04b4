"""How long a bearer token lives, from what a token server says and from the token itself."""

import base64
import json
import math
from collections.abc import Mapping

_UNSAID_SECONDS = 300.0
"""How long a token lives whose end nothing tells."""


def lifetime_of(document: Mapping[str, object], asked_timestamp: float) -> float:
    """Return how many seconds a token lives from when it was asked for: the least of what is said of it.

    Azure's v1.0 endpoint writes numbers as strings and says the end as `expires_on` too; a token that is a JWT says it
    itself (`exp`), which is what a server goes by. What cannot be read is taken as not said.

    Args:
        document: the answer of the token server.
        asked_timestamp: when it was asked, seconds since 1970.
    """
    ends = (seconds_of(document.get("expires_on")), seconds_of(_claims(document.get("access_token")).get("exp")))
    said = [seconds_of(document.get("expires_in")), *(None if end is None else end - asked_timestamp for end in ends)]
    return min((each for each in said if each is not None), default=_UNSAID_SECONDS)


def expires_at(token: str) -> float | None:
    """Return when a token that is a JWT says it ends (`exp`), seconds since 1970; None where it says nothing of it.

    The signature is not checked: whoever takes the token does that.
    """
    return seconds_of(_claims(token).get("exp"))


def _claims(token: object) -> Mapping[str, object]:
    """Return what a JWT says; nothing where it is none. Nothing is checked: that is for the one who takes it."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def seconds_of(value: object) -> float | None:
    """Return a number as token servers write them, as a string too; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
