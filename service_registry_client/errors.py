"""What can go wrong with a registry, as one tree.

    ValueError
    └── InvalidURL               a URL that no service can have; never worth a repeat
    Exception
    └── RegistryError            everything a call to a registry raises
        ├── RegistryUnreachable  no complete answer: refused, reset, broken off, unresolvable name, TLS
        │   ├── RegistryTimeout  no complete answer in time: connecting, waiting, or all in all
        │   └── AddressRefused   the host has an address that the caller does not allow; nothing was sent to it
        ├── RegistryAnswer       an answer with a status other than the one the specification has
        ├── RegistryRedirect     a redirect that is not followed: too many, away from https, no address
        └── RegistryBody         an answer that is not what the specification says: no JSON, other shape, too large

`retryable` says whether the same call may well succeed if it is repeated soon.
"""

from __future__ import annotations


class InvalidURL(ValueError):
    """A URL is not one of a service. The text names what is wrong and does not repeat the URL."""


class RegistryError(Exception):
    """A call to a registry failed.

    Attributes:
        url: The registry's address as far as it may be shown: no query, no credentials.
        reason: What went wrong, for people.
        retryable: Whether a repeat soon may succeed.
    """

    def __init__(self, url: str, reason: str, *, retryable: bool) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason
        self.retryable = retryable


class RegistryUnreachable(RegistryError):
    """No complete answer came back. Retryable, unless trust in the certificate is what is missing."""

    def __init__(self, url: str, reason: str, *, retryable: bool = True) -> None:
        super().__init__(url, reason, retryable=retryable)


class RegistryTimeout(RegistryUnreachable):
    """No complete answer came back in time. Retryable."""


class AddressRefused(RegistryUnreachable):
    """The registry's host, or one that it redirects to, has an address that `allow_address` refuses. Not retryable."""

    def __init__(self, url: str) -> None:
        # Not which address: to whom this text is shown it might tell of a network that is not theirs.
        super().__init__(url, "its host has an address that is not allowed", retryable=False)


class RegistryAnswer(RegistryError):
    """The registry answered with an error status. Retryable for 408, 425, 429 and 5xx other than 501.

    Attributes:
        status: The HTTP status.
        retry_after_seconds: How long the registry asks to wait, if it says so in seconds.
    """

    def __init__(self, url: str, status: int, detail: str = "", *, retry_after_seconds: float | None = None) -> None:
        retryable = status in (408, 425, 429) or (status >= 500 and status != 501)
        super().__init__(url, f"HTTP {status}" + (f": {detail}" if detail else ""), retryable=retryable)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class RegistryRedirect(RegistryError):
    """The registry redirects to where this client does not follow. Not retryable."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason, retryable=False)


class RegistryBody(RegistryError):
    """The registry's answer is not what the specification says. Not retryable."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason, retryable=False)
