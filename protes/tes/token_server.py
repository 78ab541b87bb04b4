"""What token servers are asked, and what they answer (RFC 6749; RFC 8693 for exchange).

One POST on a connection of its own; no redirect is followed, and nothing of the environment is used.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus, urlsplit

from pydantic import SecretStr

from protes.clock import Clock
from protes.outbound.tls import Tls
from protes.tes.credentials import BearerToken
from protes.tes.errors import BadAnswer, Refused
from protes.tes.timeouts import Timeouts
from protes.tes.token_lifetime import lifetime_of, seconds_of
from protes.tes.transport import Transport

TOTAL_SECONDS = 10.0
_CONNECT_SECONDS = 3.0
_MOST_BYTES = 256 * 1024
_MOST_CODE = 64
_KINDS = ("bearer", "n_a")
"""Of tokens that are sent as bearer tokens; `N_A` is what an exchange says of one that is no access token by itself."""


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What is sent to a token server, and where to.

    Attributes:
        token_url: the token endpoint.
        client_id: who asks.
        secret: the client's secret.
        parameters: further fields of the form, such as `scope`, `resource` and `audience`.
        authentication: whether id and secret go into the form (`post`) or into the header (`basic`; RFC 6749, 2.3.1).
        tls: how the token server's certificate is checked.
    """

    token_url: str
    client_id: str
    secret: SecretStr
    parameters: Mapping[str, str] = field(default_factory=dict)
    authentication: Literal["post", "basic"] = "post"
    tls: Tls = field(default_factory=Tls)

    def __post_init__(self) -> None:
        """Refuse what cannot be sent.

        Raises:
            ValueError: the secret is empty.
        """
        if not self.secret.get_secret_value():
            raise ValueError("the client's secret is empty")

    def form(self, fields: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the form, secret included: for a token of the client's own, unless `fields` say otherwise."""
        pair = {"client_id": self.client_id, "client_secret": self.secret.get_secret_value()}
        shown = pair if self.authentication == "post" else {}
        wanted = fields if fields is not None else {"grant_type": "client_credentials", **self.parameters}
        return {**shown, **wanted}

    def authorization(self, until: float | None = None) -> str | None:
        """Return the value of the Authorization header for the token server."""
        del until
        return f"Basic {self._encoded()}" if self.authentication == "basic" else None

    def refused(self, authorization: str) -> bool:
        """Return False: there is no other secret."""
        del authorization
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return the secret in all forms in which it is sent."""
        secret = self.secret.get_secret_value()
        return (secret, quote_plus(secret), self._encoded())

    def _encoded(self) -> str:
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret.get_secret_value())}"
        return base64.b64encode(pair.encode()).decode("ascii")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token server gave.

    Attributes:
        bearer: the token.
        lifetime_seconds: how long it lives from when it was asked for.
        asked_at: monotonic time of that.
        asked_timestamp: the same, seconds since 1970.
        refresh_token: what another one is got for; secret.
        refresh_seconds: how long that lives, where it is said.
    """

    bearer: BearerToken
    lifetime_seconds: float
    asked_at: float
    asked_timestamp: float
    refresh_token: SecretStr | None = None
    refresh_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Asking:
    """How the gateway shows itself to a token server, and what else an answer of it must not repeat."""

    grant: TokenGrant
    fields: Mapping[str, str]

    def authorization(self, until: float | None = None) -> str | None:
        return self.grant.authorization(until)

    def refused(self, authorization: str) -> bool:
        return self.grant.refused(authorization)

    def secrets(self) -> tuple[str, ...]:
        told = [text for name, text in self.fields.items() if name in ("subject_token", "refresh_token")]
        return (*self.grant.secrets(), *told, *map(quote_plus, told))


def ask(grant: TokenGrant, clock: Clock, until: float, secret_fields: Mapping[str, str] | None = None) -> Granted:
    """Fetch a token.

    Args:
        grant: where, and as whom.
        clock: measures.
        until: monotonic time to be back by.
        secret_fields: of the form, in the place of those for a token of the client's own.

    Raises:
        DownstreamError: the token server gave none; a `Refused` has its word for why as `oauth_error`.
    """
    left = max(0.001, until - clock.monotonic())
    timeouts = Timeouts(min(_CONNECT_SECONDS, left), left, left, left)
    asked_at, asked_timestamp = clock.monotonic(), clock.now().timestamp()
    with Transport(
        origin_of(grant.token_url),
        _Asking(grant, secret_fields or {}),
        timeouts=timeouts,
        max_body_bytes=_MOST_BYTES,
        pool_size=1,
        tls=grant.tls,
        clock=clock,
        until=until,
    ) as transport:
        path = urlsplit(grant.token_url)._replace(scheme="", netloc="").geturl()
        answer = transport.post(path, form=grant.form(secret_fields), check=False)
        if not 200 <= answer.status < 300:
            error = transport.error_of(answer)
            if isinstance(error, Refused):
                error.oauth_error = _code(answer.body)
            raise error
    document = answer.json()
    bearer = _bearer(document)
    lifetime = lifetime_of(document, asked_timestamp)
    if lifetime <= 0:
        raise BadAnswer("answered with a token that has expired, unless the clock here is wrong")
    refresh = document.get("refresh_token")
    return Granted(
        bearer,
        lifetime,
        asked_at,
        asked_timestamp,
        SecretStr(refresh) if isinstance(refresh, str) and refresh else None,
        seconds_of(document.get("refresh_expires_in")),
    )


def _bearer(document: object) -> BearerToken:
    """Return the token of an answer (RFC 6749, 5.1; RFC 8693, 2.2.1)."""
    if not isinstance(document, dict) or not isinstance(document.get("access_token"), str):
        raise BadAnswer("answered without an access_token")
    kind = document.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() not in _KINDS:
        raise BadAnswer("answered with a token that is no bearer token")
    try:
        return BearerToken(SecretStr(document["access_token"]))
    except ValueError:
        raise BadAnswer("answered with a token that no header can carry") from None


def _code(body: bytes) -> str:
    """Return the word for programs of a refusal (RFC 6749, 5.2); "" where there is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    code = document.get("error") if isinstance(document, dict) else None
    return code if isinstance(code, str) and code.isprintable() and len(code) <= _MOST_CODE else ""


def origin_of(url: str) -> str:
    """Return scheme, host and port of a token endpoint."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
