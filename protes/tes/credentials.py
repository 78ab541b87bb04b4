"""How the gateway shows itself to an instance.

A kind of credentials is anything with `authorization()` and `secrets()`; a new one (a token that is fetched and
refreshed, for example) needs nothing else.
"""

import base64
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr


class Credentials(Protocol):
    """What a transport needs to know of credentials. The `repr` of an implementation shows no secret."""

    def authorization(self) -> str | None:
        """Return the value of the Authorization header, or None for none."""

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be shown, for redaction."""


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """The instance is open."""

    def authorization(self) -> str | None:
        """Return None."""
        return None

    def secrets(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """HTTP Basic (RFC 7617) in UTF-8, sent without waiting for a challenge (DIALECTS.md 2.7 rule 4).

    Attributes:
        username: may not contain a colon.
        password: secret.
    """

    username: str
    password: SecretStr

    def __post_init__(self) -> None:
        """Refuse what the header cannot carry.

        Raises:
            ValueError: the user name has a colon or either part a control character; the text shows neither.
        """
        if ":" in self.username:
            raise ValueError("a user name for HTTP Basic has no colon")
        _require_printable(self.username + self.password.get_secret_value())

    def authorization(self) -> str | None:
        """Return `Basic` and the encoded pair."""
        return f"Basic {self._encoded()}"

    def secrets(self) -> tuple[str, ...]:
        """Return the password and the encoded pair."""
        return (self.password.get_secret_value(), self._encoded())

    def _encoded(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password.get_secret_value()}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A fixed bearer token (RFC 6750)."""

    token: SecretStr

    def __post_init__(self) -> None:
        """Refuse what the header cannot carry.

        Raises:
            ValueError: the token is empty, not ASCII or has white space or a control character; it is not shown.
        """
        value = self.token.get_secret_value()
        if not value or not value.isascii() or " " in value:
            raise ValueError("a bearer token is ASCII text without spaces")
        _require_printable(value)

    def authorization(self) -> str | None:
        """Return `Bearer` and the token."""
        return f"Bearer {self.token.get_secret_value()}"

    def secrets(self) -> tuple[str, ...]:
        """Return the token."""
        return (self.token.get_secret_value(),)


def _require_printable(text: str) -> None:
    if not text.isprintable():
        raise ValueError("a credential has no line breaks or other control characters")
