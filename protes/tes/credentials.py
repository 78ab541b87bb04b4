"""How the gateway shows itself to an instance.

A kind of credentials is anything with `authorization()`, `refused()` and `secrets()`: those that never change are here,
tokens that are fetched and renewed in `oauth2.py`, and those that callers bring are kept by the federation.
"""

import base64
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr


class NoToken(Exception):
    """There is nothing to show an instance at the moment, so nothing was sent to it; the text has no secrets."""


class TokenOver(NoToken):
    """The caller's token that was to be shown is there no more, and asking later will not bring it back."""


class TokenSealed(NoToken):
    """The caller's token that was to be shown, or the one got for it, is not to be had for now; others may have it.

    This process lacks its key, or the token server does not answer.
    """


class Credentials(Protocol):
    """What a transport needs to know of credentials. The `repr` of an implementation shows no secret."""

    def authorization(self, until: float | None = None) -> str | None:
        """Return the value of the Authorization header, or None for none; called for each request.

        Args:
            until: monotonic time to be back by, for credentials that have to be fetched.

        Raises:
            NoToken: they cannot be had at the moment.
        """

    def refused(self, authorization: str) -> bool:
        """Note that an instance answered 401 to this value; return whether the next one is worth another try."""

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be shown, for redaction."""


class _Unchanging:
    """Credentials that stay what they are, whoever refuses them."""

    __slots__ = ()

    def refused(self, authorization: str) -> bool:
        """Return False: the next value would be the same."""
        del authorization
        return False


@dataclass(frozen=True, slots=True)
class NoCredentials(_Unchanging):
    """The instance is open."""

    def authorization(self, until: float | None = None) -> str | None:
        """Return None."""
        del until
        return None

    def secrets(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class BasicCredentials(_Unchanging):
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

    def authorization(self, until: float | None = None) -> str | None:
        """Return `Basic` and the encoded pair."""
        del until
        return f"Basic {self._encoded()}"

    def secrets(self) -> tuple[str, ...]:
        """Return the password and the encoded pair."""
        return (self.password.get_secret_value(), self._encoded())

    def _encoded(self) -> str:
        return base64.b64encode(f"{self.username}:{self.password.get_secret_value()}".encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class BearerToken(_Unchanging):
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

    def authorization(self, until: float | None = None) -> str | None:
        """Return `Bearer` and the token."""
        del until
        return f"Bearer {self.token.get_secret_value()}"

    def secrets(self) -> tuple[str, ...]:
        """Return the token."""
        return (self.token.get_secret_value(),)


class OfCaller:
    """Credentials that speak in the name of a task's caller, and say nothing of the instance when they are refused."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class CallerCredentials(OfCaller, _Unchanging):
    """What a task's caller has sent as `Authorization`, passed on as it came.

    Attributes:
        value: of the header; secret. None: it is not to be had.
        text: why it is not, for people.
        sealed: it is there, and cannot be read for now.
    """

    value: SecretStr | None
    text: str = ""
    sealed: bool = False

    def authorization(self, until: float | None = None) -> str | None:
        """Return the header's value.

        Raises:
            TokenOver: there is none any more.
            TokenSealed: it cannot be read for now.
        """
        del until
        if self.value is None:
            raise (TokenSealed if self.sealed else TokenOver)(self.text)
        return self.value.get_secret_value()

    def secrets(self) -> tuple[str, ...]:
        """Return the header's value, the credential in it, and for HTTP Basic what that says."""
        value = self.value.get_secret_value() if self.value is not None else ""
        scheme, _, credential = value.partition(" ")
        credential = credential.strip()
        pair = _decoded(credential) if scheme.lower() == "basic" else ""
        return (value, credential, *filter(None, (pair, pair.partition(":")[2])))


def _decoded(credential: str) -> str:
    """Return the user name and the password of HTTP Basic, "" where it is none."""
    try:
        return base64.b64decode(credential + "=" * (-len(credential) % 4)).decode()
    except ValueError:
        return ""


def _require_printable(text: str) -> None:
    if not text.isprintable():
        raise ValueError("a credential has no line breaks or other control characters")
