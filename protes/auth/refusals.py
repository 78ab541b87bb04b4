"""How callers are turned away: RFC 9110 section 11, RFC 6750 section 3, RFC 7617, as RFC 9457 problem details.

They are told what they can mend, and nothing of what was compared with what.
"""

import math
from collections.abc import Sequence

from protes.api.problems import Problem
from protes.config.auth import AuthSettings

_INVALID = "the access token is not taken: it is wrong, or meant for another service"
_EXPIRED = "the access token has expired: get a new one"


class Refusals:
    """Refusals in the words of one gateway's settings."""

    def __init__(self, settings: AuthSettings) -> None:
        """Challenge as these settings say."""
        self._realm = settings.realm
        self._takes_tokens = settings.takes_tokens
        self._takes_basic = settings.takes_basic

    def nobody(self) -> Problem:
        """Who calls is not said, or not in a way that is understood here."""
        ways = []
        if self._takes_tokens:
            ways.append("an access token (Authorization: Bearer)")
        if self._takes_basic:
            ways.append("a user name and password (Authorization: Basic)")
        return self._unauthorized(f"this gateway serves callers that it knows: send {' or '.join(ways)}")

    def bad_token(self, expired: bool) -> Problem:
        """A token is not taken."""
        text = _EXPIRED if expired else _INVALID
        return self._unauthorized(text, ("invalid_token", text))

    def wrong_password(self) -> Problem:
        """A user name and a password do not belong together."""
        return self._unauthorized("the user name or the password is wrong")

    def not_allowed(self, scopes: Sequence[str]) -> Problem:
        """A token is right, and does not do."""
        if not scopes:
            return Problem(403, "you are known here, but have no leave to use this gateway: ask its operator")
        text = "the access token lacks a scope"
        names = " ".join(each for each in scopes if each.isascii() and '"' not in each and "\\" not in each)
        headers = {"WWW-Authenticate": self._bearer(("insufficient_scope", text)) + f', scope="{names}"'}
        return Problem(403, f"{text}: it needs {names}", headers=headers)

    def only_reads(self) -> Problem:
        """Somebody who may only read asks for a change."""
        return Problem(403, "your role here is reader: it changes nothing")

    def no_keys(self, retry_after_seconds: float) -> Problem:
        """Nothing can be said of a token."""
        text = "access tokens cannot be checked for now: their issuer does not answer; try again"
        return Problem(503, text, headers={"Retry-After": str(max(1, math.ceil(retry_after_seconds)))})

    def busy(self) -> Problem:
        """A password could not be checked."""
        return Problem(503, "too many passwords are being checked; try again", headers={"Retry-After": "1"})

    def _unauthorized(self, detail: str, error: tuple[str, str] | None = None) -> Problem:
        challenges = []
        if self._takes_tokens:
            challenges.append(self._bearer(error))
        if self._takes_basic:
            challenges.append(f'Basic realm="{self._realm}", charset="UTF-8"')
        return Problem(401, detail, headers={"WWW-Authenticate": ", ".join(challenges)})

    def _bearer(self, error: tuple[str, str] | None) -> str:
        challenge = f'Bearer realm="{self._realm}"'
        if error is not None:
            challenge += f', error="{error[0]}", error_description="{error[1]}"'
        return challenge
