"""Ask an issuer for its keys: OpenID Connect Discovery 1.0, section 4, then RFC 7517.

Each document comes over a connection of its own, which nobody keeps: minutes pass until the next. No redirect is
followed, nothing is sent but the question, and the whole ends within a deadline.
"""

from urllib.parse import urlsplit

import requests

from protes.auth.keys import KeySet, NotKeys, read_keys
from protes.clock import Clock
from protes.config.auth import IssuerSettings
from protes.outbound.tls import Tls
from protes.tes.answer import Answer
from protes.tes.errors import DownstreamError
from protes.tes.timeouts import Timeouts
from protes.tes.transport import Transport

_DISCOVERY = "/.well-known/openid-configuration"
_CONNECT_SECONDS = 3.0
_MOST_BYTES = 256 * 1024


class FetchFailed(Exception):
    """The issuer gave no keys; the text says why, for the log."""


class _OneServer(Transport):
    """A transport that takes a redirect for what it is here: a way to have keys come from somebody else."""

    def _target(self, answer: Answer) -> str:
        raise self._bad(f"answered {answer.status}, a redirect")


def fetch_keys(issuer: IssuerSettings, seconds: float, clock: Clock) -> KeySet:
    """Return the keys that an issuer has now.

    Args:
        issuer: whom to ask.
        seconds: how long it may take.
        clock: measures.

    Raises:
        FetchFailed: there are none to be had.
    """
    until = clock.monotonic() + seconds
    url = issuer.jwks_url
    if url is None:
        document = _get(issuer.issuer.rstrip("/") + _DISCOVERY, issuer, seconds, until, clock)
        url = _keys_url(document, issuer)
    try:
        return read_keys(_get(url, issuer, seconds, until, clock))
    except NotKeys as problem:
        raise FetchFailed(f"{url}: {problem}") from None


def _keys_url(document: object, issuer: IssuerSettings) -> str:
    """Return where a discovery document says the keys are; it must be the issuer's own (section 4.3)."""
    if not isinstance(document, dict) or document.get("issuer") != issuer.issuer:
        raise FetchFailed(f"{issuer.issuer}: its discovery document is none, or another issuer's")
    url = document.get("jwks_uri")
    try:
        usable = isinstance(url, str) and "@" not in urlsplit(url).netloc and issuer.may_ask(url)
    except ValueError:
        usable = False
    if not usable:
        raise FetchFailed(f"{issuer.issuer}: its discovery document has no jwks_uri that may be asked")
    return str(url)


def _get(url: str, issuer: IssuerSettings, seconds: float, until: float, clock: Clock) -> object:
    parts = urlsplit(url)
    left = max(0.001, until - clock.monotonic())
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _OneServer(
            f"{parts.scheme}://{parts.netloc}",
            timeouts=Timeouts(min(_CONNECT_SECONDS, seconds), seconds, left, left),
            max_body_bytes=_MOST_BYTES,
            pool_size=1,
            tls=Tls(ca_file=issuer.ca_file),
            clock=clock,
            until=until,
        ) as transport:
            return transport.get(path).json()
    except DownstreamError as error:
        raise FetchFailed(f"{url}: {error.text}") from None
    except (requests.RequestException, ValueError, OSError) as error:
        raise FetchFailed(f"{url}: {type(error).__name__}") from None
