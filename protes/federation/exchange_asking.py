"""What token servers are asked for callers' tokens, and how they are treated that fail or refuse (RFC 8693)."""

import hashlib
import json
import logging
import math
import threading
from dataclasses import dataclass, field
from typing import Self

from protes.clock import Clock
from protes.federation.caller_tokens import Kept
from protes.federation.exchange_sessions import Session
from protes.tes.errors import DownstreamError, Refused
from protes.tes.oauth2 import pause_after
from protes.tes.token_server import TOTAL_SECONDS, Granted, TokenGrant, ask, origin_of

logger = logging.getLogger(__name__)

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"

_ID_CHARACTERS = 16
_OURS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
"""Refusals that say something of the gateway and nothing of the caller (RFC 6749, 5.2)."""


@dataclass(frozen=True, slots=True)
class ExchangeGrant:
    """How callers' tokens are exchanged for an instance.

    Attributes:
        grant: the token server, the gateway's own credentials there, and whom or what the token is for.
        subject_token_type: what callers' tokens are.
        requested_token_type: what is asked for; None leaves it to the token server.
        id: names the above without secrets: the same in every process, and after the client's secret was changed.
    """

    grant: TokenGrant
    subject_token_type: str
    requested_token_type: str | None = None
    id: str = field(init=False)

    def __post_init__(self) -> None:
        """Make the id."""
        told = [self.grant.token_url, self.grant.client_id, dict(sorted(self.grant.parameters.items()))]
        text = json.dumps([*told, self.subject_token_type, self.requested_token_type])
        object.__setattr__(self, "id", hashlib.sha256(text.encode()).hexdigest()[:_ID_CHARACTERS])

    def exchange(self, subject_token: str) -> dict[str, str]:
        """Return the form that exchanges a token (RFC 8693, 2.1)."""
        wanted = {"requested_token_type": self.requested_token_type} if self.requested_token_type else {}
        fields = {"grant_type": GRANT_TYPE, "subject_token": subject_token, **wanted}
        return {**fields, "subject_token_type": self.subject_token_type, **self.grant.parameters}

    def refresh(self, refresh_token: str) -> dict[str, str]:
        """Return the form that renews what an exchange gave (RFC 6749, 6)."""
        return {"grant_type": "refresh_token", "refresh_token": refresh_token}


class Declined(Exception):
    """The token server will not exchange this caller's token; the text has no secrets."""


@dataclass(frozen=True, slots=True)
class Time:
    """How long somebody may take.

    Attributes:
        limit: monotonic time to be back by.
        is_full: whether that is as long as a token server is ever waited for.
    """

    limit: float
    is_full: bool

    @classmethod
    def from_now(cls, clock: Clock, until: float | None) -> Self:
        """Take as long as a token server is waited for, or until `until` where that is sooner."""
        limit = clock.monotonic() + TOTAL_SECONDS
        return cls(limit, True) if until is None or until >= limit else cls(until, False)


def _is_of_caller(refusal: Refused) -> bool:
    """Tell whether a token server refuses the caller's token, rather than the gateway or what it asked for.

    Without its word for why (RFC 6749, 5.2) only 400 and 403 speak of what was sent.
    """
    if refusal.oauth_error:
        return refusal.oauth_error not in _OURS and refusal.status in (400, 401, 403)
    return refusal.status in (400, 403)


class TokenServers:
    """Asks them, and leaves those in peace that fail. Safe under threads."""

    def __init__(self, clock: Clock) -> None:
        """Ask nothing yet."""
        self._clock = clock
        self._pauses: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def get(self, session: Session, kept: Kept, grant: ExchangeGrant, limit: float) -> Granted:
        """Renew a session, or exchange the caller's token where that is not possible.

        Raises:
            Declined: the token server will do neither for this caller.
            DownstreamError: it did not answer, or does not know the gateway.
        """
        return self._refreshed(session, grant, limit) or self._exchanged(kept, grant, limit)

    def _refreshed(self, session: Session, grant: ExchangeGrant, limit: float) -> Granted | None:
        """Renew with the refresh token; None where there is none, or it is refused: the caller's may still do."""
        if session.refresh is None:
            return None
        try:
            return ask(grant.grant, self._clock, limit, grant.refresh(session.refresh.get_secret_value()))
        except Refused as refusal:
            if not _is_of_caller(refusal):
                raise
            logger.info("what a caller's token was exchanged for cannot be renewed: %s", refusal.text)
            return None

    def _exchanged(self, kept: Kept, grant: ExchangeGrant, limit: float) -> Granted:
        scheme, _, subject = kept.authorization.get_secret_value().partition(" ")
        if not kept.lives:
            raise Declined("its caller's token has ended, and what it was exchanged for cannot be renewed")
        if scheme.lower() != "bearer":
            raise Declined("its caller's credentials are no bearer token, so they cannot be exchanged")
        try:
            return ask(grant.grant, self._clock, limit, grant.exchange(subject.strip()))
        except Refused as refusal:
            if not _is_of_caller(refusal):
                raise
            text = f"its caller's token is not exchanged by {origin_of(grant.grant.token_url)}: {refusal.text}"
            raise Declined(text) from None

    def failed(self, grant: ExchangeGrant, error: DownstreamError, time: Time) -> str:
        """Note that a token server did not do what it should, and return what to say of that.

        Whoever had no time himself says nothing of how others would be treated.
        """
        failure = f"no token from {origin_of(grant.grant.token_url)}: {error.text}"
        logger.warning("client %s: %s", grant.grant.client_id, failure)
        now = self._clock.monotonic()
        if time.is_full or now < time.limit:
            with self._lock:
                self._pauses[grant.id] = (now + pause_after(error), failure)
        return failure

    def paused(self, grant: ExchangeGrant) -> str | None:
        """Return why a token server is left in peace for now; None where it may be asked."""
        until, failure = self._pauses.get(grant.id, (-math.inf, ""))
        return failure if self._clock.monotonic() < until else None
