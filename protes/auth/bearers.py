"""Callers by access token: OpenID Connect (RFC 6750, RFC 9068)."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from protes.api.callers import Caller
from protes.auth import claims as claimed
from protes.auth.key_ring import KeyRing, KeyRings
from protes.auth.keys import KeySet, check_signature
from protes.auth.tokens import BadToken, Unverified, read
from protes.clock import Clock
from protes.config.auth import AuthSettings, IssuerSettings

_MOST_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Found:
    """A token that was found right, and what it was found right with."""

    caller: Caller
    ring: KeyRing
    keys: KeySet
    ends_at: float


class Bearers:
    """Tells whose a token is. Safe under threads.

    A token that was found right is not checked again while its issuer's keys stay what they are: engines send the same
    one thousands of times. Only its digest is kept.
    """

    def __init__(self, settings: AuthSettings, rings: KeyRings, clock: Clock) -> None:
        """Take tokens of the issuers in the settings."""
        self._settings = settings
        self._clock = clock
        pairs = zip(settings.issuers, rings.of(settings), strict=True)
        self._issuers = {issuer.issuer: (issuer, ring) for issuer, ring in pairs}
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, _Found] = OrderedDict()

    def caller_of(self, text: str) -> Caller:
        """Return whose token this is.

        Raises:
            BadToken: it is not taken.
            NotAllowed: it is of somebody who may not use the gateway, or not with it.
            KeysUnavailable: its issuer's keys are not known.
        """
        digest = hashlib.sha256(text.encode()).digest()
        with self._lock:
            found = self._remembered.get(digest)
        if found is not None and self._is_good(found):
            return found.caller
        token = read(text, self._settings.max_token_bytes)
        issuer, ring = self._issuer_of(token)
        keys, raw = _signed(token, ring)
        claims = claimed.parse(raw)
        claimed.check_purpose(claims, issuer)
        ends_at = claimed.check_time(claims, self._clock.now().timestamp(), self._settings.leeway_seconds)
        caller = claimed.caller_of(claims, issuer)
        self._remember(digest, _Found(caller, ring, keys, ends_at))
        return caller

    def _issuer_of(self, token: Unverified) -> tuple[IssuerSettings, KeyRing]:
        """Return who would have made the token; all that can be refused without a key is refused here."""
        known = self._issuers.get(token.issuer)
        if known is None:
            raise BadToken("its issuer is not one of auth.issuers")
        issuer, _ = known
        if token.algorithm not in issuer.algorithms:
            raise BadToken(f"issuer {issuer.name}: its algorithm is not one of those accepted")
        if token.type not in (each.lower().removeprefix("application/") for each in issuer.token_types):
            raise BadToken(f"issuer {issuer.name}: its typ is not one of auth.issuers[].token_types")
        return known

    def _is_good(self, found: _Found) -> bool:
        return found.ring.keys() is found.keys and self._clock.now().timestamp() < found.ends_at

    def _remember(self, digest: bytes, found: _Found) -> None:
        with self._lock:
            self._remembered[digest] = found
            self._remembered.move_to_end(digest)
            while len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)


def _signed(token: Unverified, ring: KeyRing) -> tuple[KeySet, bytes]:
    """Return the signed claims of a token, and the keys of which one has signed it.

    Raises:
        BadToken: none has.
        KeysUnavailable: none is known.
    """
    keys = ring.keys()
    fitting = keys.fitting(token)
    if not fitting:
        keys = ring.keys_after(keys)
        fitting = keys.fitting(token)
    for key in fitting:
        try:
            return keys, check_signature(token, key)
        except BadToken:
            continue
    raise BadToken("its signature is wrong" if fitting else "its key is none of its issuer's")
